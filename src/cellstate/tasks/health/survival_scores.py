"""How good predicted times to an event are, where some patients left before it."""

from __future__ import annotations

from typing import Any

import numpy as np

from cellstate.errors import ShapeError, explain
from cellstate.tasks.health.survival import KaplanMeier, read_times
from cellstate.tasks.metrics import Metric

METRICS = {
    "C-index": Metric(
        "share of pairs of patients whose earlier event has the higher risk, ties count half "
        "(Harrell)",
        "max",
    ),
    "integrated Brier": Metric(
        "mean over time of the squared error of survival, weighed for those who left (Graf)", "min"
    ),
}
GRID = 100
CHUNK = 4_000_000
"""Pairs that are compared at a time."""


def score_survival(
    times: Any, events: Any, survival: Any, at: Any, *, censoring: KaplanMeier | None = None
) -> dict[str, float]:
    """Score curves of survival by the names in `METRICS`.

    Risks for the C-index are the areas above the curves.

    Parameters
    ----------
    times, events : array-like
        (n,)
    survival : array-like
        (n, M) chance of no event until each time of `at`.
    at : array-like
        (M,) rising times.
    censoring : KaplanMeier, optional
        Of the training rows, `censoring_of`; that of these rows by default.

    Examples
    --------
    >>> curves = np.array([[0.9, 0.1], [0.9, 0.8]])
    >>> score_survival([1.5, 3.0], [1, 1], curves, [1.0, 2.0])["C-index"]
    1.0
    """
    curve, time = np.asarray(survival, np.float64), np.asarray(at, np.float64)
    scores = brier_scores(times, events, curve, time, censoring=censoring)
    area = (1.0 - curve) @ np.gradient(time) if len(time) > 1 else 1.0 - curve[:, 0]
    return {
        "C-index": concordance(times, events, area),
        "integrated Brier": integrated_brier(scores, time),
    }


def concordance(times: Any, events: Any, risks: Any, weights: Any = None) -> float:
    """Give Harrell's C: how often of two patients the one whose event comes first has more risk.

    A pair counts where the earlier time is an event's; at one time, where one patient has the
    event and the other leaves without. Equal risks count half. NaN where no pair counts.

    Parameters
    ----------
    times, events : array-like
        (n,)
    risks : array-like
        (n,) higher where the event is expected earlier.
    weights : array-like, optional
        (n,) how often each patient is there.

    References
    ----------
    F. E. Harrell et al., "Evaluating the yield of medical tests", JAMA 1982.

    Examples
    --------
    >>> concordance([1, 2, 3, 4], [1, 0, 1, 0], [0.9, 0.2, 0.3, 0.3])
    0.875
    """
    time, event = read_times("concordance", times, events)
    risk = np.asarray(risks, dtype=np.float64)
    if risk.shape != time.shape:
        must, given = "there must be one risk for each patient", f"shape {risk.shape}"
        raise ShapeError(explain("concordance", must, given, f"Give {len(time)} numbers"))
    here = np.ones(len(time)) if weights is None else np.asarray(weights, dtype=np.float64)
    pairs = right = 0.0
    first = np.flatnonzero(event & (here > 0))
    size = max(1, CHUNK // max(1, len(time)))
    for start in range(0, len(first), size):
        some = first[start : start + size, None]
        counts = (time > time[some]) | ((time == time[some]) & ~event)
        agrees = (risk < risk[some]) + 0.5 * (risk == risk[some])
        of_each = here[some[:, 0]]
        pairs += float(of_each @ (counts @ here))
        right += float(of_each @ ((counts * agrees) @ here))
    return right / pairs if pairs > 0 else float("nan")


def censoring_of(times: Any, events: Any) -> KaplanMeier:
    """Estimate the share of patients who have not left without the event, over time.

    At one time events come before leavings: who has the event was still there to leave.

    Examples
    --------
    >>> censoring_of([1, 2, 2, 3], [1, 1, 0, 0]).shares.round(3).tolist()
    [0.5, 0.0]
    """
    time, event = read_times("censoring_of", times, events)
    moments, place = np.unique(time[~event], return_inverse=True)
    left = np.bincount(place, minlength=len(moments))
    there = len(time) - np.searchsorted(np.sort(time), moments, side="left")
    of_events = np.sort(time[event])
    there -= np.searchsorted(of_events, moments, side="right")
    there += np.searchsorted(of_events, moments, side="left")
    return KaplanMeier(moments, np.cumprod(1.0 - left / np.maximum(there, 1)))


def brier_scores(
    times: Any, events: Any, survival: Any, at: Any, *, censoring: KaplanMeier | None = None
) -> np.ndarray:
    """Give the squared error of survival at each time, weighed for those who left: (M,).

    Who had the event by then should have had survival 0, who is still without it 1; who left
    before is not scored, and those who stayed count for them. NaN from where nobody is left to
    count for those who left.

    Parameters
    ----------
    times, events : array-like
        (n,)
    survival : array-like
        (n, M)
    at : array-like
        (M,)
    censoring : KaplanMeier, optional

    References
    ----------
    E. Graf et al., "Assessment and comparison of prognostic classification schemes for survival
    data", Statistics in Medicine 18, 1999.

    Examples
    --------
    >>> brier_scores([1.0, 3.0], [1, 1], [[0.5], [0.75]], [2.0]).tolist()
    [0.15625]
    """
    time, event = read_times("brier_scores", times, events)
    curve, moment = np.asarray(survival, np.float64), np.asarray(at, np.float64)
    if curve.shape != (len(time), len(moment)):
        must = f"survival must have shape ({len(time)}, {len(moment)})"
        do = "Give a row for each patient and a column for each time"
        raise ShapeError(explain("brier_scores", must, f"{curve.shape}", do))
    stays = censoring or censoring_of(time, event)
    is_over = (time[:, None] <= moment) & event[:, None]
    is_there = time[:, None] > moment
    before, now = stays.at(time, before=True), stays.at(moment)
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where(is_over, (1.0 / before)[:, None], 0.0)
        weight = np.where(is_there, 1.0 / now, weight)
        scores = (weight * (curve - is_there) ** 2).sum(0) / len(time)
    return np.where(np.isfinite(scores), scores, np.nan)


def integrated_brier(scores: np.ndarray, at: np.ndarray) -> float:
    """Give the mean of Brier scores over the times that have one.

    Examples
    --------
    >>> integrated_brier(np.array([0.0, 0.2, 0.2]), np.array([0.0, 1.0, 3.0])).__round__(4)
    0.1667
    """
    known = np.isfinite(scores)
    score, time = scores[known], np.asarray(at, np.float64)[known]
    if len(score) < 2:
        return float(score[0]) if len(score) else float("nan")
    steps = np.diff(time)
    return float(steps @ (score[1:] + score[:-1]) / 2.0 / steps.sum())


def times_to_score(times: Any, events: Any, count: int = GRID) -> np.ndarray:
    """Choose times from the first event to where nine in ten patients have gone.

    Later, weights of the few who are left would decide the score.

    Examples
    --------
    >>> times_to_score(np.arange(1, 102), np.ones(101), 3).tolist()
    [1.0, 46.0, 91.0]
    """
    time, event = read_times("times_to_score", times, events)
    start = time[event].min() if event.any() else time.min()
    stop = float(np.quantile(time, 0.9))
    return np.linspace(start, max(stop, start), count)
