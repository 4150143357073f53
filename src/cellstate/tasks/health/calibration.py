"""Whether risks came true: shares of events in bins of rows of like risk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.tasks.arguments import check_whole
from cellstate.tasks.health.metrics import read_risks

BINS = 10
WIDTH = 1.96
"""Standard deviations to each side of a 95 % interval."""


@dataclass(frozen=True)
class CalibrationCurve:
    """Rows in bins from the lowest to the highest risk, about as many in each.

    Attributes
    ----------
    risks, shares : np.ndarray
        (B,) mean risk and share of events.
    low, high : np.ndarray
        (B,) 95 % interval of the share (Wilson).
    rows, events : np.ndarray
        (B,) int64
    """

    risks: np.ndarray
    shares: np.ndarray
    low: np.ndarray
    high: np.ndarray
    rows: np.ndarray
    events: np.ndarray

    @property
    def error(self) -> float:
        """Mean over the rows of how far the share of their bin is from its mean risk."""
        if not len(self.rows):
            return float("nan")
        return float(self.rows @ np.abs(self.risks - self.shares) / self.rows.sum())


def calibration_curve(truth: Any, risks: Any, *, bins: int = BINS) -> CalibrationCurve:
    """Put rows in bins of equal mass by their risk; rows of one risk stay in one bin.

    Bins of equal width, as of the metric "ECE", leave nearly all rows in the first where an event
    is rare.

    Raises
    ------
    InputError
        The rows cannot be read, or `bins` is no whole number above 0.

    Examples
    --------
    >>> curve = calibration_curve([0, 0, 1, 1], [0.1, 0.1, 0.5, 0.9], bins=2)
    >>> curve.risks.tolist(), curve.shares.tolist(), curve.rows.tolist()
    ([0.1, 0.7], [0.0, 1.0], [2, 2])
    """
    check_whole("calibration_curve", "bins", bins)
    event, risk = read_risks("calibration_curve", truth, risks)
    _, run, count = np.unique(risk, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - count / 2.0
    bin_of_run = np.minimum((middle * bins / max(1, len(risk))).astype(np.int64), bins - 1)
    place = bin_of_run[run]
    rows = np.bincount(place, minlength=bins)
    there = rows > 0
    events = np.bincount(place, event, bins)[there]
    means = np.bincount(place, risk, bins)[there]
    rows = rows[there]
    low, high = share_limits(events, rows)
    return CalibrationCurve(
        means / rows, events / rows, low, high, rows, np.rint(events).astype(np.int64)
    )


def share_limits(events: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give Wilson's 95 % interval of a share.

    References
    ----------
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.

    Examples
    --------
    >>> [float(limit.round(3)) for limit in share_limits(np.array(5), np.array(10))]
    [0.237, 0.763]
    """
    share, square = events / rows, WIDTH**2
    centre = (share + square / (2 * rows)) / (1 + square / rows)
    half = WIDTH * np.sqrt(share * (1 - share) / rows + square / (4 * rows**2))
    half = half / (1 + square / rows)
    return np.maximum(0.0, centre - half), np.minimum(1.0, centre + half)
