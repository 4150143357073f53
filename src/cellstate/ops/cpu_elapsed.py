"""A cell whose state changes between its steps, on the CPU kernels: one native call a step.

Arguments and equations are those of `cellstate.ops.elapsed`; what happens between two native calls
is a `cellstate.ops.cpu_change.Between`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd.function import Function

from cellstate import _native
from cellstate.ops.between import Given, Steps, loop
from cellstate.ops.cpu_change import Between, between, filled
from cellstate.ops.packing import packed_cell, packed_gradient
from cellstate.ops.problem import CellWeights

NEAR_ROWS = 512  # whose gradient of the gates stays in a near cache until it is used
WEIGHTS = slice(4, 4 + len(CellWeights._fields))  # where they stand in `Given.tensors`


def run(given: Given) -> Steps:
    """Run the steps, with a gradient where one is wanted."""
    tensors = given.tensors()
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors):
        return Steps(*_steps(given, *tensors))
    return _forward(_Work(given), keeps=False)[0]


class _Work:
    """What the kernels read: dense copies, outside autograd, without what stands in the padding."""

    def __init__(self, given: Given) -> None:
        dense = (None if t is None else t.detach().contiguous() for t in given.tensors())
        bare = given.with_tensors(list(dense))
        self.weights = given.weights  # by which their packed forms are known
        self.features = bare.x.shape[2]  # those with a gradient
        x = bare.x if bare.beside is None else torch.cat([bare.x, bare.beside], dim=-1)
        self.padding: Tensor | None = None  # numbers of (T·B) rows
        self.lengths, self.before = bare.lengths, (bare.h, bare.c)
        self.h, self.c = self.before
        if bare.lengths is not None:
            ended = torch.arange(len(x))[:, None] >= bare.lengths
            self.padding = ended.flatten().nonzero().flatten()
            begun = (bare.lengths > 0)[:, None]
            self.h, self.c = (torch.where(begun, part, 0) for part in self.before)
            x = filled(x, self.padding, 0)
        self.x, self.change = x, bare.change

    @property
    def hidden_size(self) -> int:
        """Units H."""
        return self.h.shape[1]

    def room(self, size: int) -> Tensor:
        """Make room for `size` numbers of each row and step."""
        return self.x.new_empty((*self.x.shape[:2], size))

    def rows(self) -> list[Any]:
        """Say of each step which rows take it, as lengths 0 and 1; None where all do."""
        T = len(self.x)
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


def _forward(work: _Work, *, keeps: bool) -> tuple[Steps, _Kept | None, Between]:
    """Run the steps; keep what the backward pass wants, if anything does."""
    x, H, threads = work.x, work.hidden_size, torch.get_num_threads()
    changing, packed = between(work.change, work.h, work.c, work.padding), packed_cell(work.weights)
    y, cells = work.room(H), work.room(H)
    gates = work.room(4 * H) if keeps else None
    each_gates = [None] * len(x) if gates is None else _singly(gates)
    steps = zip(_singly(x), _singly(y), cells.numpy(), each_gates, work.rows(), strict=True)
    h, c = work.h.numpy(), work.c.numpy()
    for t, (x_t, y_t, c_t, gates_t, rows_t) in enumerate(steps):
        seen_h, seen_c = changing.forward(t, h, c)
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
        h, c = y_t[0], c_t
    kept = None if gates is None else _Kept(gates, cells, y)
    return Steps(y, *_last(work, y, cells)), kept, changing


def _last(work: _Work, y: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
    """Give the state after each row's last step, or as it was where there is none."""
    if work.lengths is None:
        return y[-1].clone(), cells[-1].clone()
    begun = (work.lengths > 0)[:, None]
    last = y[(work.lengths - 1).clamp(min=0), torch.arange(y.shape[1])]
    # A row that takes no step hands its cell state on.
    found = (torch.where(begun, s, b) for s, b in zip((last, cells[-1]), work.before, strict=True))
    return cast("tuple[Tensor, Tensor]", tuple(found))


class _Steps(Function):
    """Forward and backward as torch's autograd wants them."""

    @staticmethod
    def forward(ctx: Any, given: Given, *tensors: Tensor | None) -> tuple[Tensor, ...]:
        """Run the steps and keep what the backward pass wants."""
        work = _Work(given.with_tensors(tensors))
        steps, kept, changing = _forward(work, keeps=True)
        assert kept is not None
        # The tensors themselves are kept by autograd, which notices whether one was changed.
        ctx.form = given.with_tensors([None] * len(tensors))
        ctx.work, ctx.changing, ctx.count = work, changing, len(tensors)
        work.weights = ctx.form.weights
        ctx.save_for_backward(*tensors, *kept)
        ctx.set_materialize_grads(False)
        return tuple(steps)

    @staticmethod
    def backward(ctx: Any, *received: Tensor | None) -> tuple[Any, ...]:
        """Run the kernels backwards, or the eager loop where that is differentiated again."""
        saved = cast("tuple[Any, ...]", ctx.saved_tensors)
        tensors, kept = saved[: ctx.count], saved[ctx.count :]
        if torch.is_grad_enabled():
            return (None, *_backward_again(ctx.form, tensors, received))
        ctx.work.weights = CellWeights(*tensors[WEIGHTS])
        # Without its history, which holds this very node.
        bare = _Kept(*(t.detach() for t in kept))
        wanted = ctx.needs_input_grad[1:]
        found = _backward(ctx.work, bare, ctx.changing, received, wanted)
        return (None, *(d if wants else None for d, wants in zip(found, wanted, strict=True)))


