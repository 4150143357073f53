"""The utility of alarms on sepsis: what they gain early, and cost late or for nothing.

References
----------
M. A. Reyna et al., "Early prediction of sepsis from clinical data: the PhysioNet/Computing in
Cardiology Challenge 2019", Critical Care Medicine 48, 2020.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.errors import InputError, ShapeError, explain
from cellstate.tasks.metrics import Metric

EARLY, OPTIMAL, LATE = -12, -6, 3
"""Hours from the onset of sepsis: alarms gain from `EARLY` on, most at `OPTIMAL`, to `LATE`."""
GAIN, MISS, FALSE_ALARM, QUIET = 1.0, -2.0, -0.05, 0.0

METRICS = {
    "utility": Metric(
        "utility of PhysioNet's Challenge 2019: 1 for the best alarms, 0 for none at all", "max"
    ),
}


@dataclass(frozen=True)
class Utilities:
    """What an alarm and its absence are worth at each hour; one row is one hour.

    Attributes
    ----------
    alarm, quiet, best : np.ndarray
        (N,) utility of an alarm, of none, and of the alarms that the challenge takes as the best.
    """

    alarm: np.ndarray
    quiet: np.ndarray
    best: np.ndarray

    @classmethod
    def of(cls, labels: Any, offsets: Any) -> Utilities:
        """Read the labels of stays, which are 1 from six hours before the onset on.

        Parameters
        ----------
        labels : array-like
            (N,) 0 or 1, hour by hour, one stay after the other.
        offsets : array-like
            (n + 1,) where each stay begins, and the end.

        Raises
        ------
        InputError
            A label is neither 0 nor 1, or the offsets do not fit.

        Examples
        --------
        >>> worth = Utilities.of([0, 0, 0, 0, 1, 1], [0, 6])
        >>> worth.alarm.round(2).tolist(), worth.quiet.round(2).tolist()
        ([0.33, 0.5, 0.67, 0.83, 1.0, 0.89], [0.0, 0.0, 0.0, 0.0, 0.0, -0.22])
        """
        label, offset = _read(labels, offsets)
        lengths = np.diff(offset)
        owner = np.repeat(np.arange(len(lengths)), lengths)
        hour = np.arange(len(label)) - offset[owner]
        first = np.full(len(lengths), np.inf)
        np.minimum.at(first, owner[label], hour[label].astype(np.float64))
        from_onset = hour - (first[owner] - OPTIMAL)  # −inf where there is no sepsis
        is_septic = np.isfinite(from_onset)
        t = np.where(is_septic, from_onset, 0.0)
        rising = np.maximum(GAIN * (t - EARLY) / (OPTIMAL - EARLY), FALSE_ALARM)
        falling = GAIN * (LATE - t) / (LATE - OPTIMAL)
        missing = MISS * (t - OPTIMAL) / (LATE - OPTIMAL)
        before, over = t <= OPTIMAL, t > LATE
        alarm = np.where(over, 0.0, np.where(before, rising, falling))
        quiet = np.where(over | before, 0.0, missing)
        alarm = np.where(is_septic, alarm, FALSE_ALARM)
        quiet = np.where(is_septic, quiet, QUIET)
        sounds = is_septic & (t >= EARLY) & (t <= LATE)
        return cls(alarm, quiet, np.where(sounds, alarm, quiet))

    def score(self, alarms: Any, weights: np.ndarray | None = None) -> float:
        """Give the normalised utility of alarms (N,) bool; NaN where no stay has sepsis in reach.

        Examples
        --------
        >>> worth = Utilities.of([0, 0, 0, 0, 1, 1], [0, 6])
        >>> worth.score(np.zeros(6)), worth.score(np.ones(6)), round(worth.score([0] * 5 + [1]), 3)
        (0.0, 1.0, 0.25)
        """
        sounds = np.asarray(alarms, dtype=bool)
        if sounds.shape != self.alarm.shape:
            must, given = "there must be an alarm or none for each hour", f"shape {sounds.shape}"
            do = f"Give {len(self.alarm)} truth values"
            raise ShapeError(explain("Utilities.score", must, given, do))
        here = np.ones(len(sounds)) if weights is None else weights
        nothing = here @ self.quiet
        reach = here @ self.best - nothing
        if reach <= 0:
            return float("nan")
        return float((here @ np.where(sounds, self.alarm, self.quiet) - nothing) / reach)

    def best_threshold(self, risks: Any) -> tuple[float, float]:
        """Find the threshold whose alarms, where the risk is at least as high, have most utility.

        All thresholds that there are are compared; it lies half-way between two risks.

        Parameters
        ----------
        risks : array-like
            (N,) of patients that they were not learned from.

        Returns
        -------
        threshold, utility : float
            The threshold is just above all risks where no alarm is better than none.

        Examples
        --------
        >>> worth = Utilities.of([0, 0, 0, 0, 1, 1, 0, 0], [0, 6, 8])
        >>> risks = [0.1, 0.2, 0.6, 0.7, 0.8, 0.9, 0.05, 0.0]
        >>> [round(part, 3) for part in worth.best_threshold(risks)]
        [0.075, 1.0]
        """
        risk = np.asarray(risks, dtype=np.float64)
        if risk.shape != self.alarm.shape or not np.isfinite(risk).all():
            must, given = "there must be one risk for each hour", f"shape {risk.shape}"
            do = f"Give {len(self.alarm)} numbers, none missing"
            raise ShapeError(explain("Utilities.best_threshold", must, given, do))
        levels, run = np.unique(-risk, return_inverse=True)
        if not len(levels):
            return float("nan"), float("nan")
        gains = np.concatenate([[0.0], np.cumsum(np.bincount(run, self.alarm - self.quiet))])
        taken = int(np.argmax(gains))  # of equals, the fewest alarms
        levels = -levels
        if taken == 0:
            threshold = float(np.nextafter(levels[0], np.inf))
        elif taken == len(levels):
            threshold = float(levels[-1])
        else:
            threshold = float((levels[taken - 1] + levels[taken]) / 2.0)
        return threshold, self.score(risk >= threshold)


@dataclass(frozen=True)
class UtilityScorer:
    """The utility of alarms, quick to compute again for other weights; for `bootstrap`.

    Examples
    --------
    >>> worth = Utilities.of([0, 0, 0, 0, 1, 1], [0, 6])
    >>> UtilityScorer(worth, np.ones(6, dtype=bool))()
    {'utility': 1.0}
    """

    worth: Utilities
    alarms: np.ndarray

    def __call__(self, weights: np.ndarray | None = None) -> dict[str, float]:
        """Score all hours, each as often as its weight (N,) says."""
        return {"utility": self.worth.score(self.alarms, weights)}


def _read(labels: Any, offsets: Any) -> tuple[np.ndarray, np.ndarray]:
    given, offset = np.asarray(labels), np.asarray(offsets, dtype=np.int64)
    if given.ndim != 1 or not len(offset) or offset[0] != 0 or offset[-1] != len(given):
        must = "offsets must lead from 0 to the number of labels"
        do = "Give n + 1 offsets for n stays"
        raise ShapeError(explain("Utilities", must, f"{len(given)} labels", do))
    wrong = (given != 0) & (given != 1)
    if wrong.any():
        must, found = "every label must be 0 or 1", f"another in row {int(np.argmax(wrong))}"
        raise InputError(explain("Utilities", must, found, "Leave rows without a label out"))
    return given == 1, offset
