"""What the recursive network sees of the past: normalised lags, moved by each observation.

To forecast y_t it sees, with level and unit of the observations before t (`running_scale`):

    z₁ = (y_{t−1} − level) / unit,  z_s = (y_{t−s} − level) / unit            (1)

each with a flag that is 1 where the value was observed. Missing values read 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from cellstate.tasks.forecast.running_scale import RunningScale

CLIP = 50.0  # in units: a spike moves the cells to saturation long before this


@dataclass(frozen=True)
class Lags:
    """The last `season` observations of B series with their level and spread.

    Parameters
    ----------
    recent : np.ndarray
        (B, s) float64, oldest first, NaN where missing.
    scale : RunningScale
        Level and spread of everything observed.
    """

    recent: np.ndarray
    scale: RunningScale

    SIZE = 4
    SEASONAL = 2  # the column of z_s

    @classmethod
    def start(cls, series: int, season: int) -> Self:
        """Begin with nothing seen."""
        return cls(np.full((series, season), np.nan), RunningScale.start(series))

    def observe(self, y: np.ndarray, memory: int) -> Lags:
        """Move by one observation (B,) per series."""
        return Lags(
            np.concatenate([self.recent[:, 1:], y[:, None]], axis=1),
            self.scale.observe(y, memory),
        )

    def anchor(self, centred: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return level and unit (B,); counts are not centred but divided by their level."""
        if centred:
            return self.scale.level, self.scale.unit()
        level = np.abs(self.scale.level)
        return np.zeros_like(level), np.where(level > 0, level, 1.0)

    def features(self, centred: bool) -> np.ndarray:
        """Return (B, 4) float32: z₁, its flag, z_s, its flag."""
        level, unit = self.anchor(centred)
        lags = self.recent[:, [-1, 0]]
        seen = np.isfinite(lags)
        z = (np.where(seen, lags, level[:, None]) - level[:, None]) / unit[:, None]  # (1)
        columns = (z[:, 0], seen[:, 0], z[:, 1], seen[:, 1])
        return np.clip(np.stack(columns, axis=1), -CLIP, CLIP).astype(np.float32)

    def take(self, rows: np.ndarray) -> Lags:
        """Select or repeat series."""
        return Lags(self.recent[rows], self.scale.take(rows))
