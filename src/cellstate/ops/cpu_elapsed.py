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
    threads, H = torch.get_num_threads(), work.hidden_size
    packed = packed_gradient(work.weights)
    dy = work.room(H).zero_() if received[0] is None else received[0].contiguous()
    dh, dc = (
        (torch.zeros_like(work.h) if d is None else d.contiguous().clone()).numpy()
        for d in received[1:]
    )
    dsums = work.room(4 * H)
    changing.begin_backward(kept.y, kept.cells, wanted[WEIGHTS.stop :])
    columns = (_singly(t) for t in (kept.gates, kept.cells, dy, dsums))
    steps = list(enumerate(zip(*columns, work.rows(), strict=True)))
    for t, (gates_t, cells_t, dy_t, dsums_t, rows_t) in reversed(steps):
        _native.lstm_backward(
            packed,
            changing.seen_c(t),
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
        dh, dc = changing.backward(t, dh, dc)
    return [
        _of_input(work, packed, dsums) if wanted[0] else None,
        torch.from_numpy(dh),
        torch.from_numpy(dc),
        None,
        *_of_weights(work, dsums, changing.all_seen_h(), wanted[WEIGHTS]),
        *changing.gradients(),
    ]


def _of_input(work: _Work, packed: Any, dsums: Tensor) -> Tensor:
    """Give the gradient of the features that want one, (T, B, I)."""
    if work.features < work.x.shape[2]:
        return dsums @ work.weights.weight_ih.detach()[:, : work.features]
    dx, threads = torch.empty_like(work.x), torch.get_num_threads()
    _native.input_gradient(packed, dsums.flatten(0, 1).numpy(), dx.flatten(0, 1).numpy(), threads)
    return dx


def _of_weights(
    work: _Work, dsums: Tensor, seen_h: Tensor, wanted: tuple[bool, ...]
) -> list[Tensor | None]:
    """Give the gradients of the cell's parameters, as products over all steps."""
    weights, threads = work.weights, torch.get_num_threads()
    rows = dsums.flatten(0, 1).numpy()
    of_ih, of_hh, *of_biases = wanted[:4]
    bias = dsums.new_zeros(rows.shape[1]) if any(of_biases) else None
    found: list[Tensor | None] = []
    for wants, weight, factor, sums in (
        (of_ih or any(of_biases), weights.weight_ih, work.x, bias),
        (of_hh, weights.weight_hh, seen_h, None),
    ):
        total = dsums.new_zeros(weight.shape) if wants else None
        if total is not None:
            sums_array = None if sums is None else sums.numpy()
            factors = factor.flatten(0, 1).numpy()
            _native.accumulate(rows, factors, total.numpy(), sums_array, threads)
        found.append(total)
    return [*found, bias, bias, *[None] * (len(CellWeights._fields) - 4)]


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
