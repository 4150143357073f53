"""The public op: checks once, selects a backend once, runs it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import dropout as drop

from cellstate.errors import ArgumentTypeError, ShapeError, explain
from cellstate.ops import autograd, capture, checks
from cellstate.ops.backends import select
from cellstate.ops.problem import (
    CellWeights,
    LSTMResult,
    LSTMState,
    LSTMTrace,
    Operands,
    Problem,
    Recompute,
    is_transformed,
)


def lstm(
    x: Tensor,
    weights: Sequence[CellWeights],
    *,
    state: LSTMState | None = None,
    bidirectional: bool = False,
    dropout: float = 0.0,
    lengths: Tensor | Sequence[int] | None = None,
    reset: Tensor | None = None,
    start: LSTMState | None = None,
    trace: bool = False,
    recompute: Recompute = False,
    backend: str = "auto",
) -> LSTMResult:
    r"""Run a stack of LSTM layers over sequences; equations in `cellstate.ops.reference`.

    Parameters
    ----------
    x : Tensor
        Input (T, B, I), any floating dtype.
    weights : sequence of CellWeights
        One for each layer and direction: layer by layer, forward before reverse.
    state : LSTMState, optional
        State before the first step, h (L·D, B, P) and c (L·D, B, H); zero by default.
    bidirectional : bool
        Each layer has a second cell, which runs from the last valid step to the first; outputs are
        concatenated.
    dropout : float
        Share of outputs zeroed between layers, in 0 … 1. The op knows no evaluation mode: give 0.
    lengths : tensor or sequence of int, optional
        Valid steps of each row, (B,), each in 0 … T; on the CPU, or it is copied there. Outputs
        beyond are zero, final states are those at the length, the initial state for zero.
    reset : Tensor, optional
        (T, B) bool: before that step the state becomes `start`, in each direction before that
        direction takes the step. Without effect in the padding.
    start : LSTMState, optional
        What a reset sets, h (L·D, P) and c (L·D, H); zero by default.
    trace : bool
        Return gates and cell states as well.
    recompute : {False, True, "sqrt"}
        Spend time to save memory in training: compute the gates again in the backward pass, or all
        states but every √T-th.
    backend : str
        ``"auto"`` for the first that can, or a name from `cellstate.ops.backends.BACKENDS`.

    Returns
    -------
    LSTMResult
        `y` (T, B, D·P), `state`, and `trace` (None unless asked for).

    Raises
    ------
    ShapeError, ArgumentTypeError, InputError
        An operand has the wrong shape, dtype, device or type; a length is out of range; the backend
        is unknown or cannot run this problem.

    Notes
    -----
    NaN in the padding, or in a state that is reset, reaches no result, and no gradient but its own
    step's. Without gradient a single step takes the backend's short way. Under autocast operands
    are converted to autocast's dtype, as `torch.nn.LSTM` does with cuDNN.

    Examples
    --------
    One unit whose gates are all open: c = σ(0)·c + σ(0)·tanh(1), y = σ(0)·tanh(c).

    >>> import torch
    >>> cell = CellWeights(torch.tensor([[0.], [0.], [1.], [0.]]), torch.zeros(4, 1))
    >>> result = lstm(torch.ones(2, 1, 1), [cell])
    >>> [round(float(y), 4) for y in result.y.flatten()]
    [0.1817, 0.2581]
    """
    where = "lstm"
    directions = 2 if bidirectional else 1
    cells = _check_weights(where, weights, directions)
    x = checks.check_input(where, x, "time, batch", cells[0].weight_ih.shape[1])
    steps, batch = x.shape[:2]
    sizes = (cells[0].weight_hh.shape[1], cells[0].weight_hh.shape[0] // 4)
    for cell in cells:
        for name, tensor in zip(CellWeights._fields, cell, strict=True):
            if tensor is not None:
                checks.check_like(where, name, tensor, x)
    operands = Operands(
        x,
        zero_state(x, len(cells), batch, *sizes)
        if state is None
        else _check_state(where, "state", state, (len(cells), batch), sizes, x),
        cells,
        None if lengths is None else checks.check_lengths(where, lengths, batch, steps),
        None
        if reset is None
        else checks.check_reset(where, reset, "time, batch", (steps, batch), x),
        None if start is None else _check_state(where, "start", start, (len(cells),), sizes, x),
    )
    return run(
        operands,
        directions=directions,
        dropout=checks.check_rate(where, dropout),
        trace=trace,
        recompute=checks.check_recompute(where, recompute),
        backend=backend,
    )


def zero_state(x: Tensor, cells: int, batch: int, proj_size: int, hidden_size: int) -> LSTMState:
    """Make the state of a sequence that has seen nothing, h (L·D, B, P) and c (L·D, B, H)."""
    return LSTMState(
        x.new_zeros((cells, batch, proj_size)), x.new_zeros((cells, batch, hidden_size))
    )


def run(
    operands: Operands,
    *,
    directions: int,
    dropout: float,
    trace: bool,
    recompute: Recompute,
    backend: str,
) -> LSTMResult:
    """Run operands that were checked, on the backend that `backend` names or lets choose."""
    device = operands.x.device.type
    if (dtype := checks.autocast_dtype(device)) is not None:
        operands = _converted(operands, dtype)
        with torch.autocast(device, enabled=False):
            return _run_layers(operands, directions, dropout, trace, recompute, backend)
    return _run_layers(operands, directions, dropout, trace, recompute, backend)


def _converted(operands: Operands, dtype: torch.dtype) -> Operands:
    """Convert operands to autocast's dtype; float64 is left as it is, as autocast leaves it."""
    if operands.x.dtype == torch.float64:
        return operands
    tensors = [None if t is None else t.to(dtype) for t in operands.tensors()]
    return Operands.of_tensors(tensors, lengths=operands.lengths, reset=operands.reset)


