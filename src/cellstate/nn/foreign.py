"""Layers from others' weights: torch's, Keras' and ONNX's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cellstate.errors import ArgumentTypeError, InputError, ShapeError, did_you_mean, explain
from cellstate.extras import require
from cellstate.nn.lstm import LSTM

FROM_ONNX = (0, 2, 3, 1)  # from i, o, f, c to i, f, g, o


def from_torch(module: torch.nn.LSTM, **options: Any) -> LSTM:
    """Build the layer that computes what a `torch.nn.LSTM` computes.

    Parameters
    ----------
    module : torch.nn.LSTM
    **options
        Keyword-only arguments of `LSTM`, such as ``backend``.

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
    layer.load_state_dict(module.state_dict(), strict=not options.get("learn_initial_state", False))
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
    layer = _empty(inputs, hidden, per_cell == 3, len(cells) == 2, batch_first, arrays[0].dtype)
    for (weight_ih, weight_hh, *biases), cell in zip(layer.all_weights, cells, strict=True):
        _copy(weight_ih, cell[0].T)
        _copy(weight_hh, cell[1].T)
        for bias, value in zip(biases, (*cell[2:], 0.0), strict=False):
            _copy(bias, value)
    return layer


def from_onnx(model: Any, node: str | None = None) -> LSTM:
    """Build a layer from the LSTM node of an ONNX model.

    Parameters
    ----------
    model : path or onnx.ModelProto
    node : str, optional
        Name of the node; needed where the model has more than one LSTM.

    Returns
    -------
    LSTM
        One layer, time first; its weights are the node's.

    Raises
    ------
    InputError
        There is no such node, its weights are no constants, or it is a variant that the layer is
        not: peepholes, coupled gates, clipping, other activations, or the reverse direction alone.
    """
    onnx = require("onnx", extra="onnx")
    if isinstance(model, str | Path):
        model = onnx.load_model(str(model))
    nodes = [one for one in model.graph.node if one.op_type == "LSTM"]
    found = [one for one in nodes if node in (None, one.name)]
    if len(found) != 1:
        names = [one.name for one in nodes]
        raise InputError(
            explain(
                "from_onnx",
                "the model must have one LSTM node, or node must name one of several",
                f"node={node!r} and LSTM nodes {names}",
                did_you_mean(node, names) if node else "Pass the name of the node",
            )
        )
    return _from_node(onnx, model, found[0])


def _from_node(onnx: Any, model: Any, node: Any) -> LSTM:
    options = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    direction = options.get("direction", b"forward").decode()
    plain = [b"Sigmoid", b"Tanh", b"Tanh"] * (2 if direction == "bidirectional" else 1)
    inputs = [*node.input, *[""] * (8 - len(node.input))]
    refusals = {
        "the reverse direction alone": direction == "reverse",
        "coupled gates (input_forget)": options.get("input_forget", 0) != 0,
        "clipping": options.get("clip", 0.0) != 0.0,
        "other activations": [a.lower() for a in options.get("activations", plain)]
        != [a.lower() for a in plain],
        "peepholes": inputs[7] != "",
        "the batch first (layout=1)": options.get("layout", 0) != 0,
    }
    if refused := [name for name, is_so in refusals.items() if is_so]:
        raise InputError(
            explain(
                "from_onnx",
                "the node must be a plain LSTM",
                ", ".join(refused),
                "Export the model without it",
            )
        )
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    wanted = {"W": inputs[1], "R": inputs[2], **({"B": inputs[3]} if inputs[3] else {})}
    if missing := [name for name, source in wanted.items() if source not in constants]:
        raise InputError(
            explain(
                "from_onnx",
                "the node's weights must be constants of the model",
                f"{', '.join(missing)} computed by the graph",
                "Fold constants first, for instance with onnxsim",
            )
        )
    W, R = constants[wanted["W"]], constants[wanted["R"]]
    layer = _empty(W.shape[2], R.shape[2], "B" in wanted, len(W) == 2, False, W.dtype)
    for cell, parameters in enumerate(layer.all_weights):
        _copy(parameters[0], _reordered(W[cell]))
        _copy(parameters[1], _reordered(R[cell]))
        if "B" in wanted:
            for parameter, half in zip(
                parameters[2:], np.split(constants[wanted["B"]][cell], 2), strict=True
            ):
                _copy(parameter, _reordered(half))
    return layer


def _reordered(array: np.ndarray) -> np.ndarray:
    parts = np.split(array, 4)
    return np.concatenate([parts[gate] for gate in FROM_ONNX])


def _empty(inputs: int, hidden: int, bias: bool, both: bool, batch_first: bool, dtype: Any) -> LSTM:
    kind = torch.float64 if dtype == np.float64 else torch.float32
    return LSTM(inputs, hidden, bias=bias, batch_first=batch_first, bidirectional=both, dtype=kind)


def _copy(parameter: torch.Tensor, values: Any) -> None:
    with torch.no_grad():
        parameter.copy_(torch.as_tensor(np.array(values)))
