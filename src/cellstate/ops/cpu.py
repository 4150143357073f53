"""Our own kernels for the CPU (csrc/): every case at one speed, without packing sequences."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cellstate import _native
from cellstate.ops import cpu_plain
from cellstate.ops.cpu_cell import Cell, Kept
from cellstate.ops.cpu_gradient import Gradient, differentiate
from cellstate.ops.cpu_variant import CellVariant
from cellstate.ops.packing import packed_cell
from cellstate.ops.problem import (
    Backend,
    Cotangents,
    Forward,
    LSTMResult,
    LSTMState,
    LSTMTrace,
    Operands,
    Problem,
)
from cellstate.ops.variant import PLAIN

_DTYPES = (torch.float32, torch.float64)


def why_not(problem: Problem) -> str | None:
    """Say in one sentence why the kernels cannot run the problem, or None."""
    if problem.device != "cpu":
        return f"the CPU kernels take tensors on cpu, these are on {problem.device}"
    if problem.dtype not in _DTYPES:
        return f"the CPU kernels compute in float32 and float64, not in {problem.dtype}"
    if problem.traced:
        return "the CPU kernels take plain tensors, outside torch.func and forward-mode AD"
    return None


def forward(problem: Problem, operands: Operands) -> Forward:
    """Run the stack, cell by cell."""
    if not (problem.needs_grad or problem.trace):
        return Forward(_infer(problem, operands))
    if problem.needs_grad and cpu_plain.is_plain(problem):
        return cpu_plain.forward(problem, operands)
    P, D = problem.proj_size or problem.hidden_size, problem.directions
    x = operands.x.detach().contiguous()
    after = LSTMState(
        *(torch.empty_like(s, memory_format=torch.contiguous_format) for s in operands.state)
    )
    outputs: list[Tensor] = []
    kept: list[Kept] = []
    for layer in range(problem.layers):
        y = x.new_empty((problem.steps, problem.batch, D * P))
        for direction in range(D):
            k = layer * D + direction
            columns = y[..., direction * P : (direction + 1) * P]
            cell = Cell(problem, operands, k, x, columns)
            kept.append(cell.forward(LSTMState(after.h[k], after.c[k])))
        outputs.append(y)
        x = y
    trace = _trace(problem, kept) if problem.trace else None
    result = LSTMResult(outputs[-1], after, trace)
    if not problem.needs_grad:
        return Forward(result)
    return Forward(result, (*outputs, *(t for one in kept for t in _flat(problem, one))))


def _infer(problem: Problem, operands: Operands) -> LSTMResult:
    """Run the stack for its outputs alone, with few operations of torch: they cost microseconds."""
    P, D, x = problem.output_size, problem.directions, operands.x.detach().contiguous()
    before = LSTMState(*(s.detach().contiguous() for s in operands.state))
    after = LSTMState(*map(torch.empty_like, before))
    h0, c0, h, c = (s.numpy() for s in (*before, *after))
    plain = problem.variant == PLAIN and operands.lengths is None and operands.reset is None
    threads = torch.get_num_threads()
    y = x
    for layer in range(problem.layers):
        y = x.new_empty((problem.steps, problem.batch, D * P))
        inputs, outputs = x.numpy(), y.numpy()
        for k in range(layer * D, (layer + 1) * D):
            columns = outputs if D == 1 else outputs[..., k % D * P : (k % D + 1) * P]
            _native.lstm_forward(
                packed_cell(operands.weights[k]),
                inputs,
                h0[k],
                c0[k],
                columns,
                h[k],
                c[k],
                reverse=k % D == 1,
                threads=threads,
                **({} if plain else _departures(problem, operands, k)),
            )
        x = y
    return LSTMResult(y, after, None)


def _departures(problem: Problem, operands: Operands, k: int) -> dict[str, Any]:
    """Say what one cell does beyond running all rows to their end."""
    lengths, reset, start = operands.lengths, operands.reset, operands.start
    variant = CellVariant.of(problem, operands, k)
    return {
        "lengths": None if lengths is None else lengths.contiguous().numpy(),
        "reset": None if reset is None else reset.contiguous().numpy(),
        "start_h": None if start is None else start.h[k].detach().contiguous().numpy(),
        "start_c": None if start is None else start.c[k].detach().contiguous().numpy(),
        "variant": None if variant is None else variant.over_steps(0),
    }


def backward(
    problem: Problem, operands: Operands, saved: tuple[Tensor, ...], cotangents: Cotangents
) -> tuple[Tensor | None, ...]:
    """Differentiate the stack, from the last layer to the first.

    The recurrence gives the gradient of the gates before activation; products over all steps at
    once then give those of the weights and of the input.
    """
    if cpu_plain.is_plain(problem) and cpu_plain.wants_all(operands):
        return cpu_plain.backward(problem, operands, saved, cotangents)
    D, L, P = problem.directions, problem.layers, problem.proj_size or problem.hidden_size
    outputs, kept = saved[:L], _unflat(problem, saved[L:])
    dy = cotangents.y.contiguous()
    gradients: dict[int, Gradient] = {}
    for layer in reversed(range(L)):
        x = outputs[layer - 1] if layer else _zero_padding(problem, operands)
        shares: list[Tensor] = []
        for direction in range(D):
            k, columns = layer * D + direction, slice(direction * P, (direction + 1) * P)
            cell = Cell(problem, operands, k, x, outputs[layer][..., columns])
            last = LSTMState(*(s[k].contiguous() for s in cotangents.state))
            received = _trace_cotangents(cotangents.trace, k, D)
            gradient = differentiate(cell, kept[k], dy[..., columns], last, received)
            gradients[k] = gradient
            if gradient.dx is not None:
                shares.append(gradient.dx)
        if shares:
            dy = shares[0] if len(shares) == 1 else shares[0].add_(shares[1])
    each = [gradients[k] for k in range(L * D)]
    of_start: list[Tensor | None] = [None, None]
    if operands.start is not None:
        starts = [g.start for g in each if g.start is not None]
        of_start = [torch.stack(list(kind)) for kind in zip(*starts, strict=True)]
    found = (
        dy if operands.x.requires_grad else None,
        *(torch.stack(list(kind)) for kind in zip(*(g.before for g in each), strict=True)),
        *of_start,
        *(weight for g in each for weight in g.weights),
    )
    return tuple(
        g if t is not None and t.requires_grad else None
        for g, t in zip(found, operands.tensors(), strict=True)
    )


def _flat(problem: Problem, kept: Kept) -> tuple[Tensor, ...]:
    """List what the backward pass wants of a cell; the trace alone is not kept for it."""
    if problem.recompute == "sqrt":
        assert kept.borders is not None
        return tuple(kept.borders)
    assert kept.cells is not None
    if problem.recompute or kept.gates is None:
        return (kept.cells,)
    normed = () if kept.normed is None or kept.stats is None else (kept.normed, kept.stats)
    return kept.gates, kept.cells, *normed


def saved(problem: Problem) -> tuple[tuple[int, ...] | None, ...] | None:
    """Give the sizes of what `forward` saves: the layers' outputs, then `_flat` of each cell."""
    if problem.recompute == "sqrt":
        return None  # the root of a number of steps that may be a symbol
    T, B, D, H = problem.steps, problem.batch, problem.directions, problem.hidden_size
    output, cell = (T, B, D * (problem.proj_size or H)), (T, B, H)
    each: tuple[tuple[int, ...], ...] = (cell,) if problem.recompute else ((T, B, 4 * H), cell)
    if problem.variant.layer_norm and not problem.recompute:
        each = (*each, (T, B, 2, 4 * H), (T, B, 4))
    return (*(output,) * (problem.layers - 1), None, *each * (problem.layers * D))


