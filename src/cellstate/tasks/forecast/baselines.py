"""The simple forecasts that any model must beat: what they have in common.

A baseline is fitted to a training panel and then forecasts from any cutoff of a panel that holds
the same series on the same grid, or new ones. Its intervals are quantiles of its own errors on
the training panel, in units of each series' seasonal naive error.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from cellstate.data import Panel, Windows, has_windows
from cellstate.tasks.forecast.metrics import naive_scale

MOST_RESIDUAL_WINDOWS = 2_000  # enough to place a 2.5 % quantile; more only cost time


@dataclass(frozen=True)
class BaselineForecast:
    """What a baseline says: `point` (n, H) and `quantiles` (n, H, Q), NaN where it cannot."""

    point: np.ndarray
    quantiles: np.ndarray


@dataclass
class AbstractBaseline(ABC):
    """A forecast without a network.

    Parameters
    ----------
    season : int
        Periods in a season; 1 for none.

    Attributes
    ----------
    name : str
    note : str
        What a reader of the results must know, or empty.
    """

    season: int = 1
    note: str = field(default="", init=False)
    name: str = field(default="", init=False)

    def fit(self, panel: Panel, horizon: int) -> Self:
        """Learn from a training panel, and measure the errors there for the intervals."""
        self.horizon = horizon
        self._scales = dict(zip(panel.ids, _scales(panel, self.season), strict=True))
        self._learn(panel)
        self._errors = self._training_errors(panel)
        return self

    def predict(
        self,
        panel: Panel,
        series: np.ndarray,
        cutoffs: np.ndarray,
        probabilities: Sequence[float] = (),
    ) -> BaselineForecast:
        """Forecast the `horizon` steps after each cutoff.

        Parameters
        ----------
        panel : Panel
        series, cutoffs : ndarray (n,)
            Numbers of series in the panel, and how many of each one's rows are known.
        probabilities : sequence of Q floats in (0, 1)
            Of the quantiles.
        """
        point = self._point(panel, series, cutoffs)
        if self._errors is None or not probabilities:
            return BaselineForecast(point, np.full((*point.shape, len(probabilities)), np.nan))
        # The Weibull positions k / (m + 1) keep the promised share also for few errors.
        spread = np.nanquantile(self._errors, probabilities, axis=0, method="weibull").T
        scale = self._scale_of(panel, series, cutoffs)
        return BaselineForecast(point, point[:, :, None] + scale[:, None, None] * spread)

    @abstractmethod
    def _point(self, panel: Panel, series: np.ndarray, cutoffs: np.ndarray) -> np.ndarray:
        """Forecast (n, H)."""

    def _learn(self, panel: Panel) -> None:  # noqa: B027  most have nothing to learn
        """Learn from a training panel."""

    def _training_errors(self, panel: Panel) -> np.ndarray | None:
        """Give scaled errors (windows, H) on the training panel; None if it is too short."""
        if not has_windows(panel, self.season, self.horizon, target_from=self.season):
            return None
        windows = Windows(panel, self.season, self.horizon, target_from=self.season)
        chosen = np.linspace(0, len(windows) - 1, min(len(windows), MOST_RESIDUAL_WINDOWS))
        batch = windows.gather(chosen.round().astype(np.int64))
        point = self._point(panel, batch["series"], batch["cutoff"])
        scale = self._scale_of(panel, batch["series"], batch["cutoff"])
        errors = (batch["target"] - point) / np.where(scale > 0, scale, np.nan)[:, None]
        return errors if np.isfinite(errors).any(axis=0).all() else None

    def _scale_of(self, panel: Panel, series: np.ndarray, cutoffs: np.ndarray) -> np.ndarray:
        """Give each window's unit, for series unknown at fit from what precedes their cutoffs."""
        known = np.array([self._scales.get(name, np.nan) for name in panel.ids])[series]
        if np.isnan(known).any():
            first = np.zeros(len(panel), dtype=np.int64)
            first[series[::-1]] = cutoffs[::-1]  # of several windows the first
            known = np.where(np.isnan(known), _scales(panel, self.season, first)[series], known)
        return known


def _scales(panel: Panel, season: int, until: np.ndarray | None = None) -> np.ndarray:
    """Give each series' seasonal naive error, or its naive one where it is shorter, or 0."""
    scales = naive_scale(panel, season, until)
    if np.isnan(scales).any():
        scales = np.where(np.isnan(scales), naive_scale(panel, 1, until), scales)
    return np.nan_to_num(scales)
