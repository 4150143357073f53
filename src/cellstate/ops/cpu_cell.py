"""One cell on the CPU kernels: its steps, and what of them is kept or computed again."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cellstate import _native
from cellstate.ops.cpu_variant import CellVariant
from cellstate.ops.packing import packed_cell
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
    normed, stats : Tensor or None
        With layer norm what its gradient wants, (T, B, 2, 4H) and (T, B, 4), where gates are kept.
    """

    gates: Tensor | None = None
    cells: Tensor | None = None
    borders: LSTMState | None = None
    normed: Tensor | None = None
    stats: Tensor | None = None

    def over(self, form: Callable[[Tensor], Tensor]) -> Kept:
        """Bring what stands at each step into another form."""
        gates, cells, borders, normed, stats = self
        gates, cells, normed, stats = (
            None if t is None else form(t) for t in (gates, cells, normed, stats)
        )
        return Kept(gates, cells, borders, normed, stats)


class Stretch(NamedTuple):
    """The steps `first` … `end` - 1."""

    first: int
    end: int

    def of(self, tensor: Tensor) -> Tensor:
        """Cut a tensor whose first axis is time."""
        if self.first == 0 and self.end == tensor.shape[0]:
            return tensor  # cutting costs microseconds
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

    @cached_property
    def variant(self) -> CellVariant | None:
        """How it departs from the plain cell."""
        return CellVariant.of(self.problem, self.operands, self.k)

    def forward(self, after: LSTMState) -> Kept:
        """Fill `y` and the state after the last step."""
        before = LSTMState(*(s[self.k].detach().contiguous() for s in self.operands.state))
        problem = self.problem
        keeps = problem.trace or (problem.needs_grad and not problem.recompute)
        kept = self._room(problem.steps) if keeps else Kept()
        if not keeps and problem.needs_grad and problem.recompute is True:
            kept = Kept(cells=self.empty(problem.hidden_size))
        if not (problem.needs_grad and problem.recompute == "sqrt"):
            self._run(Stretch(0, problem.steps), before, self.y, after, kept)
            return kept
        borders: list[LSTMState] = []
        for stretch in self.stretches(backwards=False):
            borders.append(before)
            self._run(stretch, before, stretch.of(self.y), after, kept.over(stretch.of))
            before = LSTMState(*(s.clone() for s in after))
        if not borders:
            after.h.copy_(before.h)
            after.c.copy_(before.c)
            borders.append(before)
        h, c = (torch.stack([getattr(border, name) for border in borders]) for name in "hc")
        return kept._replace(borders=LSTMState(h, c))

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
        edge, lengths = initial, self.operands.lengths
        if lengths is not None:  # a row whose first step this is not may start from NaN
            begins = lengths == T if self.reverse else lengths > 0
            edge = torch.where(begins[:, None], initial, 0)
        if not self.reverse:
            before[1:] = stretch.of(states)[:-1]
            before[0] = states[stretch.first - 1] if stretch.first else edge
        else:
            before[:-1] = stretch.of(states)[1:]
            before[-1] = states[stretch.end] if stretch.end < T else edge
            if lengths is not None:
                last = lengths - 1
                rows = ((last >= stretch.first) & (last < stretch.end)).nonzero().flatten()
                before[last[rows] - stretch.first, rows] = initial[rows]
        if self.operands.reset is not None:
            start = self.start()
            value = 0 if start is None else getattr(start, name)
            before = torch.where(stretch.of(self.operands.reset)[..., None], value, before)
        return before

    def stretches(self, *, backwards: bool) -> list[Stretch]:
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

    def again(self, kept: Kept, stretch: Stretch, number: int) -> tuple[Kept, Tensor]:
        """Give what was kept of a stretch or is computed again, and the cell state before it."""
        c0 = self.operands.state.c[self.k].detach().contiguous()
        if kept.gates is not None and kept.cells is not None and not self.problem.recompute:
            return kept.over(stretch.of), self._c_before(stretch, kept.cells, c0)
        S = stretch.end - stretch.first
        again = self._room(S)
        if kept.borders is not None:
            border = LSTMState(*(s[number] for s in kept.borders))
            scratch = torch.empty_like(stretch.of(self.y))
            after = LSTMState(*map(torch.empty_like, border))
            self._run(stretch, border, scratch.contiguous(), after, again)
            return again, border.c
        assert kept.cells is not None
        # With the states known, no step waits for another: all are rows of one step.
        h0 = self.operands.state.h[self.k].detach().contiguous()
        before = LSTMState(
            self.state_before(stretch, self.y, h0, "h"),
            self.state_before(stretch, kept.cells, c0, "c"),
        )
        rows = LSTMState(*(s.flatten(0, 1) for s in before))
        scratch, after = torch.empty_like(rows.h)[None], torch.empty_like(rows.c)
        flat = again.over(lambda t: t.flatten(0, 1)[None])
        _native.lstm_forward(
            packed_cell(self.weights),
            stretch.of(self.x).flatten(0, 1)[None].numpy(),
            rows.h.numpy(),
            rows.c.numpy(),
            scratch.numpy(),
            None,
            after.numpy(),
            variant=None if self.variant is None else self.variant.over_rows(S),
            **_normed(flat),
            gates=None if flat.gates is None else flat.gates.numpy(),
            threads=torch.get_num_threads(),
        )
        cells = stretch.of(kept.cells)
        return again._replace(cells=cells), self._c_before(stretch, kept.cells, c0)

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
        start, variant = self.start(), self.variant
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
            variant=None if variant is None else variant.over_steps(stretch.first),
            **_normed(kept),
            **self.steps(stretch),
        )

    def _room(self, steps: int) -> Kept:
        """Make room for what the backward pass wants."""
        H, normed = self.problem.hidden_size, self.weights.norm_ih is not None
        return Kept(
            self.empty(4 * H, steps),
            self.empty(H, steps),
            None,
            self.empty(8 * H, steps).unflatten(-1, (2, -1)) if normed else None,
            self.empty(4, steps) if normed else None,
        )

    def empty(self, size: int, steps: int | None = None) -> Tensor:
        """Make room for `size` numbers of each row and step."""
        problem = self.problem
        return self.x.new_empty((problem.steps if steps is None else steps, problem.batch, size))


def _normed(kept: Kept) -> dict[str, Any]:
    """Give layer norm's arrays, by the names of the kernel."""
    if kept.normed is None or kept.stats is None:
        return {}
    return {"normed": kept.normed.numpy(), "stats": kept.stats.numpy()}
