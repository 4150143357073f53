"""AutoETS and AutoTheta of statsforecast, where it is installed.

Both are fitted anew at every cutoff, which is what makes them slow: a budget of time decides how
many windows are forecast, spread evenly over those asked for.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np

from cellstate.data import Panel
from cellstate.extras import require
from cellstate.tasks.forecast.baselines import AbstractBaseline, BaselineForecast

LONGEST_ETS_SEASON = 24  # beyond it, exponential smoothing has no seasonal form
MOST_HISTORY = 1_000  # last observations that are fitted, or `_MOST_SEASONS` if that is more
_MOST_SEASONS = 10
_FEWEST_OBSERVATIONS = 10  # below it statsforecast refuses or warns; the last value is repeated


def is_installed() -> bool:
    """Whether statsforecast can be imported."""
    return find_spec("statsforecast") is not None


@dataclass
class Statistical(AbstractBaseline):
    """One statistical model per series and cutoff, with its own intervals.

    Parameters
    ----------
    model : {"AutoETS", "AutoTheta"}
    budget_s : float
        Seconds after which the windows not yet forecast stay NaN; `note` tells how many were.
    """

    model: Literal["AutoETS", "AutoTheta"] = "AutoETS"
    budget_s: float = 60.0

    def __post_init__(self) -> None:
        self.name = self.model

    def _training_errors(self, panel: Panel) -> None:
        """Measure nothing: the model brings its own intervals."""

    def predict(
        self,
        panel: Panel,
        series: np.ndarray,
        cutoffs: np.ndarray,
        probabilities: Sequence[float] = (),
    ) -> BaselineForecast:
        """Forecast as many windows as the budget allows; the others are NaN."""
        models = require("statsforecast.models", extra="baselines")
        season = self.season
        if self.model == "AutoETS" and season > LONGEST_ETS_SEASON:
            season = 1
        model = getattr(models, self.model)(season_length=season)
        count = len(series)
        point = np.full((count, self.horizon), np.nan)
        quantiles = np.full((count, self.horizon, len(probabilities)), np.nan)
        started, done = time.monotonic(), 0
        for window in _spread_out(count):
            if time.monotonic() - started > self.budget_s:
                break
            known = panel.target[panel.rows(int(series[window]))][: cutoffs[window]]
            history = _bridged(known)[-max(MOST_HISTORY, _MOST_SEASONS * season) :]
            point[window], quantiles[window] = self._forecast(model, history, probabilities)
            done += 1
        self.note = "" if done == count else f"{done} of {count} windows in {self.budget_s:g} s"
        if season != self.season:
            self.note = "; ".join(filter(None, (self.note, f"no season of {self.season}")))
        return BaselineForecast(point, quantiles)

    def _point(self, panel: Panel, series: np.ndarray, cutoffs: np.ndarray) -> np.ndarray:
        return self.predict(panel, series, cutoffs).point

    def _forecast(
        self, model: Any, history: np.ndarray, probabilities: Sequence[float]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Forecast one window: (H,) and (H, Q)."""
        if len(history) < _FEWEST_OBSERVATIONS or np.ptp(history) == 0:
            point = np.full(self.horizon, history[-1] if len(history) else np.nan)
            return point, np.repeat(point[:, None], len(probabilities), axis=1)
        levels = sorted({_level(p) for p in probabilities} - {0.0})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a model's failed candidates, which it leaves out
            found = model.forecast(y=history, h=self.horizon, level=levels or None)
        columns = [found[_column(probability)] for probability in probabilities]
        return found["mean"], np.array(columns).T.reshape(self.horizon, len(probabilities))


def _level(probability: float) -> float:
    return round(abs(1 - 2 * probability) * 100, 6)


def _column(probability: float) -> str:
    if _level(probability) == 0:
        return "mean"
    return f"{'lo' if probability < 0.5 else 'hi'}-{_level(probability)}"


def _spread_out(count: int) -> np.ndarray:
    """Order 0 … count − 1 so that any beginning of it is spread evenly (bit reversal)."""
    bits = max(1, (count - 1).bit_length())
    numbers = np.arange(2**bits)
    reversed_ = np.zeros_like(numbers)
    for bit in range(bits):
        reversed_ |= ((numbers >> bit) & 1) << (bits - 1 - bit)
    return reversed_[reversed_ < count]


def _bridged(values: np.ndarray) -> np.ndarray:
    """Fill gaps by straight lines, as these models take no missing values."""
    observed = np.flatnonzero(~np.isnan(values))
    if len(observed) == 0:
        return values[:0]
    steps = np.arange(observed[0], len(values))
    return np.interp(steps, observed, values[observed])
