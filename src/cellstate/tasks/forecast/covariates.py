"""Covariates on a common scale, learnt on the training data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from cellstate.data.panel import Panel

PARTS = ("past", "future", "static")


@dataclass(frozen=True)
class CovariateScale:
    """Mean and deviation of each covariate; a missing value then counts as the mean.

    Parameters
    ----------
    mean, deviation : dict of str to np.ndarray
        By part ("past", "future", "static"), each (C,) float32.
    """

    mean: dict[str, np.ndarray]
    deviation: dict[str, np.ndarray]

    @classmethod
    def of(cls, panel: Panel) -> Self:
        """Measure the covariates of a panel."""
        mean, deviation = {}, {}
        for part in PARTS:
            values = getattr(panel, part).astype(np.float64)
            seen = np.isfinite(values)
            count = np.maximum(seen.sum(axis=0), 1)
            centre = np.where(seen, values, 0.0).sum(axis=0) / count
            spread = np.sqrt((np.where(seen, values - centre, 0.0) ** 2).sum(axis=0) / count)
            mean[part] = centre.astype(np.float32)
            deviation[part] = np.where(spread > 0, spread, 1.0).astype(np.float32)
        return cls(mean, deviation)

    def scale(self, values: np.ndarray, part: str) -> np.ndarray:
        """Bring (…, C) to mean 0 and deviation 1, missing values to 0."""
        if values.shape[-1] == 0:
            return values
        return np.nan_to_num((values - self.mean[part]) / self.deviation[part])

    def apply(self, panel: Panel) -> Panel:
        """Scale all covariates of a panel."""
        return replace(panel, **{part: self.scale(getattr(panel, part), part) for part in PARTS})

    def as_dict(self) -> dict[str, Any]:
        """Give plain data for the model folder."""
        return {
            part: {"mean": self.mean[part].tolist(), "deviation": self.deviation[part].tolist()}
            for part in PARTS
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Rebuild from plain data."""
        mean, deviation = (
            {part: np.asarray(values[part][kind], dtype=np.float32) for part in PARTS}
            for kind in ("mean", "deviation")
        )
        return cls(mean, deviation)
