"""What outcomes are: yes or no, classes, numbers, or the time until something happens."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from cellstate.errors import InputError, explain
from cellstate.tasks.calibration import sigmoid, softmax
from cellstate.tasks.health.survival import Intervals, KaplanMeier

KINDS = ("binary", "classes", "number", "time")
MOST_CLASSES = 20
"""Different numbers up to which whole numbers are classes where they are asked for."""
INTERVALS = 12
"""Of the time to an event."""
TIME, OBSERVED = "time_to_event", "event_observed"
"""Columns of a survival target: time until the event or until nothing more is known, and which."""


@dataclass(frozen=True)
class Target:
    """One outcome.

    Attributes
    ----------
    name : str
    kind : {"binary", "classes", "number", "time"}
    classes : tuple
        Of a binary target the value that means no and the one that means yes.
    mean, scale : float
        Of a number.
    grid : tuple of float
        Ends of the intervals of a time, increasing, in the unit of the data.
    prior : tuple of float
        What is said who knows nothing of a stay: share of the event or of each class, median, or
        Kaplan–Meier survival at the ends of the intervals.
    """

    name: str
    kind: str
    classes: tuple[Any, ...] = ()
    mean: float = 0.0
    scale: float = 1.0
    grid: tuple[float, ...] = ()
    prior: tuple[float, ...] = ()

    @property
    def intervals(self) -> Intervals:
        """The intervals of a time."""
        return Intervals(np.array([0.0, *self.grid]))

    @property
    def outputs(self) -> int:
        """Numbers that a network answers with."""
        return {"binary": 1, "number": 1, "classes": len(self.classes), "time": len(self.grid)}[
            self.kind
        ]

    def learned(self, where: str, truth: np.ndarray) -> Target:
        """Learn classes, scale or grid from the training rows, encoded as by `encode`.

        Raises
        ------
        InputError
            All outcomes are equal, or none is known.
        """
        known = truth[~np.isnan(truth).any(axis=1)]
        if len(np.unique(known[:, -1 if self.kind == "time" else 0])) < 2 and not (
            self.kind == "time" and len(known) and known[:, 1].any()
        ):
            must = f"the outcome {self.name!r} must have two values or more in the training rows"
            given = "no known value" if not len(known) else f"{len(known)} rows that are all equal"
            do = "Add patients with another outcome, or choose another target"
            raise InputError(explain(where, must, given, do))
        if self.kind == "number":
            spread = float(known[:, 0].std())
            middle = float(np.median(known[:, 0]))
            return replace(self, mean=float(known[:, 0].mean()), scale=spread, prior=(middle,))
        if self.kind == "time":
            cut = Intervals.of(known[:, 0], known[:, 1], INTERVALS)
            told = KaplanMeier.of(known[:, 0], known[:, 1]).at(cut.edges[1:])
            return replace(self, grid=tuple(cut.edges[1:].tolist()), prior=tuple(told.tolist()))
        if self.kind == "binary":
            return replace(self, prior=(float(known[:, 0].mean()),))
        shares = np.bincount(known[:, 0].astype(np.int64), minlength=len(self.classes)) / len(known)
        return replace(self, prior=tuple(shares.tolist()))

    def terms(self, truth: np.ndarray) -> np.ndarray:
        """Give what a loss compares with: (n, 1), or the terms of a likelihood (n, 2 K)."""
        if self.kind != "time":
            return truth
        known = ~np.isnan(truth).any(axis=1)
        terms = np.full((len(truth), 2 * len(self.grid)), np.nan)
        terms[known] = np.concatenate(self.intervals.terms(*truth[known].T), axis=1)
        return terms

    def decode(self, answers: np.ndarray) -> np.ndarray:
        """Turn a network's answers (n, outputs) into what is said.

        Returns
        -------
        np.ndarray
            (n,) risks of a binary target, (n, K) probabilities of classes, (n,) numbers, or
            (n, K) probabilities that nothing has happened by the end of each interval.
        """
        if self.kind == "binary":
            return sigmoid(answers[:, 0])
        if self.kind == "classes":
            return softmax(answers)
        if self.kind == "number":
            return answers[:, 0] * self.scale + self.mean
        return np.cumprod(1.0 - sigmoid(answers), axis=1)

    def as_dict(self) -> dict[str, Any]:
        """Give JSON-ready data."""
        plain = asdict(self)
        plain["classes"] = [getattr(value, "item", lambda v=value: v)() for value in self.classes]
        return plain

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Target:
        """Read it back."""
        listed: dict[str, Any] = {n: tuple(data[n]) for n in ("classes", "grid", "prior")}
        return cls(**(data | listed))


def recognized(where: str, name: str, values: np.ndarray) -> Target:
    """Tell the kind of an outcome from its values.

    Text and booleans are classes, and so are numbers of which there are only 0 and 1; other numbers
    are numbers.

    Parameters
    ----------
    where : str
    name : str
    values : np.ndarray
        (n,) as they were given; None or NaN where an outcome is not known.

    Examples
    --------
    >>> recognized("doctest", "died", np.array([0, 1, 1])).kind
    'binary'
    >>> recognized("doctest", "days", np.array([0.5, 1, 2])).kind
    'number'
    """
    known = values[~missing(values)]
    kinds = {type(value) for value in known.tolist()}
    if kinds <= {bool, int, float} and kinds:
        numbers = np.unique(known.astype(np.float64))
        if np.isinf(numbers).any():
            must, do = f"the outcome {name!r} must be finite", "Correct it, or leave it empty"
            raise InputError(explain(where, must, "an infinite number", do))
        if set(numbers.tolist()) <= {0.0, 1.0}:
            return Target(name, "binary", (0, 1))
        return Target(name, "number")
    classes = sorted(set(map(as_word, known.tolist())))
    if len(classes) > MOST_CLASSES:
        must = f"the outcome {name!r} must have at most {MOST_CLASSES} classes"
        do = "Group them, or give numbers"
        raise InputError(explain(where, must, f"{len(classes)}", do))
    return Target(name, "binary" if len(classes) == 2 else "classes", tuple(classes))


def encode(target: Target, values: np.ndarray, observed: np.ndarray | None = None) -> np.ndarray:
    """Bring outcomes into the form that losses and metrics take.

    Returns
    -------
    np.ndarray
        (n, 1) float64, or (n, 2) of a time: 0 or 1, class number, number, or time and whether
        the event was seen; NaN where it is not known.
    """
    gone = missing(values)
    if target.kind in ("number", "time") or target.classes == (0, 1):
        numbers = np.full(len(values), np.nan)
        numbers[~gone] = values[~gone].astype(np.float64)
    else:
        places = {value: place for place, value in enumerate(map(as_word, target.classes))}
        words = [None if g else as_word(v) for v, g in zip(values, gone, strict=True)]
        numbers = np.array([np.nan if w is None else places.get(w, np.nan) for w in words])
    if target.kind != "time":
        return numbers[:, None]
    assert observed is not None, "a time goes with whether its end was seen"
    return np.stack([numbers, observed.astype(np.float64)], axis=1)


def as_word(value: Any) -> str:
    """Write a class as text, 1, 1.0 and True alike.

    Examples
    --------
    >>> as_word(True), as_word(1.0), as_word("icu")
    ('1', '1', 'icu')
    """
    is_text = isinstance(value, str) or not isinstance(value, (bool, int, float, np.generic))
    return str(value) if is_text else f"{float(value):.15g}"


def missing(values: np.ndarray) -> np.ndarray:
    """Tell which outcomes are not known: (n,) bool."""
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype.kind != "O":
        return np.zeros(len(values), dtype=bool)
    return np.array([v is None or v != v for v in values.tolist()], dtype=bool)
