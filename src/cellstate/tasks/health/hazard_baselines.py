"""Rivals where the answer is the time to an event: the same learners, interval by interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.tasks.health.baselines import Rival, classifiers, probabilities
from cellstate.tasks.health.survival import Intervals

HazardRival = Callable[[np.ndarray, Any, Any, Intervals], "Hazards"]
"""Fitted on rows (n, F), times (n,), events (n,) and the intervals."""


@dataclass(frozen=True)
class Hazards:
    """A classifier of patients in intervals: whether the event comes in one that was reached."""

    model: Any
    intervals: Intervals

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Give the hazard of each interval: (n, K)."""
        count = len(self.intervals)
        row, place = (part.ravel() for part in np.indices((len(x), count)))
        return probabilities(self.model, _rows(x, row, place, count), 2)[:, 1].reshape(-1, count)


def hazard_rivals(seed: int = 0) -> dict[str, HazardRival]:
    """Name the rivals; each learns from one row for each interval that a patient was at risk in.

    References
    ----------
    P. D. Allison, "Discrete-time methods for the analysis of event histories", Sociological
    Methodology 13, 1982.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rows, cut = rng.normal(size=(200, 2)), Intervals(np.array([0.0, 1.0, 2.0]))
    >>> times = np.where(rows[:, 0] > 0, 0.5, 1.5)
    >>> fitted = hazard_rivals()["logistic regression"](rows, times, np.ones(200), cut)
    >>> early, late = fitted.predict(np.array([[2.0, 0.0], [-2.0, 0.0]]))[:, 0]
    >>> bool(early > 0.9 > 0.1 > late)
    True
    """
    return {name: _by_interval(rival) for name, rival in classifiers(seed).items()}


def _by_interval(rival: Rival) -> HazardRival:
    def fit(x: np.ndarray, times: Any, events: Any, intervals: Intervals) -> Hazards:
        at_risk, happened = intervals.terms(times, events)
        row, place = np.nonzero(at_risk)
        learned = _rows(x, row, place, len(intervals))
        return Hazards(rival(learned, happened[row, place].astype(np.int64), groups=row), intervals)

    return fit


def _rows(x: np.ndarray, row: np.ndarray, place: np.ndarray, count: int) -> np.ndarray:
    """Give the features of a patient and which interval it is, as a number and as flags."""
    flags = np.eye(count)[place]
    return np.concatenate([x[row], place[:, None], flags], axis=1)
