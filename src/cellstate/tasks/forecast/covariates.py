"""Covariates on a common scale, learnt on the training data, and which series is which."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
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
    series : tuple of text or integers
        Series that the network knows by name: each adds a static covariate of its own, an
        indicator on the same scale. A series that is none of them has zeros there, the mean.
    """

    mean: dict[str, np.ndarray]
    deviation: dict[str, np.ndarray]
    series: tuple[Any, ...] = ()

    @classmethod
    def of(cls, panel: Panel, series: tuple[Any, ...] = ()) -> Self:
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
        return cls(mean, deviation, series)

    def scale(self, values: np.ndarray, part: str) -> np.ndarray:
        """Bring (…, C) to mean 0 and deviation 1, missing values to 0."""
        if values.shape[-1] == 0:
            return values
        return np.nan_to_num((values - self.mean[part]) / self.deviation[part])

    def static(self, panel: Panel) -> np.ndarray:
        """Give each series' static covariates and indicators, (N, Cs + known series) float32."""
        scaled = self.scale(panel.static, "static")
        if not self.series:
            return scaled
        share = 1 / len(self.series)
        numbers = np.array([self._numbers.get(name, -1) for name in panel.ids])[:, None]
        own = (numbers == np.arange(len(self.series))) - share
        own = np.where(numbers < 0, 0.0, own / np.sqrt(share * (1 - share)))
        return np.concatenate([scaled, own], axis=1, dtype=np.float32)

    def apply(self, panel: Panel) -> Panel:
        """Scale all covariates of a panel."""
        return replace(
            panel,
            past=self.scale(panel.past, "past"),
            future=self.scale(panel.future, "future"),
            static=self.static(panel),
        )

    @cached_property
    def _numbers(self) -> dict[Any, int]:
        return {name: number for number, name in enumerate(self.series)}

    def as_dict(self) -> dict[str, Any]:
        """Give plain data for the model folder."""
        scales = {
            part: {"mean": self.mean[part].tolist(), "deviation": self.deviation[part].tolist()}
            for part in PARTS
        }
        names = [name if isinstance(name, str) else int(name) for name in self.series]
        return {**scales, "series": names}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Rebuild from plain data."""
        mean, deviation = (
            {part: np.asarray(values[part][kind], dtype=np.float32) for part in PARTS}
            for kind in ("mean", "deviation")
        )
        return cls(mean, deviation, tuple(values["series"]))
