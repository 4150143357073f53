"""Scores of a network and of its baselines on the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cellstate.errors import InputError, did_you_mean, explain
from cellstate.tasks.metrics import METRICS, Metric

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
    truth, answers : Any
        What is so and what the network said, row by row, in the form of the job: for classes (n,)
        numbers or (n, K) bool and (n, K) probabilities, for numbers (n,) of both, for texts lists.
    by_class : dict of str to dict of str to float
        Class -> precision, recall, F1 and counts of the network's answers; empty where the answers
        are no classes, or where it is not asked for.
    inputs : Any
        What was answered for, where the report shows some of it.
    metrics : mapping of str to Metric
        What each metric of the table is.
    """

    rows: dict[str, dict[str, float]]
    decided_by: str
    protocol: str
    notes: tuple[str, ...] = ()
    truth: Any = field(default=(), repr=False, compare=False)
    answers: Any = field(default=(), repr=False, compare=False)
    by_class: dict[str, dict[str, float]] = field(default_factory=dict)
    inputs: Any = field(default=(), repr=False, compare=False)
    metrics: Mapping[str, Metric] = field(default_factory=lambda: METRICS, repr=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """The metrics, in the order of the table."""
        return tuple(self.rows[NAME])

    def metric(self, name: str, system: str = NAME) -> float:
        """Look up one value.

        Raises
        ------
        InputError
            There is no such metric or system.
        """
        for kind, given, known in (("metric", name, self.columns), ("system", system, self.rows)):
            if given not in known:
                do = did_you_mean(str(given), known)
                must = f"the {kind} must be known"
                raise InputError(explain("Evaluation", must, repr(given), do))
        return self.rows[system][name]

    @property
    def winner(self) -> str:
        """The best system; the network, where a baseline is no better; "" where none is defined."""
        if all(np.isinf(self._worth(name)) for name in self.rows):
            return ""
        return max(
            (name for name in self.rows if name == NAME or not _is_ours(name)), key=self._worth
        )

    @property
    def verdict(self) -> str:
        """Say in one sentence who won."""
        metric = self.decided_by
        if not self.winner:
            return f"Nobody wins: {metric} is not defined for these rows, such as equal outcomes."
        best = max((name for name in self.rows if not _is_ours(name)), key=self._worth)
        ours, theirs = (self._shown(metric, self.metric(metric, name)) for name in (NAME, best))
        if self.winner != NAME:
            return (
                f"A baseline wins: {best} has {metric} {theirs}; the {NAME} has {ours}. "
                f"Prefer {best} here, or give the {NAME} more data or training."
            )
        if self._worth(best) == self._worth(NAME):
            return f"{NAME} ties with the best baseline, {best}: {metric} {ours}."
        return f"{NAME} wins: {metric} {ours}; the best baseline, {best}, has {theirs}."

    def _worth(self, system: str) -> float:
        """Give what decides, so that more is better; −∞ where it is not defined."""
        sign = 1.0 if self.metrics[self.decided_by].best == "max" else -1.0
        value = self.metric(self.decided_by, system)
        return -np.inf if np.isnan(value) else sign * value

    def _shown(self, metric: str, value: float) -> str:
        return _cell(value, self.metrics[metric].form)

    def definitions(self) -> dict[str, str]:
        """Define each metric of the table."""
        return {name: self.metrics[name].definition for name in self.columns}

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
            table.append([name, *(self._shown(column, values[column]) for column in self.columns)])
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


def _cell(value: float, form: str = ".4g") -> str:
    if not np.isfinite(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1e4 else format(value, form)
