"""How much wider intervals must be to hold what they promise (conformalised quantiles)."""

from __future__ import annotations

import numpy as np

FEWEST = 30
"""Values of a variable from which it gets a margin of its own; those with fewer share one."""


def conformal_margins(
    truth: np.ndarray, low: np.ndarray, high: np.ndarray, level: float
) -> np.ndarray:
    """Find the margins (V,) by which intervals are widened, below 0 where they are too wide.

    Parameters
    ----------
    truth : np.ndarray
        (n, V), NaN where there is none, of rows that were not learned from.
    low, high : np.ndarray
        (n, V) ends of the intervals.
    level : float
        Per cent of the values that intervals are to hold.

    Notes
    -----
    A value that is exchangeable with these lies within with that chance. Visits of one patient are
    more alike than those of several, so the chance is over patients that have many.

    References
    ----------
    Y. Romano, E. Patterson and E. Candès, "Conformalized quantile regression", NeurIPS 2019.

    Examples
    --------
    >>> truth = np.arange(1.0, 100.0)[:, None]  # beyond an interval at 0 by 1 … 99
    >>> conformal_margins(truth, 0 * truth, 0 * truth, 80.0).tolist()
    [80.0]
    """
    beyond = np.maximum(low - truth, truth - high)
    shared = _quantile(beyond[np.isfinite(beyond)], level)
    margins = np.full(truth.shape[1], shared)
    for k, column in enumerate(beyond.T):
        there = column[np.isfinite(column)]
        if len(there) >= FEWEST:
            margins[k] = _quantile(there, level)
    return margins


def _quantile(beyond: np.ndarray, level: float) -> float:
    """Give the ⌈(n + 1) level⌉-th smallest; the largest where there are too few for that."""
    if not len(beyond):
        return 0.0
    rank = int(np.ceil((len(beyond) + 1) * level / 100.0))
    return float(np.sort(beyond)[min(rank, len(beyond)) - 1])
