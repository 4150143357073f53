"""How widely a series has varied so far: the unit in which its windows are measured.

    unitₙ = standard deviation of all observations up to n          (1)

What (1) needs is carried as sums, measured from the first observation so that a large level does
not eat the digits. A series pushed one observation at a time thus gives the bits of one pass, and
a window is measured by all of its series' past, not by itself alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cellstate.data.panel import Panel

PARTS = ("first", "total", "square", "count")


@dataclass(frozen=True)
class Spread:
    """Sums over the observations of R series, each (R,) float64.

    Attributes
    ----------
    first : np.ndarray
        The first observation, NaN before it.
    total, square : np.ndarray
        Sums of differences to `first`, and of their squares.
    count : np.ndarray
        Observations.
    """

    first: np.ndarray
    total: np.ndarray
    square: np.ndarray
    count: np.ndarray

    @classmethod
    def start(cls, series: int) -> Spread:
        """Begin with nothing seen."""
        return cls(np.full(series, np.nan), *(np.zeros(series) for _ in PARTS[1:]))

    def observe(self, u: np.ndarray) -> Spread:
        """Add one observation (R,) per series; NaN adds nothing."""
        seen = np.isfinite(u)
        first = np.where(np.isnan(self.first) & seen, u, self.first)
        away = np.where(seen, u - first, 0.0)
        return Spread(first, self.total + away, self.square + away * away, self.count + seen)

    def deviation(self) -> np.ndarray:
        """Return (1), 0 where fewer than two values were seen."""
        count = np.maximum(self.count, 1)
        mean = self.total / count
        return np.sqrt(np.maximum(self.square / count - mean * mean, 0.0))


@dataclass(frozen=True)
class SpreadSoFar:
    """The sums after each row of a panel, `PARTS` in order, each (rows,) float64."""

    offsets: np.ndarray
    sums: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, panel: Panel, u: np.ndarray) -> SpreadSoFar:
        """Sum up a panel's values (rows,), after the logarithm if there is one."""
        sums = tuple(np.empty(len(u)) for _ in PARTS)
        for series in range(len(panel)):
            rows = panel.rows(series)
            seen = np.isfinite(u[rows])
            first = u[rows][np.argmax(seen)] if seen.any() else np.nan
            away = np.where(seen, u[rows] - first, 0.0)
            sums[0][rows] = np.where(np.cumsum(seen) > 0, first, np.nan)
            for target, added in zip(sums[1:], (away, away * away, seen), strict=True):
                target[rows] = np.cumsum(added)
        return cls(panel.offsets, sums)

    def at(self, series: np.ndarray, ends: np.ndarray) -> Spread:
        """Look up the sums after the first `ends` rows (R,) of each series (R,)."""
        rows = np.maximum(self.offsets[series] + ends - 1, 0)
        start = Spread.start(len(series))
        begun = ends > 0
        return Spread(
            *(
                np.where(begun, values[rows], getattr(start, name))
                for name, values in zip(PARTS, self.sums, strict=True)
            )
        )
