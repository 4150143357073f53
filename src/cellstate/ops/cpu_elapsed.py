"""A cell whose state changes between its steps, on the CPU kernels: one native call a step.

Calls, arguments and equations are those of `cellstate.ops.elapsed`. What happens between two native
calls is a `cellstate.ops.cpu_change`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd.function import Function

from cellstate import _native
from cellstate.ops import cpu_change
from cellstate.ops.between import Change, Steps, loop
from cellstate.ops.packing import packed_cell, packed_gradient
from cellstate.ops.problem import CellWeights

WEIGHTS = len(CellWeights._fields)


def run(
    x: Tensor,
    h: Tensor,
    c: Tensor,
    weights: CellWeights,
    change: Change,
    lengths: Tensor | None,
) -> Steps:
    """Run the steps, with a gradient where one is wanted."""
    tensors = (x, h, c, *weights, *change)
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors):
        return Steps(*_steps(type(change), lengths, *tensors))
    return _forward(_Given.of(type(change), lengths, tensors), keeps=False)[0]


class _Given(NamedTuple):
    """What the steps are given, dense, outside autograd."""

    x: Tensor
    h: Tensor
    c: Tensor
    weights: CellWeights
    change: Change
    lengths: Tensor | None

    @classmethod
    def of(
        cls, kind: type[Change], lengths: Tensor | None, tensors: tuple[Tensor | None, ...]
    ) -> _Given:
        """Sort tensors in the order in which autograd knows them."""
        x, h, c = (cast("Tensor", t).detach().contiguous() for t in tensors[:3])
        flat: Any = tensors[3:]
        dense = (None if t is None else t.detach().contiguous() for t in flat[WEIGHTS:])
        return cls(x, h, c, CellWeights(*flat[:WEIGHTS]), kind(*dense), lengths)  # pyright: ignore

    @property
    def hidden_size(self) -> int:
        """Units H."""
        return self.h.shape[1]

    def room(self, size: int) -> Tensor:
        """Make room for `size` numbers of each row and step."""
        return self.x.new_empty((*self.x.shape[:2], size))

    def rows(self) -> list[Any]:
        """Say of each step which rows take it, as lengths 0 and 1; None where all do."""
        T = self.x.shape[0]
        if self.lengths is None:
            return [None] * T
        shortest = int(self.lengths.min())
        takes = (torch.arange(T)[:, None] < self.lengths).to(torch.int64).numpy()
        return [None] * shortest + list(takes[shortest:])


class _Kept(NamedTuple):
    """What the backward pass wants: gates (T, B, 4H), cells and outputs (T, B, H)."""

    gates: Tensor
    cells: Tensor
    y: Tensor


def _singly(tensor: Tensor) -> Iterator[Any]:
    """Give each step as an array with an axis of one step."""
    return iter(tensor.numpy()[:, None])


def _forward(given: _Given, *, keeps: bool) -> tuple[Steps, _Kept | None, cpu_change.Between]:
    """Run the steps; keep what the backward pass wants, if anything does."""
    x, H, threads = given.x, given.hidden_size, torch.get_num_threads()
    between = cpu_change.between(given.change, given.h, given.c)
    packed = packed_cell(given.weights)
    y, cells = given.room(H), given.room(H)
    gates = given.room(4 * H) if keeps else None
    each_gates = [None] * len(x) if gates is None else _singly(gates)
    seen_h, seen_c = given.h.numpy(), given.c.numpy()
    steps = zip(_singly(x), _singly(y), cells.numpy(), each_gates, given.rows(), strict=True)
    for t, (x_t, y_t, c_t, gates_t, rows_t) in enumerate(steps):
        seen_h, seen_c = between.forward(t, seen_h, seen_c)
        _native.lstm_forward(
            packed,
            x_t,
            seen_h,
            seen_c,
            y_t,
            None,
            c_t,
            gates=gates_t,
            lengths=rows_t,
            threads=threads,
        )
        seen_h, seen_c = y_t[0], c_t
    kept = None if gates is None else _Kept(gates, cells, y)
    # A cell that takes no step hands its state on; its output is zero.
    return Steps(y, _last(given, y), cells[-1].clone()), kept, between


def _last(given: _Given, y: Tensor) -> Tensor:
    """Give each row's last output, or its state where it takes no step."""
    if given.lengths is None:
        return y[-1].clone()
    last = y[(given.lengths - 1).clamp(min=0), torch.arange(y.shape[1])]
    return torch.where((given.lengths > 0)[:, None], last, given.h)


