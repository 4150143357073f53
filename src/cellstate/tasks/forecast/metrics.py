"""How good forecasts are. NaN in the truth marks a value that is not counted.

Every function takes `truth` and forecasts of shape (windows, horizon) and averages over all
observed values, or with ``axis=1`` over those of each window (NaN for a window without any). A
forecast that is missing where the truth is not makes the result NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cellstate.data.panel import Panel


@dataclass(frozen=True)
class Metric:
    """A metric in words; `best` is "min" or the value to come close to."""

    name: str
    definition: str
    source: str
    best: str | float = "min"


_HYNDMAN = "Hyndman and Koehler (2006), doi:10.1016/j.ijforecast.2006.03.001"
_M4 = "Makridakis, Spiliotis and Assimakopoulos (2020), doi:10.1016/j.ijforecast.2019.04.014"
_GNEITING = "Gneiting and Raftery (2007), doi:10.1198/016214506000001437"

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("MAE", "mean of |y − ŷ|, in the target's unit", _HYNDMAN),
        Metric("MSE", "mean of (y − ŷ)², in the target's unit squared", _HYNDMAN),
        Metric("RMSE", "square root of the MSE, in the target's unit", _HYNDMAN),
        Metric("sMAPE", "mean of 200 |y − ŷ| / (|y| + |ŷ|), 0 to 200; 0 where both are 0", _M4),
        Metric(
            "MASE",
            "mean of |y − ŷ| over the in-sample mean absolute error of repeating the value one "
            "season ago; series whose in-sample error is 0 are left out",
            _HYNDMAN,
        ),
        Metric("OWA", "mean of sMAPE and MASE, each divided by that of Naive2", _M4),
        Metric(
            "quantile loss",
            "mean over quantiles q of 2 max(q (y − ŷ), (q − 1)(y − ŷ)), in the target's unit: "
            "approximates the CRPS",
            _GNEITING,
        ),
        Metric(
            "weighted quantile loss",
            "sum of the quantile losses over the sum of |y|",
            "Salinas et al. (2020), doi:10.1016/j.ijforecast.2019.07.001",
        ),
        Metric("coverage", "per cent of y inside the interval; best at its level", _GNEITING),
        Metric("width", "mean width of the interval, in the target's unit", _GNEITING),
    )
}


def mae(truth: np.ndarray, forecast: np.ndarray, axis: int | None = None) -> np.ndarray:
    """Mean absolute error, in the target's unit.

    Examples
    --------
    >>> float(mae(np.array([[1.0, 2.0, np.nan]]), np.array([[2.0, 4.0, 9.0]])))
    1.5
    """
    return _mean(truth, np.abs(truth - forecast), axis)


def mse(truth: np.ndarray, forecast: np.ndarray, axis: int | None = None) -> np.ndarray:
    """Mean squared error, in the target's unit squared.

    Examples
    --------
    >>> float(mse(np.array([[1.0, 2.0]]), np.array([[2.0, 4.0]])))
    2.5
    """
    return _mean(truth, np.square(truth - forecast), axis)


def rmse(truth: np.ndarray, forecast: np.ndarray, axis: int | None = None) -> np.ndarray:
    """Root of the mean squared error, in the target's unit.

    Examples
    --------
    >>> float(rmse(np.array([[1.0, 1.0]]), np.array([[4.0, 4.0]])))
    3.0
    """
    return np.sqrt(mse(truth, forecast, axis))


def smape(truth: np.ndarray, forecast: np.ndarray, axis: int | None = None) -> np.ndarray:
    """Symmetric mean absolute percentage error as in the M4 competition, 0 to 200.

    Examples
    --------
    >>> float(smape(np.array([[100.0, 0.0]]), np.array([[300.0, 0.0]])))
    50.0
    """
    total = np.abs(truth) + np.abs(forecast)
    share = 200 * np.abs(truth - forecast) / np.where(total == 0, 1, total)
    return _mean(truth, share, axis)


def mase(
    truth: np.ndarray, forecast: np.ndarray, scale: np.ndarray, axis: int | None = None
) -> np.ndarray:
    """Mean absolute scaled error.

    Parameters
    ----------
    truth, forecast : ndarray (windows, horizon)
    scale : ndarray (windows,)
        From `naive_scale`. Windows whose scale is 0 (a series that repeats itself exactly) or NaN
        (no season of history) have no MASE and are left out; NaN if no window is left.
    axis : int, optional

    Examples
    --------
    >>> float(mase(np.array([[1.0], [5.0]]), np.array([[2.0], [5.0]]), np.array([4.0, 0.0])))
    0.25
    """
    usable = np.where(scale > 0, scale, np.nan)[:, None]
    scaled = np.where(np.isnan(usable), np.nan, truth)
    return _mean(scaled, np.abs(truth - forecast) / usable, axis)


def naive_scale(panel: Panel, season: int, until: np.ndarray | None = None) -> np.ndarray:
    """In-sample mean absolute error of repeating the value one season ago: MASE's denominator.

    Parameters
    ----------
    panel : Panel
    season : int
    until : ndarray (N,), optional
        How many rows of each series are in the sample; default: all.

    Returns
    -------
    ndarray (N,)
        NaN for a series without two observed values one season apart.

    Examples
    --------
    >>> import polars
    >>> from cellstate.data.frames import to_panel
    >>> panel = to_panel(polars.DataFrame({"ds": range(4), "y": [1.0, 2.0, 4.0, 4.0]}))
    >>> naive_scale(panel, 1), naive_scale(panel, 2)
    (array([1.]), array([2.5]))
    """
    lengths = panel.lengths
    sample = lengths if until is None else np.minimum(lengths, until)
    series = np.repeat(np.arange(len(panel)), lengths)
    within = np.arange(len(series)) - panel.offsets[series]
    rows = np.flatnonzero((within >= season) & (within < sample[series]))
    changes = np.abs(panel.target[rows] - panel.target[rows - season])
    known = ~np.isnan(changes)
    counts = np.bincount(series[rows][known], minlength=len(panel))
    sums = np.bincount(series[rows][known], changes[known], minlength=len(panel))
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def owa(smape_: float, mase_: float, smape_naive2: float, mase_naive2: float) -> float:
    """Overall weighted average of the M4 competition: below 1 is better than Naive2.

    Examples
    --------
    >>> owa(5.0, 1.0, 10.0, 4.0)
    0.375
    """
    return (smape_ / smape_naive2 + mase_ / mase_naive2) / 2


def quantile_loss(
    truth: np.ndarray,
    quantiles: np.ndarray,
    probabilities: Sequence[float],
    axis: int | None = None,
) -> np.ndarray:
    """Mean pinball loss, doubled: approximates the CRPS as evenly spread quantiles become many.

    Parameters
    ----------
    truth : ndarray (windows, horizon)
    quantiles : ndarray (windows, horizon, Q)
    probabilities : sequence of Q floats in (0, 1)
    axis : int, optional

    Examples
    --------
    >>> float(quantile_loss(np.array([[10.0]]), np.array([[[8.0, 12.0]]]), (0.1, 0.9)).round(6))
    0.4
    """
    miss = truth[..., None] - quantiles
    levels = np.asarray(probabilities)
    loss = 2 * np.maximum(levels * miss, (levels - 1) * miss)
    return _mean(truth, loss.mean(axis=-1), axis)


def weighted_quantile_loss(
    truth: np.ndarray, quantiles: np.ndarray, probabilities: Sequence[float]
) -> float:
    """Quantile loss relative to the mean size of the truth; NaN if that is 0.

    Examples
    --------
    >>> round(weighted_quantile_loss(np.array([[10.0]]), np.array([[[8.0]]]), (0.1,)), 6)
    0.04
    """
    size = float(_mean(truth, np.abs(truth), None))
    if not size > 0:
        return float("nan")
    return float(quantile_loss(truth, quantiles, probabilities)) / size


def coverage(
    truth: np.ndarray, lower: np.ndarray, upper: np.ndarray, axis: int | None = None
) -> np.ndarray:
    """Per cent of the truth inside the interval, its ends included.

    Examples
    --------
    >>> float(coverage(np.array([[1.0, 5.0]]), np.array([[0.0, 0.0]]), np.array([[1.0, 1.0]])))
    50.0
    """
    inside = np.where((truth >= lower) & (truth <= upper), 100.0, 0.0)
    inside = np.where(np.isnan(lower) | np.isnan(upper), np.nan, inside)
    return _mean(truth, inside, axis)


def width(
    truth: np.ndarray, lower: np.ndarray, upper: np.ndarray, axis: int | None = None
) -> np.ndarray:
    """Mean width of the interval where the truth is observed, in the target's unit.

    Examples
    --------
    >>> float(width(np.array([[1.0, np.nan]]), np.array([[0.0, 0.0]]), np.array([[3.0, 9.0]])))
    3.0
    """
    return _mean(truth, upper - lower, axis)


def _mean(truth: np.ndarray, values: np.ndarray, axis: int | None) -> np.ndarray:
    """Average where the truth is observed; NaN where none is."""
    observed = ~np.isnan(truth)
    count = observed.sum(axis=axis)
    total = np.where(observed, values, 0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
