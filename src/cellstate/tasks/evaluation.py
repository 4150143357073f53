"""Scores of a network and of its baselines on the same rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cellstate.tasks.metrics import METRICS

NAME = "LSTM"
MOST_CLASSES = 30
"""Classes beyond which a table of them is no longer read."""


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
    by_class : dict of str to dict of str to float
        Class -> precision, recall, F1 and rows of the network's answers; empty where the answers
        are numbers, or not asked for.
    """

    rows: dict[str, dict[str, float]]
    decided_by: str
    protocol: str
    notes: tuple[str, ...] = ()
    truth: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False, compare=False)
    answers: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False, compare=False)
    by_class: dict[str, dict[str, float]] = field(default_factory=dict)

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
        rivals = [name for name in self.rows if name == NAME or not _is_ours(name)]
        return max(rivals, key=lambda name: sign * self.metric(self.decided_by, name))

    @property
    def verdict(self) -> str:
        """Say in one sentence who won."""
        metric, ours = self.decided_by, self.metric(self.decided_by)
        sign = 1.0 if METRICS[metric].best == "max" else -1.0
        others = {name: self.metric(metric, name) for name in self.rows if not _is_ours(name)}
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
            **({"by_class": self.by_class} if self.by_class else {}),
        }

    def __str__(self) -> str:
        table = [["", *self.columns]]
        for system, values in self.rows.items():
            name = system + (" *" if system == self.winner else "")
            table.append([name, *(_cell(values[column]) for column in self.columns)])
        lines = [*_aligned(table), "", self.verdict, self.protocol, *self.notes, ""]
        if self.by_class and len(self.by_class) <= MOST_CLASSES:
            columns = list(next(iter(self.by_class.values())))
            rows = [[name, *map(_cell, values.values())] for name, values in self.by_class.items()]
            lines += [*_aligned([["class", *columns], *rows]), ""]
        lines += [f"{name}: {text}." for name, text in self.definitions().items()]
        return "\n".join(lines)

    __repr__ = __str__


def _is_ours(system: str) -> bool:
    """Whether a row is the network, or a part of it that is shown for comparison."""
    return system == NAME or system.startswith(f"{NAME} ")


def _aligned(table: list[list[str]]) -> list[str]:
    widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
    return [
        "  ".join(
            [cells[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        )
        for cells in table
    ]


def _cell(value: float) -> str:
    return "–" if not np.isfinite(value) else f"{value:.4g}"
