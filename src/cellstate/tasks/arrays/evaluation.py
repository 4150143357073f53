"""Scores of the network and of the baselines on the same rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cellstate.tasks.arrays.baselines import Flattener, Rival
from cellstate.tasks.arrays.metrics import METRICS
from cellstate.tasks.arrays.reading import Sequences

NAME = "LSTM"

Score = Callable[[np.ndarray, np.ndarray], dict[str, float]]
Predict = Callable[[Any, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Evaluation:
    """Scores by system.

    Attributes
    ----------
    rows : dict of str to dict of str to float
        System -> metric -> value; NaN where one is not defined.
    decided_by : str
        The metric that names the winner.
    protocol : str
        Which rows were scored, by what was learned from which.
    notes : tuple of str
    truth, answers : np.ndarray
        (n,) and what the network said: (n, K) probabilities or (n,) numbers.
    """

    rows: dict[str, dict[str, float]]
    decided_by: str
    protocol: str
    notes: tuple[str, ...] = ()
    truth: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False, compare=False)
    answers: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False, compare=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """The metrics, in the order of the table."""
        return tuple(self.rows[NAME])

    def metric(self, name: str, system: str = NAME) -> float:
        """Look up one value."""
        return self.rows[system][name]

    @property
    def winner(self) -> str:
        """The best system; the network, where a baseline is no better."""
        sign = 1.0 if METRICS[self.decided_by].best == "max" else -1.0
        return max(self.rows, key=lambda name: sign * self.metric(self.decided_by, name))

    @property
    def verdict(self) -> str:
        """Say in one sentence who won."""
        metric, ours = self.decided_by, self.metric(self.decided_by)
        sign = 1.0 if METRICS[metric].best == "max" else -1.0
        others = {name: self.metric(metric, name) for name in self.rows if name != NAME}
        best = max(others, key=lambda name: sign * others[name])
        theirs = others[best]
        if self.winner != NAME:
            return (
                f"A baseline wins: {best} has {metric} {theirs:.4g}; the {NAME} has {ours:.4g}. "
                f"Prefer {best} here."
            )
        if ours == theirs:
            return f"{NAME} ties with the best baseline, {best}: {metric} {ours:.4g}."
        return f"{NAME} wins: {metric} {ours:.4g}; the best baseline, {best}, has {theirs:.4g}."

    def definitions(self) -> dict[str, str]:
        """Define each metric of the table."""
        return {name: METRICS[name].definition for name in self.columns}

    def as_dict(self) -> dict[str, Any]:
        """Give JSON-ready data; a metric that is not defined is None."""
        return {
            "systems": {
                system: {name: v if np.isfinite(v) else None for name, v in values.items()}
                for system, values in self.rows.items()
            },
            "winner": self.winner,
            "decided_by": self.decided_by,
            "verdict": self.verdict,
            "protocol": self.protocol,
            "definitions": self.definitions(),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        table = [["", *self.columns]]
        for system, values in self.rows.items():
            name = system + (" *" if system == self.winner else "")
            table.append([name, *(_cell(values[column]) for column in self.columns)])
        widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
        lines = [
            "  ".join(
                [cells[0].ljust(widths[0])]
                + [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
            )
            for cells in table
        ]
        lines += ["", self.verdict, self.protocol, *self.notes, ""]
        lines += [f"{name}: {text}." for name, text in self.definitions().items()]
        return "\n".join(lines)

    __repr__ = __str__


def rival_answers(
    rivals: dict[str, Rival],
    train: tuple[Sequences, np.ndarray],
    test: Sequences,
    predict: Predict,
) -> dict[str, np.ndarray]:
    """Fit each baseline on the training rows and let it answer for the test rows.

    Where all targets are equal there is nothing to learn, and only the first one, which answers
    the same for every row, can be fitted.
    """
    if len(np.unique(train[1])) < 2:
        rivals = dict(list(rivals.items())[:1])
    flat = Flattener(train[0])
    x, at = flat(train[0]), flat(test)
    return {name: predict(fit(x, train[1]), at) for name, fit in rivals.items()}


def _cell(value: float) -> str:
    return "–" if not np.isfinite(value) else f"{value:.4g}"
