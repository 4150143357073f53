"""Whether a quantity that was sampled for a while stays where it is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

BLOCKS = 20  # means of so many stretches are near enough to independent of each other
SMALL = 1.0  # percent of the level in an hour: growth that does not matter
CONFIDENCE = 0.95
HOUR = 3600.0


class Trend(NamedTuple):
    """Growth in an hour, in percent of the level, with its confidence interval.

    Attributes
    ----------
    level : float
        Mean.
    growth, low, high : float
    """

    level: float
    growth: float
    low: float
    high: float

    @property
    def is_flat(self) -> bool:
        """Whether no growth was seen, or only one too small to matter."""
        return self.low <= 0.0 or self.high < SMALL


def trend(seconds: np.ndarray, values: np.ndarray) -> Trend:
    """Fit a line through the means of blocks, by least squares.

    Neighbouring samples say nearly the same, so an interval from all of them would be too narrow;
    the means of blocks stand further apart.

    Examples
    --------
    >>> seconds = np.arange(200.0)
    >>> trend(seconds, np.full(200, 5.0)).is_flat
    True
    >>> trend(seconds, 5.0 + 0.01 * seconds).is_flat
    False
    """
    from scipy.stats import t

    count = min(BLOCKS, len(values) // 2)
    x, y = (
        np.array([part.mean() for part in np.array_split(all_of, count)])
        for all_of in (seconds, values)
    )
    x = x - x.mean()
    slope = float(x @ y / (x @ x))
    rest = y - y.mean() - slope * x
    error = float(np.sqrt(rest @ rest / max(count - 2, 1) / (x @ x)))
    reach = error * float(t.ppf(0.5 + CONFIDENCE / 2, max(count - 2, 1)))
    level = float(y.mean())
    scale = 100 * HOUR / level if level else 0.0
    return Trend(level, *(scale * one for one in (slope, slope - reach, slope + reach)))
