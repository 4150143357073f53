"""The layer as ONNX: the standard `LSTM` operator itself, compared with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from cellstate.errors import ArgumentTypeError, InputError, explain
from cellstate.extras import require
from cellstate.nn.lstm import LSTM
from cellstate.onnx_graph import (
    BATCHES,
    STEPS,
    Graph,
    lstm_options,
    require_equal,
    run,
    session_of,
    uncoupled,
)
from cellstate.ops.variant import PLAIN


def to_onnx(
    module: LSTM,
    path: str | Path | None = None,
    *,
    lengths: bool = False,
    single_step: bool = False,
    check: bool = True,
) -> Any:
    """Write a layer as ONNX's standard `LSTM` operator.

    Inputs are ``x``, ``h_0`` and ``c_0``, and ``lengths`` if asked for; outputs ``y``, ``h_n`` and
    ``c_n``, in the shapes of the layer's own call. Time and batch are free. A learned initial state
    is not part of the graph: give it as ``h_0`` and ``c_0``. The graph is the layer in evaluation,
    where dropout of any kind does nothing.

    Parameters
    ----------
    module : LSTM
        A layer of float32 parameters, without projection; of the variants the operator has
        `peephole`, `coupled` and `hard_sigmoid`.
    path : path, optional
        File to write; nothing is written unless the comparison succeeds.
    lengths : bool
        Take the valid steps of each row, int32 (batch,), as another input.
    single_step : bool
        Take one step, (batch, I) to (batch, D·H), instead of a sequence.
    check : bool
        Compare with ONNX Runtime for 1, 2 and 7 rows and 1, 2 and 33 steps.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    InputError, ArgumentTypeError
        The layer has what the operator has not, or both forms are asked for at once.
    MissingExtraError
        `onnx`, or `onnxruntime` for the comparison, is not installed.
    ExportError
        ONNX Runtime gives other numbers than the layer.
    """
    _check(module, lengths=lengths, single_step=single_step)
    onnx = require("onnx", extra="onnx")
    model = _model(module, lengths=lengths, single_step=single_step)
    if check:
        compare(module, model, lengths=lengths, single_step=single_step)
    if path is not None:
        target = Path(path)
        draft = target.with_name(target.name + ".part")
        try:
            onnx.save_model(model, str(draft))
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    return model


def _check(module: LSTM, *, lengths: bool, single_step: bool) -> None:
    if not isinstance(module, LSTM):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ArgumentTypeError(
            explain(
                "to_onnx",
                "module must be a cellstate.nn.LSTM",
                type(module).__name__,
                "Convert torch's layer with from_torch",
            )
        )
    if module.proj_size:
        raise InputError(
            explain(
                "to_onnx",
                "the layer must have no projection, which ONNX's LSTM has not",
                f"proj_size={module.proj_size}",
                "Export the projection as a linear layer of its own",
            )
        )
    evaluated = replace(module.variant, recurrent_dropout=0.0, dropped_at="hidden")
    absent = replace(evaluated, peephole=False, coupled=False, hard_sigmoid=False)
    if absent != PLAIN:
        raise InputError(
            explain(
                "to_onnx",
                "the layer must have no layer norm, no cell clip and no zoneout, which ONNX's "
                "LSTM has not",
                str(absent),
                "Build the layer without them before training it",
            )
        )
    if (dtype := module.all_weights[0][0].dtype) != torch.float32:
        raise InputError(
            explain(
                "to_onnx",
                "parameters must be float32, the type in which ONNX Runtime has the operator",
                str(dtype),
                "Convert the layer with .float()",
            )
        )
    if lengths and single_step:
        raise InputError(
            explain("to_onnx", "a single step has no lengths", "both", "Leave one of them out")
        )


def _model(module: LSTM, *, lengths: bool, single_step: bool) -> Any:
    """Build the graph."""
    D, H, L = 2 if module.bidirectional else 1, module.hidden_size, module.num_layers
    graph = Graph()
    time_first = not module.batch_first
    x = "x"
    if single_step:
        axis = graph.constant("time_axis", np.array([0]))
        x = graph.node("Unsqueeze", [x, axis], "x_time_first")
    elif not time_first:
        x = graph.node("Transpose", [x], "x_time_first", perm=[1, 0, 2])
    cells = [_Cell.of(module, parameters) for parameters in module.all_weights]
    layers = [[cell.arrays for cell in cells[k * D : (k + 1) * D]] for k in range(L)]
    peepholes = [[cell.peephole for cell in cells[k * D : (k + 1) * D]] for k in range(L)]
    x = graph.lstm(
        x,
        layers,
        peepholes=peepholes if module.variant.peephole else (),
        lengths="lengths" if lengths else "",
        **lstm_options(hard_sigmoid=module.variant.hard_sigmoid, directions=D),
    )
    if single_step:
        graph.node("Squeeze", [x, "time_axis"], "y")
    elif time_first:
        graph.node("Identity", [x], "y")
    else:
        graph.node("Transpose", [x], "y", perm=[1, 0, 2])

    lead = ["batch"] if single_step else ["time", "batch"] if time_first else ["batch", "time"]
    state = (L * D, "batch", H)
    inputs = [graph.value("x", (*lead, module.input_size))]
    inputs += [graph.value(name, state) for name in ("h_0", "c_0")]
    if lengths:
        inputs.append(graph.value("lengths", ("batch",), np.int32))
    outputs = [graph.value("y", (*lead, D * H))]
    outputs += [graph.value(name, state) for name in ("h_n", "c_n")]
    return graph.model("lstm", inputs, outputs)


class _Cell(NamedTuple):
    """What the operator wants of one cell: weights of four gates, and peepholes of three."""

    arrays: list[np.ndarray]
    peephole: np.ndarray

    @classmethod
    def of(cls, module: LSTM, parameters: Sequence[Tensor]) -> _Cell:
        """Read a cell off its parameters: weights, biases if any, then peepholes if any."""
        arrays = [_array(parameter) for parameter in parameters]
        peephole = arrays.pop() if module.variant.peephole else np.zeros(0, np.float32)
        if not module.variant.coupled:
            return cls(arrays, peephole)
        seen = uncoupled(peephole, 2) if module.variant.peephole else peephole
        return cls([uncoupled(array, 3) for array in arrays], seen)


def compare(module: LSTM, model: Any, *, lengths: bool = False, single_step: bool = False) -> float:
    """Compare a layer with its ONNX form in ONNX Runtime.

    Returns
    -------
    float
        The largest difference of outputs and final states over all sizes.

    Raises
    ------
    ExportError
        It is beyond rounding.
    """
    session = session_of(model)
    generator = torch.Generator().manual_seed(0)
    cells = module.num_layers * (2 if module.bidirectional else 1)
    worst = 0.0
    for batch in BATCHES:
        for steps in (1,) if single_step else STEPS:

            def draw(*shape: int) -> Tensor:
                return torch.randn(shape, generator=generator)

            lead = (steps, batch) if single_step or not module.batch_first else (batch, steps)
            x = draw(*lead, module.input_size)
            h, c = (draw(cells, batch, module.hidden_size) for _ in range(2))
            feeds = {"x": _array(x[0] if single_step else x), "h_0": _array(h), "c_0": _array(c)}
            valid = None
            if lengths:
                valid = torch.randint(1, steps + 1, (batch,), generator=generator)
                feeds["lengths"] = _array(valid.int())
            training = module.training
            module.eval()
            with torch.no_grad():
                own = x.transpose(0, 1) if single_step and module.batch_first else x
                y, state = module(own, (h, c), lengths=valid)
            module.train(training)
            if single_step:
                y = y.flatten(0, 1)
            ours = {"y": _array(y), "h_n": _array(state[0]), "c_n": _array(state[1])}
            size = f"{batch} rows and {steps} steps"
            worst = max(worst, require_equal("to_onnx", size, ours, run(session, feeds)))
    return worst


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()