def _unflat(problem: Problem, saved: tuple[Tensor, ...]) -> list[Kept]:
    if problem.recompute == "sqrt":
        pairs = zip(saved[::2], saved[1::2], strict=True)
        return [Kept(borders=LSTMState(h, c)) for h, c in pairs]
    if problem.recompute:
        return [Kept(cells=cells) for cells in saved]
    width = 4 if problem.variant.layer_norm else 2
    each = (saved[k : k + width] for k in range(0, len(saved), width))
    return [Kept(one[0], one[1], None, *one[2:]) for one in each]


def _zero_padding(problem: Problem, operands: Operands) -> Tensor:
    """Give the input with zeros in the padding, where a NaN would spoil a product over all rows."""
    x = operands.x.detach().contiguous()
    if operands.lengths is None:
        return x
    valid = torch.arange(problem.steps)[:, None] < operands.lengths
    return torch.where(valid[..., None], x, 0)


def _trace(problem: Problem, kept: list[Kept]) -> LSTMTrace:
    """Give the gates of all cells, (L, D, T, B, H) each."""
    shape = (problem.layers, problem.directions)
    gates = torch.stack([one.gates for one in kept if one.gates is not None])
    cells = torch.stack([one.cells for one in kept if one.cells is not None])
    H = problem.hidden_size
    each = gates.view(*shape, *gates.shape[1:])
    i, f, g, o = (each[..., gate * H : (gate + 1) * H] for gate in range(4))
    return LSTMTrace(i, f, g, o, cells.view(*shape, *cells.shape[1:]))


def _trace_cotangents(
    trace: LSTMTrace | None, k: int, directions: int
) -> tuple[Tensor, Tensor] | None:
    """Give what the trace received for one cell, gates side by side."""
    if trace is None:
        return None
    i, f, g, o, c = (part[k // directions, k % directions] for part in trace)
    return torch.cat([i, f, g, o], dim=-1), c.contiguous()


BACKEND = Backend(
    name="cpu",
    why_not=why_not,
    forward=forward,
    backward=backward,
    saved=saved,
    exact_rows=True,
)
