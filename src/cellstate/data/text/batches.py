"""Rows of different lengths as batches with little padding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cellstate.data.text.tokenizer import PAD

POOL = 50
"""Batches among whose rows like lengths are brought together: all rows at once would let the
shortest come first in every epoch."""


def length_batches(
    lengths: np.ndarray,
    *,
    rows: int,
    tokens: int | None = None,
    rng: np.random.Generator | None = None,
) -> list[np.ndarray]:
    """Put rows of like length together.

    Parameters
    ----------
    lengths : np.ndarray
        (n,) tokens of each row.
    rows : int
        Most rows of a batch.
    tokens : int, optional
        Most tokens of a batch, padding included; a longer row is a batch of its own.
    rng : numpy.random.Generator, optional
        Shuffles rows among pools of batches, and the batches; None goes from short to long.

    Returns
    -------
    list of np.ndarray
        Row numbers of each batch; each row is in one batch.

    Examples
    --------
    >>> [b.tolist() for b in length_batches(np.array([5, 1, 4, 2]), rows=2)]
    [[1, 3], [2, 0]]
    >>> [b.tolist() for b in length_batches(np.array([5, 1, 4, 2]), rows=4, tokens=8)]
    [[1, 3], [2], [0]]
    """
    order = np.arange(len(lengths)) if rng is None else rng.permutation(len(lengths))
    pool = max(1, len(lengths) if rng is None else POOL * rows)
    batches: list[np.ndarray] = []
    for start in range(0, len(order), pool):
        some = order[start : start + pool]
        some = some[np.argsort(lengths[some], kind="stable")]
        first = 0
        for last in range(1, len(some) + 1):
            is_full = last - first == rows
            if last < len(some) and not is_full and tokens is not None:
                is_full = (last - first + 1) * lengths[some[last]] > tokens
            if last == len(some) or is_full:
                batches.append(some[first:last])
                first = last
    if rng is not None:
        batches = [batches[k] for k in rng.permutation(len(batches))]
    return batches


def pad(
    rows: Sequence[np.ndarray], value: int = PAD, dtype: type[np.generic] = np.int64
) -> np.ndarray:
    """Put rows into one array (B, T), `value` behind the shorter ones.

    Examples
    --------
    >>> pad([np.array([7, 8]), np.array([9])]).tolist()
    [[7, 8], [9, 0]]
    """
    padded = np.full((len(rows), max(map(len, rows), default=0)), value, dtype=dtype)
    for target, row in zip(padded, rows, strict=True):
        target[: len(row)] = row
    return padded
