"""Scores by group of patients, side by side; groups too small to judge get no figures."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from cellstate.errors import InputError, ShapeError, explain
from cellstate.tasks.health.metrics import observed_to_expected, read_risks, score_risks
from cellstate.tasks.metrics import Metric

LEAST_ROWS, LEAST_EVENTS = 20, 5
MOST_GROUPS = 20
"""Groups of one kind; with more, they may be names of patients."""
UNKNOWN = "unknown"
BANDS = (18.0, 45.0, 65.0, 80.0)
"""Ages in years at which a band begins."""
SHOWN = ("AUROC", "AUPRC", "Brier")
RATIO = "observed / expected"
RATIO_METRIC = Metric("events over the sum of the risks: above 1, risks are too low", "")


@dataclass(frozen=True)
class Subgroup:
    """One group of rows.

    Attributes
    ----------
    kind, name : str
        Such as "sex" and "female".
    rows, events : int
    scores : dict of str to float
        AUROC, AUPRC, Brier, observed / expected; empty where the group is too small.
    """

    kind: str
    name: str
    rows: int
    events: int
    scores: dict[str, float]

    @property
    def is_small(self) -> bool:
        """Whether there are too few rows, or too few with or without the event, to judge."""
        return self.rows < LEAST_ROWS or min(self.events, self.rows - self.events) < LEAST_EVENTS

    @property
    def shown_rows(self) -> str:
        """The number of rows; of few, only that they are few."""
        return f"{self.rows:,}" if self.rows >= LEAST_ROWS else f"< {LEAST_ROWS}"

    @property
    def shown_events(self) -> str:
        """The number of events; of few, only that they are few."""
        if self.rows < LEAST_ROWS or self.events < LEAST_EVENTS:
            return f"< {LEAST_EVENTS}"
        return f"{self.events:,}"


def by_subgroup(truth: Any, risks: Any, groups: Mapping[str, Any]) -> tuple[Subgroup, ...]:
    """Score each group of rows by itself.

    Parameters
    ----------
    truth, risks : array-like
        (n,) events, and what was said of them.
    groups : mapping of str to array-like
        Kind of group, such as "sex" -> (n,) the group of each row; None or NaN where unknown.

    Raises
    ------
    InputError
        The rows cannot be read, or one kind has more than 20 groups.

    Examples
    --------
    >>> truth, risks = np.arange(40) % 4 == 0, np.where(np.arange(40) % 4 == 0, 0.5, 0.25)
    >>> sex = np.where(np.arange(40) < 39, "female", "male")
    >>> for group in by_subgroup(truth, risks, {"sex": sex}):
    ...     print(group.name, group.shown_rows, group.shown_events, group.scores.get("AUROC"))
    female 39 10 1.0
    male < 20 < 5 None
    """
    event, risk = read_risks("by_subgroup", truth, risks)
    found: list[Subgroup] = []
    for kind, given in groups.items():
        label = _labels(kind, given, len(event))
        for name in sorted(set(label), key=_order):
            here = np.array([one == name for one in label], dtype=bool)
            rows, events = int(here.sum()), int(event[here].sum())
            group = Subgroup(kind, name, rows, events, {})
            if not group.is_small:
                scores = score_risks(event[here], risk[here])
                group.scores.update({metric: scores[metric] for metric in SHOWN})
                group.scores[RATIO] = observed_to_expected(event[here], risk[here])
            found.append(group)
    return tuple(found)


def age_bands(ages: Any, bands: tuple[float, ...] = BANDS) -> np.ndarray:
    """Name the band of each age in years: (n,) str, None where the age is not known.

    Examples
    --------
    >>> age_bands([17, 18, 70, 91, float("nan")]).tolist()
    ['under 18', '18 to 44', '65 to 79', '80 and over', None]
    """
    years = np.asarray(ages, dtype=np.float64)
    names = [
        f"under {bands[0]:g}",
        *(f"{a:g} to {b - 1:g}" for a, b in pairwise(bands)),
        f"{bands[-1]:g} and over",
    ]
    places = np.searchsorted(bands, years, side="right")
    return np.array(
        [names[p] if np.isfinite(y) else None for p, y in zip(places, years, strict=True)], object
    )


def _labels(kind: str, given: Any, count: int) -> list[str]:
    values = np.asarray(given)
    if values.shape != (count,):
        must = f"the group {kind!r} must name the group of each row"
        do = "Give one name for each row"
        raise ShapeError(explain("by_subgroup", must, f"shape {values.shape} for {count} rows", do))
    label = [_named(value) for value in values.tolist()]
    if len(set(label)) > MOST_GROUPS:
        must = f"the group {kind!r} must have at most {MOST_GROUPS} names"
        do = "Put its values into bands, as age_bands does; ids of patients are no groups"
        raise InputError(explain("by_subgroup", must, f"{len(set(label))}", do))
    return label


def _named(value: Any) -> str:
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return UNKNOWN
    return f"{value:g}" if isinstance(value, float) else str(value)


def _order(name: str) -> tuple[bool, bool, float, str]:
    """Order bands by age, names by the alphabet, what is unknown last."""
    number = re.match(r"\d+(\.\d+)?", name)
    start = float(number.group()) if number else math.inf
    return (name == UNKNOWN, not name.startswith("under "), start, name)
