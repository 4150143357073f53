"""A causal normaliser: level and spread of a series, moved by each observation.

For observation number n (missing ones do not count), with rate aₙ = max(1/n, 1/memory):

    levelₙ = levelₙ₋₁ + aₙ (yₙ − levelₙ₋₁)            (1)
    spreadₙ = spreadₙ₋₁ + aₙ (|yₙ − levelₙ| − spreadₙ₋₁)  (2)

The first `memory` observations are thus weighted equally and older ones fade afterwards. Because
it looks only back, a series pushed one observation at a time gives the numbers of one pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

TINY = 1e-6  # relative to the level: a constant series has no spread to divide by


@dataclass(frozen=True)
class RunningScale:
    """Level and spread of B series after some observations.

    Parameters
    ----------
    level, spread : np.ndarray
        (B,) float64, in the unit of the series.
    count : np.ndarray
        (B,) float64, observations seen.
    """

    level: np.ndarray
    spread: np.ndarray
    count: np.ndarray

    @classmethod
    def start(cls, series: int) -> Self:
        """Begin with nothing seen."""
        return cls(np.zeros(series), np.zeros(series), np.zeros(series))

    def observe(self, y: np.ndarray, memory: int) -> RunningScale:
        """Move by one observation per series; NaN moves nothing.

        Parameters
        ----------
        y : np.ndarray
            (B,), NaN where missing.
        memory : int
            Observations after which older ones fade.
        """
        seen = np.isfinite(y)
        count = self.count + seen
        rate = np.where(seen, np.maximum(1 / np.maximum(count, 1), 1 / memory), 0.0)
        value = np.where(seen, y, self.level)
        level = self.level + rate * (value - self.level)  # (1)
        spread = self.spread + rate * (np.abs(value - level) - self.spread)  # (2)
        return RunningScale(level, spread, count)

    def unit(self) -> np.ndarray:
        """Return the divisor (B,): the spread, or a share of the level where there is none."""
        floor = TINY * np.abs(self.level)
        unit = np.maximum(self.spread, floor)
        return np.where(unit > 0, unit, 1.0)

    def take(self, rows: np.ndarray) -> RunningScale:
        """Select or repeat series."""
        return RunningScale(self.level[rows], self.spread[rows], self.count[rows])
