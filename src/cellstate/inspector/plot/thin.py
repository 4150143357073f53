"""Fewer points that draw the same picture, and fewer cells that tell the same story."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def keep_extremes(curves: Sequence[np.ndarray], limit: int) -> np.ndarray:
    """Choose about `limit` positions that keep each curve's first, last, low and high points.

    The axis is cut into equal buckets; of each bucket and curve the lowest and the highest value
    stay, so that a spike survives. A bucket without any value stays as one missing point.

    Parameters
    ----------
    curves : sequence of ndarray, each (N,)
        Curves over one shared axis, NaN where missing.
    limit : int
        Points to keep per curve; all are kept where there are no more.

    Returns
    -------
    ndarray, int
        Increasing positions.

    Examples
    --------
    >>> spike = np.zeros(1000)
    >>> spike[437] = 9.0
    >>> kept = keep_extremes([spike], 20)
    >>> 437 in kept, len(kept) <= 22
    (True, True)
    """
    length = len(curves[0]) if curves else 0
    if length <= limit:
        return np.arange(length)
    kept: set[int] = {0, length - 1}
    for bucket in np.array_split(np.arange(length), max(1, limit // (2 * len(curves)))):
        for curve in curves:
            values = np.asarray(curve[bucket[0] : bucket[-1] + 1], np.float64)
            if np.isnan(values).all():
                kept.add(int(bucket[0]))
                continue
            kept.add(int(bucket[0] + np.nanargmin(values)))
            kept.add(int(bucket[0] + np.nanargmax(values)))
    return np.array(sorted(kept))


def pool(cells: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Average neighbouring cells until a matrix has at most so many rows and columns.

    Examples
    --------
    >>> pool(np.array([[0.0, 2.0, 4.0, 6.0]]), rows=1, columns=2)
    array([[1., 5.]])
    """
    return _pool_rows(_pool_rows(cells, rows).T, columns).T


def _pool_rows(cells: np.ndarray, limit: int) -> np.ndarray:
    if cells.shape[0] <= limit:
        return cells
    groups = np.array_split(np.asarray(cells, np.float64), limit)
    return np.stack([_mean(group) for group in groups])


def _mean(group: np.ndarray) -> np.ndarray:
    """Means over the first axis of what is there; NaN where nothing is."""
    there = np.isfinite(group)
    count = there.sum(axis=0)
    shares = np.where(there, group, 0.0) / np.maximum(count, 1)  # huge values would overflow a sum
    return np.where(count > 0, shares.sum(axis=0), np.nan)
