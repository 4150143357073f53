"""Baselines that repeat or prolong what was last seen, at many cutoffs at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cellstate.data import Panel
from cellstate.tasks.forecast.baselines import AbstractBaseline


@dataclass
class Naive(AbstractBaseline):
    """The last observed value, repeated."""

    def __post_init__(self) -> None:
        self.name = "naive"

    def _point(self, panel: Panel, series: np.ndarray, cutoffs: np.ndarray) -> np.ndarray:
        last, _ = last_observed(panel, series, cutoffs)
        return np.repeat(last[:, None], self.horizon, axis=1)


@dataclass
class Drift(AbstractBaseline):
    """The line from the first to the last observed value, prolonged."""

    def __post_init__(self) -> None:
        self.name = "drift"

    def _point(self, panel: Panel, series: np.ndarray, cutoffs: np.ndarray) -> np.ndarray:
        last, at = last_observed(panel, series, cutoffs)
        first_rows = _first_observed_rows(panel)[series]
        first, first_at = panel.target[first_rows], first_rows - panel.offsets[series]
        slope = np.where(at > first_at, (last - first) / np.maximum(at - first_at, 1), 0)
        steps = (cutoffs - at)[:, None] + np.arange(self.horizon)
        return last[:, None] + slope[:, None] * steps


@dataclass
class SeasonalNaive(AbstractBaseline):
    """The value one season ago; where it is missing, seasons before it, then the last value."""

    def __post_init__(self) -> None:
        self.name = "seasonal naive"

    def _point(self, panel: Panel, series: np.ndarray, cutoffs: np.ndarray) -> np.ndarray:
        ahead = np.arange(self.horizon)
        places = cutoffs[:, None] - self.season + ahead % self.season
        start = panel.offsets[series][:, None]
        point = np.full(places.shape, np.nan)
        while (missing := np.isnan(point) & (places >= 0)).any():
            point[missing] = panel.target[(start + places)[missing]]
            places = places - self.season
        last, _ = last_observed(panel, series, cutoffs)
        return np.where(np.isnan(point), last[:, None], point)


def last_observed(
    panel: Panel, series: np.ndarray, cutoffs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find the last observed value before each cutoff, and its row in the series.

    Returns
    -------
    value : ndarray (n,)
        NaN where nothing was observed.
    row : ndarray (n,)
    """
    observed = np.where(np.isnan(panel.target), -1, np.arange(len(panel.target)))
    latest = np.maximum.accumulate(observed)
    rows = latest[panel.offsets[series] + cutoffs - 1]
    within = rows >= panel.offsets[series]
    return np.where(within, panel.target[rows], np.nan), rows - panel.offsets[series]


def _first_observed_rows(panel: Panel) -> np.ndarray:
    rows = len(panel.target)
    observed = np.where(np.isnan(panel.target), rows - 1, np.arange(rows))
    return np.minimum.reduceat(observed, panel.offsets[:-1])
