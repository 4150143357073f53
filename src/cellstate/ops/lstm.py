"""The public op: checks once, selects a backend once, runs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import dropout as drop

from cellstate.errors import ArgumentTypeError, ShapeError, explain
from cellstate.ops import autograd, capture, checks, noise
from cellstate.ops.backends import select
from cellstate.ops.problem import (
    CellWeights,
    LSTMResult,
    LSTMState,
    LSTMTrace,
    Operands,
    Problem,
    Recompute,
    Request,
    is_transformed,
)
from cellstate.ops.variant import PLAIN, Variant, check_share, check_variant


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
    variant: Variant = PLAIN,
    weight_drop: float = 0.0,
    keys: Tensor | None = None,
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
    variant : Variant
        How the cells depart from the plain one.
    weight_drop : float
        Share of the entries of `weight_hh` that are dropped, in 0 … 1, where there are keys
        (Merity, Keskar, Socher: Regularizing and optimizing LSTM language models. ICLR 2018).
    keys : Tensor, optional
        For each cell the key of its random masks, (L·D,) int64 in 0 … 2³² - 1, as
        `cellstate.ops.noise.draw_keys` gives them. Without keys nothing is drawn: recurrent and
        weight dropout do nothing, zoneout takes its expectation.
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
    check_variant(where, variant)
    cells = _check_weights(where, weights, directions, variant)
    x = checks.check_input(where, x, "time, batch", cells[0].weight_ih.shape[1])
    steps, batch = x.shape[:2]
    sizes = (cells[0].weight_hh.shape[1], cells[0].hidden_size)
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
        None if keys is None else checks.check_keys(where, keys, len(cells)),
    )
    return run(
        operands,
        directions=directions,
        dropout=checks.check_rate(where, dropout),
        weight_drop=check_share(where, "weight_drop", weight_drop),
        variant=variant,
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
    variant: Variant = PLAIN,
    weight_drop: float = 0.0,
) -> LSTMResult:
    """Run operands that were checked, on the backend that `backend` names or lets choose."""
    request = Request(directions, trace, recompute, backend, variant)
    if weight_drop and operands.keys is not None:
        operands = _weights_dropped(operands, operands.keys, weight_drop)
    device = operands.x.device.type
    if (dtype := checks.autocast_dtype(device)) is not None:
        operands = _converted(operands, dtype)
        with torch.autocast(device, enabled=False):
            return _run_layers(operands, dropout, request)
    return _run_layers(operands, dropout, request)


def _weights_dropped(operands: Operands, keys: Tensor, rate: float) -> Operands:
    """Drop entries of each recurrent weight, the same ones at every step."""

    def dropped(cell: CellWeights, key: Tensor) -> CellWeights:
        weight = cell.weight_hh
        mask = noise.mask(key, noise.WEIGHT, rate, len(weight), weight.shape[1], weight)
        return cell._replace(weight_hh=weight * mask)

    pairs = zip(operands.weights, keys, strict=True)
    return replace(operands, weights=tuple(dropped(*pair) for pair in pairs))


def _converted(operands: Operands, dtype: torch.dtype) -> Operands:
    """Convert operands to autocast's dtype; float64 is left as it is, as autocast leaves it."""
    if operands.x.dtype == torch.float64:
        return operands
    tensors = [None if t is None else t.to(dtype) for t in operands.tensors()]
    return operands.with_tensors(tensors)


def _run_layers(operands: Operands, dropout: float, request: Request) -> LSTMResult:
    """Run the stack in one call, or layer by layer where dropout stands between the layers."""
    cells, directions = len(operands.weights), request.directions
    if not dropout or cells == directions:
        return _run_backend(operands, request)
    y = operands.x
    results: list[LSTMResult] = []
    for first in range(0, cells, directions):
        if first:
            y = drop(y, dropout)
        results.append(_run_backend(operands.layer(y, first, first + directions), request))
        y = results[-1].y
    state = LSTMState(*(torch.cat(s) for s in zip(*(r.state for r in results), strict=True)))
    traces = [result.trace for result in results if result.trace is not None]
    joined = LSTMTrace(*(torch.cat(t) for t in zip(*traces, strict=True))) if traces else None
    return LSTMResult(y, state, joined)


def _run_backend(operands: Operands, request: Request) -> LSTMResult:
    if torch.compiler.is_compiling() and not is_transformed():
        return capture.run(operands, request)
    problem = Problem.of(operands, **request.facts())
    return autograd.run(select(request.backend, problem), problem, operands)


def _check_weights(
    where: str, weights: Sequence[CellWeights], directions: int, variant: Variant
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
    rows, proj = checks.check_tensor(where, "weight_hh", first.weight_hh, "(4H, P)").shape
    hidden = rows // variant.gates
    gates = variant.gates * hidden
    inputs = checks.check_tensor(where, "weight_ih", first.weight_ih, "(4H, I)").shape[-1]
    for k, cell in enumerate(cells):
        shapes = {
            "weight_ih": (gates, inputs if k < directions else directions * proj),
            "weight_hh": (gates, proj),
            "bias_ih": None if first.bias_ih is None else (gates,),
            "bias_hh": None if first.bias_hh is None else (gates,),
            "weight_hr": None if first.weight_hr is None else (proj, hidden),
            "weight_ch": (variant.peepholes * hidden,) if variant.peephole else None,
            **dict.fromkeys(("norm_ih", "norm_hh"), (gates,) if variant.layer_norm else None),
            **dict.fromkeys(("norm_c", "norm_c_bias"), (hidden,) if variant.layer_norm else None),
        }
        for name, shape in shapes.items():
            given: Tensor | None = getattr(cell, name)
            if (None if given is None else tuple(given.shape)) != shape:
                raise ShapeError(
                    explain(
                        where,
                        f"{name} of cell {k} must be {shape}",
                        "None" if given is None else checks.describe(given),
                        "Stack the gates i, f, g, o (f, g, o where they are coupled); give all "
                        "cells the same sizes and what their variant needs",
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
