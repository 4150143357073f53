"""Answers of two versions of a model to the same events, compared."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, TypeGuard


@dataclass
class Shadow:
    """Differences so far.

    Attributes
    ----------
    events : int
        Compared.
    refused : int
        Events that one version took in and the other did not.
    largest, total : dict of str to float
        Of the absolute differences, by the name of the output.
    other : dict of str to int
        How often outputs differed that are no numbers.
    """

    events: int = 0
    refused: int = 0
    largest: dict[str, float] = field(default_factory=dict)
    total: dict[str, float] = field(default_factory=dict)
    other: dict[str, int] = field(default_factory=dict)

    def compare(self, answer: bytes, other: bytes | None) -> None:
        """Take in one event's answers, as JSON; None for one that was refused."""
        if other is None:
            self.refused += 1
            return
        self.events += 1
        self._descend("", json.loads(answer), json.loads(other))

    def report(self) -> dict[str, Any]:
        """Tell it, JSON-ready."""
        count = max(1, self.events)
        return {
            "events": self.events,
            "refused_by_one": self.refused,
            "mean_difference": {name: value / count for name, value in self.total.items()},
            "largest_difference": dict(self.largest),
            "differed": dict(self.other),
        }

    def _descend(self, name: str, one: Any, other: Any) -> None:
        if isinstance(one, dict) and isinstance(other, dict):
            for key in one.keys() | other.keys():
                inner = f"{name}.{key}" if name else str(key)
                self._descend(inner, one.get(key), other.get(key))
        elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
            for part, twin in zip(one, other, strict=True):
                self._descend(name, part, twin)
        elif _is_number(one) and _is_number(other):
            difference = abs(float(one) - float(other))
            self.largest[name] = max(self.largest.get(name, 0.0), difference)
            self.total[name] = self.total.get(name, 0.0) + difference
        elif one != other:
            self.other[name] = self.other.get(name, 0) + 1


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
