"""Naive2: the benchmark of the M competitions, a naive forecast of seasonally adjusted data.

As published with the M4 competition, a series is seasonal if its autocorrelation at lag m exceeds
the limit of 90 per cent,

    |r_m| > 1.645 √((1 + 2 Σ_{k<m} r_k²) / n)                                  (1)

and has at least three seasons. Its seasonal indices come from the classical multiplicative
decomposition: means, per place in the season, of the series over its centred moving average.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cellstate.data import Panel
from cellstate.tasks.forecast.baselines import AbstractBaseline
from cellstate.tasks.forecast.naive import last_observed

_Z_90 = 1.645
_FEWEST_SEASONS = 3


@dataclass
class Naive2(AbstractBaseline):
    """The last seasonally adjusted value, repeated and given its season back.

    Indices are learnt once from the training panel. The competition's series are positive; one
    that is not is left unadjusted, as ratios to its trend mean nothing.

    References
    ----------
    S. Makridakis, E. Spiliotis, V. Assimakopoulos, "The M4 Competition: 100,000 time series and
    61 forecasting methods", International Journal of Forecasting 36 (2020).
    """

    _indices: dict[Any, tuple[np.ndarray, Any]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.name = "Naive2"

    def _learn(self, panel: Panel) -> None:
        self._indices = {
            name: (
                seasonal_indices(panel.target[panel.rows(number)], self.season),
                panel.times[panel.offsets[number]],
            )
            for number, name in enumerate(panel.ids)
        }

    def _point(self, panel: Panel, series: np.ndarray, cutoffs: np.ndarray) -> np.ndarray:
        last, at = last_observed(panel, series, cutoffs)
        indices = np.ones((len(series), self.season))
        phase = np.zeros(len(series), dtype=np.int64)
        for number in np.unique(series):
            rows = series == number
            indices[rows], phase[rows] = self._season_of(panel, number, cutoffs[rows].min())
        ahead = (phase + cutoffs)[:, None] + np.arange(self.horizon)
        row = np.arange(len(series))
        adjusted = last / indices[row, (phase + at) % self.season]
        return adjusted[:, None] * np.take_along_axis(indices, ahead % self.season, axis=1)

    def _season_of(self, panel: Panel, number: int, cutoff: int) -> tuple[np.ndarray, int]:
        """Give a series' indices, and the place in the season of its first row in the panel."""
        rows = panel.rows(number)
        if panel.ids[number] not in self._indices:
            return seasonal_indices(panel.target[rows][:cutoff], self.season), 0
        indices, start = self._indices[panel.ids[number]]
        return indices, int(panel.frequency.periods(start, panel.times[rows.start]))


def seasonal_indices(values: np.ndarray, season: int) -> np.ndarray:
    """Give multiplicative seasonal indices of mean 1, starting at the first value.

    Parameters
    ----------
    values : ndarray (n,)
        NaN where missing: bridged by a straight line.
    season : int

    Returns
    -------
    ndarray (season,)
        All 1 for a series that is not seasonal.

    Examples
    --------
    >>> seasonal_indices(np.tile([1.0, 3.0], 8), 2).tolist()
    [0.5, 1.5]
    """
    flat = np.ones(season)
    observed = np.flatnonzero(~np.isnan(values))
    if season == 1 or len(observed) < _FEWEST_SEASONS * season:
        return flat
    first, last = observed[0], observed[-1]
    filled = np.interp(np.arange(first, last + 1), observed, values[observed])
    if filled.min() <= 0 or not _is_seasonal(filled, season):
        return flat
    means = _mean_ratios(filled, season)
    return np.roll(means / means.mean(), first)


def _is_seasonal(values: np.ndarray, season: int) -> bool:
    centred = values - values.mean()
    power = centred @ centred
    if not power > 0:
        return False
    lags = [centred[:-lag] @ centred[lag:] / power for lag in range(1, season + 1)]
    limit = _Z_90 * np.sqrt((1 + 2 * np.sum(np.square(lags[:-1]))) / len(values))  # (1)
    return bool(abs(lags[-1]) > limit)


def _mean_ratios(values: np.ndarray, season: int) -> np.ndarray:
    """Average, per place in the season, the ratio of each value to the trend around it."""
    if season % 2 == 0:
        weights = np.r_[0.5, np.ones(season - 1), 0.5] / season
    else:
        weights = np.ones(season) / season
    half = season // 2
    trend = np.convolve(values, weights, mode="valid")
    ratios = np.full(-(-len(values) // season) * season, np.nan)
    ratios[half : len(values) - half] = values[half : len(values) - half] / trend
    return np.nanmean(ratios.reshape(-1, season), axis=0)
