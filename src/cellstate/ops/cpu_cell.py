"""One cell on the CPU kernels: forth, and back with or without what the forward pass kept."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cellstate import _native
from cellstate.ops.packing import packed_cell, packed_gradient
from cellstate.ops.problem import CellWeights, LSTMState, Operands, Problem

NEAR_BYTES = 2**20


class Kept(NamedTuple):
    """What the forward pass keeps of a cell for the backward pass.

    Attributes
    ----------
    gates : Tensor or None
        Activations (T, B, 4H); None where they are to be computed again.
    cells : Tensor or None
        Cell states (T, B, H).
    borders : LSTMState or None
        State before each stretch of steps, in the cell's direction, (N, B, ·), where the cell
        states are to be computed again.
    """

    gates: Tensor | None = None
    cells: Tensor | None = None
    borders: LSTMState | None = None


class Stretch(NamedTuple):
    """The steps `first` … `end` - 1."""

    first: int
    end: int

    def of(self, tensor: Tensor) -> Tensor:
        """Cut a tensor whose first axis is time."""
        return tensor[self.first : self.end]


@dataclass(frozen=True)
class Cell:
    """One layer in one direction.

    Parameters
    ----------
    problem : Problem
    operands : Operands
        Of the whole stack.
    k : int
        Which cell it is.
    x : Tensor
        Its input (T, B, I), dense.
    y : Tensor
        Its output (T, B, P): columns of the layer's.
    """

    problem: Problem
    operands: Operands
    k: int
    x: Tensor
    y: Tensor

    @property
    def reverse(self) -> bool:
        """Whether it runs from the last valid step to the first."""
        return self.k % self.problem.directions == 1

    @property
    def weights(self) -> CellWeights:
        """Its parameters."""
        return self.operands.weights[self.k]

    def forward(self, after: LSTMState) -> Kept:
        """Fill `y` and the state after the last step."""
        before = LSTMState(*(s[self.k].detach().contiguous() for s in self.operands.state))
        problem = self.problem
        keeps = problem.trace or (problem.needs_grad and not problem.recompute)
        kept = Kept(
            self._empty(4 * problem.hidden_size) if keeps else None,
            self._empty(problem.hidden_size)
            if keeps or (problem.needs_grad and problem.recompute is True)
            else None,
        )
        if not (problem.needs_grad and problem.recompute == "sqrt"):
            self._run(Stretch(0, problem.steps), before, self.y, after, kept)
            return kept
        borders: list[LSTMState] = []
        for stretch in self._stretches(backwards=False):
            borders.append(before)
            self._run(stretch, before, stretch.of(self.y), after, _cut(kept, stretch))
            before = LSTMState(*(s.clone() for s in after))
        if not borders:
            after.h.copy_(before.h)
            after.c.copy_(before.c)
            borders.append(before)
        h, c = (torch.stack([getattr(border, name) for border in borders]) for name in "hc")
        return kept._replace(borders=LSTMState(h, c))

    def backward(
        self, kept: Kept, dy: Tensor, last: LSTMState, trace: tuple[Tensor, Tensor] | None
    ) -> Gradient:
        """Differentiate, from what the output and the last state received.

        `trace` is what gate activations (T, B, 4H) and cell states (T, B, H) received.
        """
        stretches = self._stretches(backwards=True)
        longest = max((end - first for first, end in stretches), default=0)
        gradient = Gradient(self, self._empty(4 * self.problem.hidden_size, longest))
        for number, stretch in enumerate(stretches):
            gates, cells, before = self._again(kept, stretch, len(stretches) - 1 - number)
            last = gradient.add(stretch, gates, cells, before, dy, last, trace)
        gradient.before = last
        return gradient

    def steps(self, stretch: Stretch) -> dict[str, Any]:
        """Say of a stretch which steps are valid, where the state starts anew, and which way."""
        lengths, reset = self.operands.lengths, self.operands.reset
        if lengths is not None:
            lengths = (lengths - stretch.first).clamp(0, stretch.end - stretch.first)
        return {
            "reverse": self.reverse,
            "lengths": None if lengths is None else lengths.contiguous().numpy(),
            "reset": None if reset is None else stretch.of(reset).contiguous().numpy(),
            "threads": torch.get_num_threads(),
        }

    def start(self) -> LSTMState | None:
        """Give what a reset sets."""
        start = self.operands.start
        return start and LSTMState(*(s[self.k].detach().contiguous() for s in start))

    def state_before(self, stretch: Stretch, states: Tensor, initial: Tensor, name: str) -> Tensor:
        """Give h or c before each step of a stretch, (S, B, ·), from those after every step.

        The padding holds what is finite.
        """
        T = self.problem.steps
        before = states.new_empty((stretch.end - stretch.first, *initial.shape))
        if len(before) == 0:
            return before
        if not self.reverse:
            before[1:] = stretch.of(states)[:-1]
            before[0] = states[stretch.first - 1] if stretch.first else initial
        else:
            before[:-1] = stretch.of(states)[1:]
            before[-1] = states[stretch.end] if stretch.end < T else initial
            if self.operands.lengths is not None:
                last = self.operands.lengths - 1
                rows = ((last >= stretch.first) & (last < stretch.end)).nonzero().flatten()
                before[last[rows] - stretch.first, rows] = initial[rows]
        if self.operands.reset is not None:
            start = self.start()
            value = 0 if start is None else getattr(start, name)
            before = torch.where(stretch.of(self.operands.reset)[..., None], value, before)
        return before

    def _stretches(self, *, backwards: bool) -> list[Stretch]:
        """Cut the steps, in the order in which a pass goes through them.

        Stretches of √T steps where states are computed again; otherwise of as many steps as keep
        the gradient of the gates in a near cache until it is used.
        """
        T, problem = self.problem.steps, self.problem
        if problem.recompute == "sqrt":
            size = math.isqrt(max(T - 1, 0)) + 1
        else:
            row = 4 * problem.hidden_size * self.x.element_size()
            size = max(1, NEAR_BYTES // max(1, problem.batch * row))
        cuts = [Stretch(first, min(first + size, T)) for first in range(0, T, size)]
        return cuts[::-1] if self.reverse != backwards else cuts

    def _again(self, kept: Kept, stretch: Stretch, number: int) -> tuple[Tensor, Tensor, Tensor]:
        """Give gates and cell states of a stretch, and the cell state before it."""
        c0 = self.operands.state.c[self.k].detach().contiguous()
        if kept.gates is not None and kept.cells is not None and not self.problem.recompute:
            before = self._c_before(stretch, kept.cells, c0)
            return stretch.of(kept.gates), stretch.of(kept.cells), before
        S, B, H = stretch.end - stretch.first, self.problem.batch, self.problem.hidden_size
        gates = self._empty(4 * H, S)
        if kept.borders is not None:
            border = LSTMState(*(s[number] for s in kept.borders))
            cells, scratch = self._empty(H, S), torch.empty_like(stretch.of(self.y))
            after = LSTMState(*map(torch.empty_like, border))
            self._run(stretch, border, scratch.contiguous(), after, Kept(gates, cells))
            return gates, cells, border.c
        assert kept.cells is not None
        # With the states known, no step waits for another: all are rows of one step.
        h0 = self.operands.state.h[self.k].detach().contiguous()
        before = LSTMState(
            self.state_before(stretch, self.y, h0, "h"),
            self.state_before(stretch, kept.cells, c0, "c"),
        )
        rows = LSTMState(*(s.flatten(0, 1) for s in before))
        scratch, after = torch.empty_like(rows.h)[None], torch.empty_like(rows.c)
        _native.lstm_forward(
            packed_cell(self.weights),
            stretch.of(self.x).flatten(0, 1)[None].numpy(),
            rows.h.numpy(),
            rows.c.numpy(),
            scratch.numpy(),
            None,
            after.numpy(),
            gates=gates.view(1, S * B, 4 * H).numpy(),
            threads=torch.get_num_threads(),
        )
        border = self._c_before(stretch, kept.cells, c0)
        return gates, stretch.of(kept.cells), border

    def _c_before(self, stretch: Stretch, cells: Tensor, c0: Tensor) -> Tensor:
        """Give the cell state that a row has before its first step within a stretch, (B, H)."""
        if not self.reverse:
            return cells[stretch.first - 1] if stretch.first else c0
        if stretch.end == self.problem.steps:
            return c0
        if self.operands.lengths is None:
            return cells[stretch.end]
        begun = (self.operands.lengths > stretch.end)[:, None]
        return torch.where(begun, cells[stretch.end], c0)

    def _run(
        self, stretch: Stretch, before: LSTMState, y: Tensor, after: LSTMState, kept: Kept
    ) -> None:
        start = self.start()
        _native.lstm_forward(
            packed_cell(self.weights),
            stretch.of(self.x).numpy(),
            before.h.numpy(),
            before.c.numpy(),
            y.numpy(),
            after.h.numpy(),
            after.c.numpy(),
            start_h=None if start is None else start.h.numpy(),
            start_c=None if start is None else start.c.numpy(),
            gates=None if kept.gates is None else kept.gates.numpy(),
            cells=None if kept.cells is None else kept.cells.numpy(),
            **self.steps(stretch),
        )

    def _empty(self, size: int, steps: int | None = None) -> Tensor:
        problem = self.problem
        return self.x.new_empty((problem.steps if steps is None else steps, problem.batch, size))


def _cut(kept: Kept, stretch: Stretch) -> Kept:
    gates, cells = (None if t is None else stretch.of(t) for t in (kept.gates, kept.cells))
    return Kept(gates, cells)


class Gradient:
    """The gradient of one cell, gathered stretch by stretch.

    Attributes
    ----------
    dx : Tensor or None
        Of the input, (T, B, I), where it is wanted.
    before, start : LSTMState
        Of the state before the first step, and of what resets set.
    """

    before: LSTMState

    def __init__(self, cell: Cell, dsums: Tensor) -> None:
        self.cell = cell
        self._dsums = dsums
        self._packed = packed_gradient(cell.weights)
        wanted = [t is not None and t.requires_grad for t in cell.weights]
        shapes = (cell.weights.weight_ih, cell.weights.weight_hh, cell.weights.weight_hr)
        self._products = [
            dsums.new_zeros(t.shape) if t is not None and t.requires_grad else None for t in shapes
        ]
        self._bias = dsums.new_zeros(dsums.shape[-1]) if wanted[2] or wanted[3] else None
        first_layer = cell.k < cell.problem.directions
        wants_dx = not first_layer or cell.operands.x.requires_grad
        self.dx = torch.empty_like(cell.x) if wants_dx else None
        start = cell.start()
        self.start = start and LSTMState(*map(torch.zeros_like, start))

    @property
    def weights(self) -> tuple[Tensor | None, ...]:
        """Of each parameter, in the order of `CellWeights`; None where none is wanted."""
        weight_ih, weight_hh, weight_hr = self._products
        return weight_ih, weight_hh, self._bias, self._bias, weight_hr

    def add(
        self,
        stretch: Stretch,
        gates: Tensor,
        cells: Tensor,
        c_before: Tensor,
        dy: Tensor,
        last: LSTMState,
        trace: tuple[Tensor, Tensor] | None,
    ) -> LSTMState:
        """Add a stretch; give the gradient of the state before it."""
        cell, anew = self.cell, self.cell.operands.reset is not None
        y, projects = stretch.of(cell.y), cell.problem.proj_size > 0
        dsums = self._dsums[: stretch.end - stretch.first]
        dh = torch.empty_like(y, memory_format=torch.contiguous_format) if projects else None
        before = LSTMState(*map(torch.empty_like, last))
        of_start = LSTMState(*map(torch.empty_like, last)) if anew else None
        start = cell.start()
        _native.lstm_backward(
            self._packed,
            c_before.numpy(),
            gates.numpy(),
            cells.numpy(),
            stretch.of(dy).numpy(),
            last.h.numpy(),
            last.c.numpy(),
            dsums.numpy(),
            before.h.numpy(),
            before.c.numpy(),
            None if dh is None else dh.numpy(),
            start_c=None if start is None else start.c.numpy(),
            dstart_h=None if of_start is None else of_start.h.numpy(),
            dstart_c=None if of_start is None else of_start.c.numpy(),
            dgates=None if trace is None else stretch.of(trace[0]).numpy(),
            dcells=None if trace is None else stretch.of(trace[1]).numpy(),
            **cell.steps(stretch),
        )
        if self.start is not None and of_start is not None:
            for total, rows in zip(self.start, of_start, strict=True):
                total += rows.sum(0)
        self._add_weights(stretch, gates, cells, dsums.flatten(0, 1), dh)
        if self.dx is not None:
            rows, dx = dsums.flatten(0, 1), stretch.of(self.dx).flatten(0, 1)
            _native.input_gradient(self._packed, rows.numpy(), dx.numpy(), torch.get_num_threads())
        return before

    def _add_weights(
        self, stretch: Stretch, gates: Tensor, cells: Tensor, dsums: Tensor, dh: Tensor | None
    ) -> None:
        cell = self.cell
        weight_ih, weight_hh, weight_hr = self._products
        if weight_ih is not None:
            _add_product(dsums, stretch.of(cell.x), weight_ih, self._bias)
        elif self._bias is not None:
            self._bias += dsums.sum(0)
        if weight_hh is not None:
            h0 = cell.operands.state.h[cell.k].detach()
            h_before = cell.state_before(stretch, cell.y, h0, "h")
            _add_product(dsums, h_before, weight_hh)
        if weight_hr is not None and dh is not None:
            inner = gates[..., 3 * cell.problem.hidden_size :] * cells.tanh()
            _add_product(dh.flatten(0, 1), inner, weight_hr)


def _add_product(a: Tensor, b: Tensor, total: Tensor, sums: Tensor | None = None) -> None:
    """Add aᵀ b, (K, M) and (…, N) with as many rows, to a total (M, N); a's rows to `sums`."""
    _native.accumulate(
        a.numpy(),
        b.flatten(0, 1).numpy(),
        total.numpy(),
        None if sums is None else sums.numpy(),
        torch.get_num_threads(),
    )
