"""The memory of every series: its state and the stamp up to which the state has seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cellstate.data import append
from cellstate.data.panel import Panel
from cellstate.tasks.forecast.fitted import Fitted
from cellstate.tasks.forecast.model import State, take


class Memory:
    """States of N series, moved by new rows at a cost that does not depend on what came before.

    Parameters
    ----------
    edge : Panel
        The last row of every series: where new rows must continue.
    state : State
        N states.
    """

    def __init__(self, edge: Panel, state: State) -> None:
        self.edge = replace(edge, times=edge.times.copy())
        self.state = {name: values.copy() for name, values in state.items()}
        self._rows: dict[Any, int] = {name: row for row, name in enumerate(edge.ids)}

    @classmethod
    def of(cls, fitted: Fitted, panel: Panel) -> Memory:
        """Read whole histories."""
        series = np.arange(len(panel))
        state = fitted.model.state_at(fitted.covariates.apply(panel), series, panel.lengths)
        return cls(panel.tail(1), state)

    def update(self, fitted: Fitted, new: Panel) -> Panel:
        """Move the states by new rows; unknown series begin.

        Returns
        -------
        Panel
            The new rows, with missing rows for periods between a series' last row and its first
            new one.
        """
        known = [self._rows[name] for name in new.ids if name in self._rows]
        joined = append(self.edge.select(known), new)
        starts = np.zeros(len(joined), dtype=np.int64)
        starts[: len(known)] = 1  # the edge row itself is seen already
        added = joined.lengths - starts
        fresh = joined.ids[len(known) :]
        rows = np.array([*known, *range(len(self._rows), len(self._rows) + len(fresh))])
        moved = self._advance(fitted, joined, rows, starts, added, len(fresh))
        if fresh:
            begin = fitted.model.start(len(fresh))
            state = {k: np.concatenate([held, begin[k]]) for k, held in self.state.items()}
        else:
            state = self.state
        for name, values in moved.items():
            state[name][rows] = values
        self.state = state
        self._move_edge(joined, rows, len(known))
        return joined.tail(added)

    def _advance(
        self,
        fitted: Fitted,
        joined: Panel,
        rows: np.ndarray,
        starts: np.ndarray,
        added: np.ndarray,
        fresh: int,
    ) -> State:
        begin = fitted.model.start(fresh)
        held = take(self.state, rows[: len(rows) - fresh])
        state = {name: np.concatenate([held[name], begin[name]]) for name in held}
        past = fitted.covariates.scale(joined.past, "past")
        future = fitted.covariates.scale(joined.future, "future")
        static = fitted.covariates.static(joined)
        for step in range(int(added.max())):
            at = np.flatnonzero(added > step)
            index = joined.offsets[at] + starts[at] + step
            moved = fitted.model.advance(
                take(state, at), joined.target[index], past[index], future[index], static[at]
            )
            if len(at) == len(rows):
                state = moved
            else:
                for name, values in moved.items():
                    state[name][at] = values
        return state

    def _move_edge(self, joined: Panel, rows: np.ndarray, known: int) -> None:
        last = joined.tail(1)
        if len(rows) > known:
            new = last.select(np.arange(known, len(rows)))
            self.edge = append(self.edge, new)
            self._rows = {name: row for row, name in enumerate(self.edge.ids)}
        self.edge.times[rows[:known]] = last.times[:known]