_steps = cast("Callable[..., tuple[Tensor, Tensor, Tensor]]", _Steps.apply)


def _backward(
    work: _Work,
    kept: _Kept,
    changing: Between,
    received: tuple[Tensor | None, ...],
    wanted: tuple[bool, ...],
) -> list[Tensor | None]:
    """Differentiate the steps, in the order of `Given.tensors`."""
    T, B, _ = work.x.shape
    threads, H = torch.get_num_threads(), work.hidden_size
    dy = work.room(H).zero_() if received[0] is None else received[0].contiguous()
    dh, dc = (
        (torch.zeros_like(work.h) if d is None else d.contiguous().clone()).numpy()
        for d in received[1:]
    )
    gradient = _Gradient(work, wanted)
    changing.begin_backward(kept.y, kept.cells, wanted[WEIGHTS.stop :])
    size = max(1, NEAR_ROWS // B)
    room, each_row = work.x.new_empty((min(size, T), B, 4 * H)), work.rows()
    each_gates, each_cells, each_dy = (t.numpy()[:, None] for t in (kept.gates, kept.cells, dy))
    for first in reversed(range(0, T, size)):
        end = min(first + size, T)
        dsums = room[: end - first]
        each_dsums = dsums.numpy()[:, None]
        seen_h, seen_c = changing.begin_stretch(first, end)
        for t in reversed(range(first, end)):
            _native.lstm_backward(
                gradient.packed,
                seen_c[t - first],
                each_gates[t],
                each_cells[t],
                each_dy[t],
                dh,
                dc,
                each_dsums[t - first],
                dh,
                dc,
                lengths=each_row[t],
                threads=threads,
            )
            dh, dc = changing.backward(t, dh, dc)
        changing.end_stretch(threads)
        gradient.add(first, end, dsums, seen_h, threads)
    state = torch.from_numpy(dh), torch.from_numpy(dc)
    return [gradient.dx, *state, None, *gradient.of_weights(), *changing.gradients()]


class _Gradient:
    """The gradients of a cell's input and parameters, gathered stretch by stretch."""

    def __init__(self, work: _Work, wanted: tuple[bool, ...]) -> None:
        self._work, self.packed = work, packed_gradient(work.weights)
        weights, of_weights = work.weights, wanted[WEIGHTS]
        T, B, _ = work.x.shape
        self.dx = work.x.new_empty((T, B, work.features)) if wanted[0] else None
        wants_ih = any((of_weights[0], *of_weights[2:4]))
        self._of_ih = work.x.new_zeros(weights.weight_ih.shape) if wants_ih else None
        self._of_hh = work.x.new_zeros(weights.weight_hh.shape) if of_weights[1] else None
        self._bias = work.x.new_zeros(4 * work.hidden_size) if any(of_weights[2:4]) else None
        self._leading = weights.weight_ih.detach()[:, : work.features]

    def add(self, first: int, end: int, dsums: Tensor, seen_h: Tensor, threads: int) -> None:
        """Add a stretch of steps."""
        x, flat = self._work.x[first:end], dsums.flatten(0, 1)
        rows = flat.numpy()
        if self._of_ih is not None:
            bias = None if self._bias is None else self._bias.numpy()
            inputs = x.flatten(0, 1).numpy()
            _native.accumulate(rows, inputs, self._of_ih.numpy(), bias, threads)
        if self._of_hh is not None:
            hidden = seen_h.flatten(0, 1).numpy()
            _native.accumulate(rows, hidden, self._of_hh.numpy(), None, threads)
        if self.dx is None:
            return
        dx = self.dx[first:end].flatten(0, 1)
        if self._work.features == x.shape[2]:
            _native.input_gradient(self.packed, rows, dx.numpy(), threads)
        else:
            torch.mm(flat, self._leading, out=dx)

    def of_weights(self) -> list[Tensor | None]:
        """Give the gradients of the parameters, in the order of `CellWeights`."""
        others = [None] * (len(CellWeights._fields) - 4)
        return [self._of_ih, self._of_hh, self._bias, self._bias, *others]


def _backward_again(
    form: Given, tensors: tuple[Tensor | None, ...], received: tuple[Tensor | None, ...]
) -> list[Tensor | None]:
    """Differentiate the eager loop, so that the gradients carry a gradient themselves."""
    # Aliases, so that a tensor that is given twice gets its share from each place.
    own = [t.view_as(t) if t is not None and t.requires_grad else t for t in tensors]
    pairs = zip(loop(form.with_tensors(own)), received, strict=True)
    outputs, gradients = zip(*((s, d) for s, d in pairs if d is not None), strict=True)
    wanted = [t for t in own if t is not None and t.requires_grad]
    found = iter(
        torch.autograd.grad(outputs, wanted, gradients, create_graph=True, allow_unused=True)
    )
    return [next(found) if t is not None and t.requires_grad else None for t in own]
