"""Layers from others' weights: torch's and Keras'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from cellstate.errors import ArgumentTypeError, InputError, ShapeError, explain
from cellstate.nn.lstm import LSTM


def from_torch(module: torch.nn.LSTM, **options: Any) -> LSTM:
    """Build the layer that computes what a `torch.nn.LSTM` computes.

    Parameters
    ----------
    module : torch.nn.LSTM
    **options
        Keyword-only arguments of `LSTM`, such as ``backend``, but for those that change which
        weights there are.

    Raises
    ------
    ArgumentTypeError, InputError
        It is no `torch.nn.LSTM`, or an option asks for other weights than torch's layer has.

    Examples
    --------
    >>> theirs = torch.nn.LSTM(3, 4, num_layers=2, bidirectional=True)
    >>> ours, x = from_torch(theirs), torch.ones(5, 1, 3)
    >>> torch.allclose(ours(x)[0], theirs(x)[0], atol=1e-6)
    True
    """
    if not isinstance(module, torch.nn.LSTM):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ArgumentTypeError(
            explain(
                "from_torch",
                "module must be a torch.nn.LSTM",
                type(module).__name__,
                "Pass the layer itself, not the model around it",
            )
        )
    weight = module.all_weights[0][0]
    layer = LSTM(
        module.input_size,
        module.hidden_size,
        module.num_layers,
        module.bias,
        module.batch_first,
        module.dropout,
        module.bidirectional,
        module.proj_size,
        weight.device,
        weight.dtype,
        **options,
    )
    theirs = {name: value.shape for name, value in module.state_dict().items()}
    ours = {name: value.shape for name, value in layer.state_dict().items()}
    if theirs != {name: ours[name] for name in ours if name not in ("initial_h", "initial_c")}:
        raise InputError(
            explain(
                "from_torch",
                "the options must leave the layer torch's weights",
                str(layer.variant),
                "Convert without them, or build an LSTM with them and train it",
            )
        )
    layer.load_state_dict(module.state_dict(), strict=False)
    return layer.train(module.training)


def from_keras(weights: Sequence[Any], *, batch_first: bool = True) -> LSTM:
    """Build a layer from the weights of Keras LSTM layers, as ``get_weights()`` gives them.

    Parameters
    ----------
    weights : sequence of arrays
        For one layer: kernel (I, 4H), recurrent kernel (H, 4H) and bias (4H,), or without the
        bias; six or four arrays for a layer under `Bidirectional`, forward before backward.
    batch_first : bool
        Whether input is (batch, time, features), as in Keras.

    Raises
    ------
    InputError, ShapeError
        The number of arrays or a shape is another.

    Notes
    -----
    Keras has one bias; it becomes ``bias_ih``, and ``bias_hh`` is zero. The activations must be
    Keras' defaults, tanh and sigmoid.

    Examples
    --------
    >>> kernel, recurrent = np.zeros((3, 8)), np.zeros((2, 8))
    >>> from_keras([kernel, recurrent, np.ones(8)]).bias_ih_l0.tolist()[:2]
    [1.0, 1.0]
    """
    arrays = [np.asarray(array) for array in weights]
    if len(arrays) not in (2, 3, 4, 6):
        raise InputError(
            explain(
                "from_keras",
                "weights must be 2 or 3 arrays, or 4 or 6 for a bidirectional layer",
                f"{len(arrays)}",
                "Pass layer.get_weights() of one layer",
            )
        )
    per_cell = 2 if len(arrays) in (2, 4) else 3
    cells = [arrays[k : k + per_cell] for k in range(0, len(arrays), per_cell)]
    inputs, gates = cells[0][0].shape if cells[0][0].ndim == 2 else (0, 0)
    hidden = gates // 4
    expected = [(inputs, 4 * hidden), (hidden, 4 * hidden), (4 * hidden,)][:per_cell]
    for cell in cells:
        for array, shape in zip(cell, expected, strict=True):
            if array.shape != shape or hidden == 0:
                raise ShapeError(
                    explain(
                        "from_keras",
                        "weights must be kernel (I, 4H), recurrent kernel (H, 4H) and bias (4H,)",
                        f"shapes {', '.join(str(a.shape) for a in arrays)}",
                        "Pass layer.get_weights() of one LSTM layer",
                    )
                )
    layer = LSTM(
        inputs,
        hidden,
        bias=per_cell == 3,
        batch_first=batch_first,
        bidirectional=len(cells) == 2,
        dtype=torch.float64 if arrays[0].dtype == np.float64 else torch.float32,
    )
    for (weight_ih, weight_hh, *biases), cell in zip(layer.all_weights, cells, strict=True):
        _copy(weight_ih, cell[0].T)
        _copy(weight_hh, cell[1].T)
        for bias, value in zip(biases, (*cell[2:], 0.0), strict=False):
            _copy(bias, value)
    return layer


def _copy(parameter: torch.Tensor, values: Any) -> None:
    with torch.no_grad():
        parameter.copy_(torch.as_tensor(np.array(values)))
