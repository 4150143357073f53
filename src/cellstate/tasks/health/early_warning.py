"""How good alarms are: events they come before, by how long, and at what price in alarms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.tasks.health.alarms import Watch, choose_threshold, raise_alarms
from cellstate.tasks.metrics import Metric

WINDOW = 24.0
"""Hours before an event in which an alarm is a true one."""
RATES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""Alarms per patient-day that a curve is drawn at."""

METRICS = {
    "sensitivity": Metric("share of events with a true alarm before them", "max"),
    "precision": Metric("share of alarms that are true: an event follows within the window", "max"),
    "alarms per patient-day": Metric("alarms over the days that patients were watched", ""),
    "lead time": Metric("median hours from the first true alarm to the event", "max"),
}


@dataclass(frozen=True)
class AlarmScores:
    """What came of a threshold, stay by stay; called, it scores stays by their weights.

    Attributes
    ----------
    threshold : float
    alarms, true_alarms : np.ndarray
        (n,) int64; an alarm is true where an event follows within the window.
    leads : np.ndarray
        (n,) hours from the first true alarm to the event, NaN where there is none.
    has_event : np.ndarray
        (n,) bool
    days : np.ndarray
        (n,) days watched.
    """

    threshold: float
    alarms: np.ndarray
    true_alarms: np.ndarray
    leads: np.ndarray
    has_event: np.ndarray
    days: np.ndarray

    def __call__(self, weights: np.ndarray | None = None) -> dict[str, float]:
        """Score by the names in `METRICS`, each stay as often as its weight; NaN if undefined."""
        here = np.ones(len(self.days)) if weights is None else weights
        found = np.isfinite(self.leads)
        alarms = float(here @ self.alarms)
        leads = np.repeat(self.leads[found], here[found].astype(np.int64))
        return {
            "sensitivity": _ratio(float(here @ found), float(here @ self.has_event)),
            "precision": _ratio(float(here @ self.true_alarms), alarms),
            "alarms per patient-day": _ratio(alarms, float(here @ self.days)),
            "lead time": float(np.median(leads)) if len(leads) else float("nan"),
        }


def score_alarms(
    watch: Watch,
    risks: Any,
    threshold: float,
    *,
    silence: float = 0.0,
    window: float = WINDOW,
    least_lead: float = 0.0,
) -> AlarmScores:
    """Sound the alarms of a threshold and set them against the events.

    Parameters
    ----------
    watch : Watch
    risks : array-like
        (N,)
    threshold : float
    silence : float, default 0
        Hours without alarms after each alarm.
    window : float, default 24
        Hours before an event in which an alarm is true.
    least_lead : float, default 0
        Hours before an event in which an alarm is too late to be true; at 0, one in the hour of
        the event is true.

    Examples
    --------
    >>> watch = Watch.of([0, 3, 6], [0, 1, 2, 0, 1, 2], [2, np.nan])
    >>> scores = score_alarms(watch, [0.1, 0.8, 0.9, 0.1, 0.7, 0.2], 0.5, silence=6)
    >>> list(scores().values())
    [1.0, 0.5, 8.0, 1.0]
    """
    owner, count = watch.owner, len(watch.events)
    sounds = raise_alarms(watch, risks, threshold, silence)
    lead = watch.events[owner] - watch.hours  # NaN without an event
    is_true = sounds & (lead <= window) & (lead >= least_lead)
    first = np.full(count, -np.inf)
    np.maximum.at(first, owner[is_true], lead[is_true])
    return AlarmScores(
        float(threshold),
        np.bincount(owner[sounds], minlength=count),
        np.bincount(owner[is_true], minlength=count),
        np.where(np.isfinite(first), first, np.nan),
        np.isfinite(watch.events) & (watch.days > 0),
        watch.days,
    )


@dataclass(frozen=True)
class AlarmCurve:
    """Scores from few alarms to many: one place for each threshold, the highest first.

    Attributes
    ----------
    thresholds, alarms_per_day, sensitivity, precision, lead_time : np.ndarray
        (M,)
    """

    thresholds: np.ndarray
    alarms_per_day: np.ndarray
    sensitivity: np.ndarray
    precision: np.ndarray
    lead_time: np.ndarray


def alarm_curve(
    watch: Watch,
    risks: Any,
    *,
    rates: tuple[float, ...] = RATES,
    silence: float = 0.0,
    window: float = WINDOW,
    least_lead: float = 0.0,
) -> AlarmCurve:
    """Give scores at thresholds with these alarm rates, or the next lower ones that there are.

    Rates that one threshold serves are one place of the curve.

    Examples
    --------
    >>> watch = Watch.of([0, 24], np.arange(24.0), [23.0])
    >>> curve = alarm_curve(watch, np.arange(24) / 24, rates=(1.0, 2.0))
    >>> curve.alarms_per_day.tolist(), curve.lead_time.tolist()
    ([1.0, 2.0], [0.0, 1.0])
    """
    chosen = {
        choose_threshold(watch, risks, alarms_per_day=rate, silence=silence) for rate in rates
    }
    thresholds = sorted(chosen, reverse=True)
    options = {"silence": silence, "window": window, "least_lead": least_lead}
    found = [score_alarms(watch, risks, threshold, **options)() for threshold in thresholds]
    columns = {name: np.array([scores[name] for scores in found]) for name in METRICS}
    return AlarmCurve(
        np.array(thresholds),
        columns["alarms per patient-day"],
        columns["sensitivity"],
        columns["precision"],
        columns["lead time"],
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")