def _run_layers(
    operands: Operands,
    directions: int,
    dropout: float,
    trace: bool,
    recompute: Recompute,
    backend: str,
) -> LSTMResult:
    """Run the stack in one call, or layer by layer where dropout stands between the layers."""
    cells = len(operands.weights)
    if not dropout or cells == directions:
        return _run_backend(operands, directions, trace, recompute, backend)
    y = operands.x
    results: list[LSTMResult] = []
    for first in range(0, cells, directions):
        if first:
            y = drop(y, dropout)
        layer = operands.layer(y, first, first + directions)
        results.append(_run_backend(layer, directions, trace, recompute, backend))
        y = results[-1].y
    state = LSTMState(*(torch.cat(s) for s in zip(*(r.state for r in results), strict=True)))
    traces = [result.trace for result in results if result.trace is not None]
    joined = LSTMTrace(*(torch.cat(t) for t in zip(*traces, strict=True))) if traces else None
    return LSTMResult(y, state, joined)


def _run_backend(
    operands: Operands, directions: int, trace: bool, recompute: Recompute, backend: str
) -> LSTMResult:
    if torch.compiler.is_compiling() and not is_transformed():
        return capture.run(
            operands, directions=directions, trace=trace, recompute=recompute, backend=backend
        )
    problem = Problem.of(operands, directions=directions, trace=trace, recompute=recompute)
    return autograd.run(select(backend, problem), problem, operands)


def _check_weights(
    where: str, weights: Sequence[CellWeights], directions: int
) -> tuple[CellWeights, ...]:
    """Require cells that fit one another."""
    cells = tuple(weights)
    kinds = {type(cell) for cell in cells}
    if kinds != {CellWeights} or len(cells) % directions:
        raise ArgumentTypeError(
            explain(
                where,
                f"weights must be one CellWeights for each layer and direction ({directions})",
                f"{len(cells)} of {', '.join(sorted(k.__name__ for k in kinds)) or 'any type'}",
                "Give layer 0 forward, layer 0 reverse, layer 1 forward, …",
            )
        )
    first = cells[0]
    gates, proj = checks.check_tensor(where, "weight_hh", first.weight_hh, "(4H, P)").shape
    hidden = gates // 4
    inputs = checks.check_tensor(where, "weight_ih", first.weight_ih, "(4H, I)").shape[-1]
    for k, cell in enumerate(cells):
        shapes = {
            "weight_ih": (4 * hidden, inputs if k < directions else directions * proj),
            "weight_hh": (4 * hidden, proj),
            "bias_ih": None if first.bias_ih is None else (4 * hidden,),
            "bias_hh": None if first.bias_hh is None else (4 * hidden,),
            "weight_hr": None if first.weight_hr is None else (proj, hidden),
        }
        for name, shape in shapes.items():
            given: Tensor | None = getattr(cell, name)
            if (None if given is None else tuple(given.shape)) != shape:
                raise ShapeError(
                    explain(
                        where,
                        f"{name} of cell {k} must be {shape}",
                        "None" if given is None else checks.describe(given),
                        "Stack the gates i, f, g, o; give all cells the same sizes",
                    )
                )
    return cells


def _check_state(
    where: str,
    name: str,
    state: LSTMState,
    rows: tuple[int, ...],
    sizes: tuple[int, int],
    x: Tensor,
) -> LSTMState:
    """Require h and c of the sizes of the stack."""
    if not isinstance(state, tuple) or len(state) != 2:  # pyright: ignore[reportUnnecessaryIsInstance, reportUnnecessaryComparison]
        raise ArgumentTypeError(
            explain(where, f"{name} must be LSTMState(h, c)", checks.describe(state), "Name both")
        )
    axes = "layers·directions, batch" if len(rows) == 2 else "layers·directions"
    for part, tensor, size in zip("hc", state, sizes, strict=True):
        label = f"{name}.{part}"
        tensor = checks.check_tensor(where, label, tensor, f"({axes}, size)")
        checks.check_shape(where, label, tensor, f"{axes}, size", (*rows, size))
        checks.check_like(where, label, tensor, x)
    return LSTMState(*state)
