"""How surprising an observation is, given the quantiles that were expected of it."""

from __future__ import annotations

import numpy as np


def surprise(y: np.ndarray, quantiles: np.ndarray, taus: tuple[float, ...]) -> np.ndarray:
    """Give the share of outcomes that were expected nearer to the middle than y.

    With F the expected distribution function,

        surprise = 1 − min(1, 2 F(y), 2 (1 − F(y⁻)))                        (1)

    which is one less the two-sided tail probability: 0 at the median, 0.8 at either end of the
    80 per cent interval, towards 1 far outside. F is a straight line between neighbouring
    quantiles; beyond the outermost one its tail shrinks by the same factor for every distance
    between the last two. F jumps where quantiles are equal, as those of counts often are.

    Parameters
    ----------
    y : np.ndarray
        (B,), NaN where missing.
    quantiles : np.ndarray
        (B, Q), rising along Q.
    taus : tuple of float
        Levels of the quantiles, two at least.

    Returns
    -------
    np.ndarray
        (B,), NaN where y or a quantile is missing.

    Examples
    --------
    >>> expected = np.array([[-2.0, 0.0, 2.0]])
    >>> [float(surprise(np.array([y]), expected, (0.1, 0.5, 0.9))[0].round(3)) for y in (0, 2, 4)]
    [0.0, 0.8, 0.96]
    """
    below = _share_at_most(y, quantiles, np.asarray(taus))
    above = _share_at_most(-y, -quantiles[:, ::-1], 1 - np.asarray(taus)[::-1])
    found = 1 - np.minimum(1, 2 * np.minimum(below, above))
    return np.where(np.isfinite(y) & np.isfinite(quantiles).all(1), found, np.nan)


def _share_at_most(y: np.ndarray, quantiles: np.ndarray, taus: np.ndarray) -> np.ndarray:
    """Give F(y), (B,), from quantiles (B, Q)."""
    place = (quantiles <= y[:, None]).sum(1)  # of the first quantile above y
    right = np.clip(place, 1, len(taus) - 1)
    rows = np.arange(len(y))
    low, high = quantiles[rows, right - 1], quantiles[rows, right]
    width = high - low
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        inside = taus[right - 1] + (y - low) / width * (taus[right] - taus[right - 1])
        before = taus[0] * (taus[0] / taus[1]) ** ((low - y) / width)
        after = 1 - (1 - taus[-1]) * ((1 - taus[-1]) / (1 - taus[-2])) ** ((y - high) / width)
    share = np.where(place == 0, before, np.where(place == len(taus), after, inside))
    # Equal quantiles leave no distance to measure by.
    flat = np.where(
        place == 0, 0.0, np.where(place == len(taus), np.where(y > high, 1, taus[-1]), 0)
    )
    return np.where(width > 0, share, flat)