class _Steps(Function):
    """Forward and backward as torch's autograd wants them."""

    @staticmethod
    def forward(
        ctx: Any, kind: type[Change], lengths: Tensor | None, *tensors: Tensor | None
    ) -> tuple[Tensor, ...]:
        """Run the steps and keep what the backward pass wants."""
        steps, kept, between = _forward(_Given.of(kind, lengths, tensors), keeps=True)
        assert kept is not None
        ctx.kind, ctx.between, ctx.count = kind, between, len(tensors)
        ctx.save_for_backward(*tensors, lengths, kept.gates, kept.cells, steps.y)
        ctx.set_materialize_grads(False)
        return tuple(steps)

    @staticmethod
    def backward(ctx: Any, *received: Tensor | None) -> tuple[Any, ...]:
        """Run the kernels backwards, or the eager loop where that is differentiated again."""
        saved = cast("tuple[Any, ...]", ctx.saved_tensors)
        tensors, (lengths, *kept) = saved[: ctx.count], saved[ctx.count :]
        if torch.is_grad_enabled():
            return (None, None, *_backward_again(ctx.kind, lengths, tensors, received))
        given = _Given.of(ctx.kind, lengths, tensors)
        wanted = ctx.needs_input_grad[2:]
        return (None, None, *_backward(given, _Kept(*kept), ctx.between, received, wanted))


_steps = cast("Callable[..., tuple[Tensor, Tensor, Tensor]]", _Steps.apply)


def _backward(
    given: _Given,
    kept: _Kept,
    between: cpu_change.Between,
    received: tuple[Tensor | None, ...],
    wanted: tuple[bool, ...],
) -> list[Tensor | None]:
    """Differentiate the steps; give one gradient for each tensor, None where it is not wanted."""
    threads, H = torch.get_num_threads(), given.hidden_size
    packed = packed_gradient(given.weights)
    dy, dh_n, dc_n = received
    dy = given.room(H).zero_() if dy is None else dy.contiguous()
    dh, dc = (
        (torch.zeros_like(given.h) if d is None else d.contiguous().clone()).numpy()
        for d in (dh_n, dc_n)
    )
    dsums = given.room(4 * H)
    between.begin_backward(kept.y, kept.cells, wanted[3 + WEIGHTS :])
    columns = (_singly(t) for t in (kept.gates, kept.cells, dy, dsums))
    steps = list(enumerate(zip(*columns, given.rows(), strict=True)))
    for t, (gates_t, cells_t, dy_t, dsums_t, rows_t) in reversed(steps):
        _native.lstm_backward(
            packed,
            between.seen_c(t),
            gates_t,
            cells_t,
            dy_t,
            dh,
            dc,
            dsums_t,
            dh,
            dc,
            lengths=rows_t,
            threads=threads,
        )
        dh, dc = between.backward(t, dh, dc)
    state = [torch.from_numpy(d) for d in (dh, dc)]
    of_weights = _weights(given, dsums, between.all_seen_h(), wanted[3 : 3 + WEIGHTS])
    dx = torch.empty_like(given.x) if wanted[0] else None
    if dx is not None:
        _native.input_gradient(
            packed, dsums.flatten(0, 1).numpy(), dx.flatten(0, 1).numpy(), threads
        )
    found = [dx, *state, *of_weights, *between.gradients()]
    return [d if wants else None for d, wants in zip(found, wanted, strict=True)]


def _weights(
    given: _Given, dsums: Tensor, seen_h: Tensor, wanted: tuple[bool, ...]
) -> list[Tensor | None]:
    """Give the gradients of the cell's parameters, as products over all steps."""
    weights, threads = given.weights, torch.get_num_threads()
    rows = dsums.flatten(0, 1).numpy()
    of_ih, of_hh, *of_biases = wanted[:4]
    bias = dsums.new_zeros(rows.shape[1]) if any(of_biases) else None
    found: list[Tensor | None] = []
    for wants, weight, factor, sums in (
        (of_ih or any(of_biases), weights.weight_ih, given.x, bias),
        (of_hh, weights.weight_hh, seen_h, None),
    ):
        total = weight.detach().new_zeros(weight.shape) if wants else None
        if total is not None:
            sums_array = None if sums is None else sums.numpy()
            factors = factor.flatten(0, 1).numpy()
            _native.accumulate(rows, factors, total.numpy(), sums_array, threads)
        found.append(total)
    return [*found, bias, bias, *[None] * (WEIGHTS - 4)]


def _backward_again(
    kind: type[Change],
    lengths: Tensor | None,
    tensors: tuple[Tensor | None, ...],
    received: tuple[Tensor | None, ...],
) -> list[Tensor | None]:
    """Differentiate the eager loop, so that the gradients carry a gradient themselves."""
    # Aliases, so that a tensor that is given twice gets its share from each place.
    own = [t.view_as(t) if t is not None and t.requires_grad else t for t in tensors]
    flat: Any = own
    change = kind(*flat[3 + WEIGHTS :])
    steps = loop(*flat[:3], CellWeights(*flat[3 : 3 + WEIGHTS]), change, lengths)
    used = [(s, d) for s, d in zip(steps, received, strict=True) if d is not None]
    wanted = [t for t in own if t is not None and t.requires_grad]
    outputs, gradients = zip(*used, strict=True)
    found = iter(
        torch.autograd.grad(outputs, wanted, gradients, create_graph=True, allow_unused=True)
    )
    return [next(found) if t is not None and t.requires_grad else None for t in own]
