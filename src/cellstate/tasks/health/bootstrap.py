"""Intervals of scores over patients: patients are drawn again, with all their rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.errors import InputError, explain
from cellstate.tasks.arguments import check_whole

RESAMPLES = 1000
LEVEL = 95.0

Score = Callable[[np.ndarray], Mapping[str, float]]
"""Scores all rows, each as often as its weight (n,) says; `RiskScorer` is one."""


@dataclass(frozen=True)
class Interval:
    """A score with the interval that holds it in `level` per cent of the resamples."""

    value: float
    low: float
    high: float
    level: float = LEVEL

    def as_dict(self) -> dict[str, float | None]:
        """Give JSON-ready data; what is not defined is None."""
        parts = {"value": self.value, "low": self.low, "high": self.high, "level": self.level}
        return {name: part if np.isfinite(part) else None for name, part in parts.items()}

    def __str__(self) -> str:
        if not np.isfinite(self.value):
            return "–"
        if not np.isfinite(self.low):
            return f"{self.value:.3f}"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def bootstrap(
    score: Score,
    subjects: Any,
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> dict[str, Interval]:
    """Give each score its interval over patients.

    Patients are drawn with replacement, as many as there are; a patient who is drawn twice counts
    twice with every row. Limits are the percentiles of the scores of such resamples. Where fewer
    than half of the resamples have a score, as with one patient or one event, limits are NaN.

    Parameters
    ----------
    score : callable
        Weights of the rows (n,) -> scores by name, such as ``RiskScorer.of(truth, risks)``.
    subjects : array-like
        (n,) whom each row is of; ids of any kind. They only group rows and are not kept.
    resamples : int, default 1000
    level : float, default 95
        Per cent.
    seed : int, default 0

    Returns
    -------
    dict of str to Interval

    Raises
    ------
    InputError
        An argument cannot be used.

    References
    ----------
    C. A. Field and A. H. Welsh, "Bootstrapping clustered data", JRSS B 69, 2007.

    Examples
    --------
    >>> from cellstate.tasks.health.metrics import RiskScorer
    >>> truth, risks = np.array([0, 1] * 50), np.tile([0.1, 0.4, 0.6, 0.3], 25)
    >>> found = bootstrap(RiskScorer.of(truth, risks), np.arange(100) // 2, resamples=200)
    >>> round(found["AUROC"].value, 2), found["AUROC"].low <= 0.5 <= found["AUROC"].high
    (0.5, True)
    """
    return _intervals(score, subjects, resamples, level, seed)


def paired_difference(
    score: Score,
    other: Score,
    subjects: Any,
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> dict[str, Interval]:
    """Give the interval of how much larger the scores of one system are than another's.

    Both are scored on the same resamples of the same rows; an interval without 0 says that more
    than the choice of patients parts them.

    Parameters
    ----------
    score, other : callable
        As of `bootstrap`, of the same rows.
    subjects : array-like
        (n,)
    resamples, level, seed
        As of `bootstrap`.

    Examples
    --------
    >>> from cellstate.tasks.health.metrics import RiskScorer
    >>> truth = np.array([0, 1] * 50)
    >>> good, poor = (RiskScorer.of(truth, risks) for risks in (0.2 + 0.6 * truth, truth * 0.0))
    >>> str(paired_difference(good, poor, np.arange(100), resamples=100)["AUROC"])
    '0.500 (0.500 to 0.500)'
    """

    def difference(weights: np.ndarray) -> dict[str, float]:
        ours, theirs = score(weights), other(weights)
        return {name: ours[name] - theirs[name] for name in ours if name in theirs}

    return _intervals(difference, subjects, resamples, level, seed)


def rows_drawn(weights: np.ndarray) -> np.ndarray:
    """Give the rows of a resample, for scores that know no weights.

    Examples
    --------
    >>> rows_drawn(np.array([1.0, 0.0, 2.0])).tolist()
    [0, 2, 2]
    """
    return np.repeat(np.arange(len(weights)), weights.astype(np.int64))


def _intervals(
    score: Score, subjects: Any, resamples: int, level: float, seed: int
) -> dict[str, Interval]:
    check_whole("bootstrap", "resamples", resamples)
    if not 0 < level < 100:
        must = "level must be above 0 and below 100 per cent"
        raise InputError(explain("bootstrap", must, repr(level), "Give level=95"))
    owner, patients = _owners(subjects)
    whole = score(np.ones(len(owner)))
    names = list(whole)
    drawn = np.full((resamples, len(names)), np.nan)
    rng = np.random.default_rng(seed)
    for place in range(resamples if patients > 1 else 0):
        counts = np.bincount(rng.integers(0, patients, patients), minlength=patients)
        scores = score(counts.astype(np.float64)[owner])
        drawn[place] = [scores[name] for name in names]
    tails = [(1 - level / 100) / 2, (1 + level / 100) / 2]
    found: dict[str, Interval] = {}
    for name, values in zip(names, drawn.T, strict=True):
        known = values[np.isfinite(values)]
        enough = 2 * len(known) > resamples
        low, high = np.quantile(known, tails) if enough else (np.nan, np.nan)
        found[name] = Interval(float(whole[name]), float(low), float(high), float(level))
    return found


def _owners(subjects: Any) -> tuple[np.ndarray, int]:
    """Number the patient of each row, whatever their ids are."""
    given = np.asarray(subjects)
    if given.ndim != 1 or not len(given):
        must = "subjects must name the patient of each row"
        do = "Give one id for each row"
        raise InputError(explain("bootstrap", must, f"an array of shape {given.shape}", do))
    if given.dtype == object:
        places: dict[Any, int] = {}
        owner = np.array([places.setdefault(one, len(places)) for one in given], dtype=np.int64)
        return owner, len(places)
    names, owner = np.unique(given, return_inverse=True)
    return owner, len(names)
