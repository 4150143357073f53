"""In which order stays are seen: at random, those of like length together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

NEAR = 4
"""Batches whose stays are sorted by length together, so that little is padded."""


def shuffled(
    rows: np.ndarray, steps: np.ndarray, size: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Part some stays into batches, each stay once.

    Parameters
    ----------
    rows : np.ndarray
        Places of stays.
    steps : np.ndarray
        Steps of every stay.
    size : int
        Stays in a batch.
    rng : Generator

    Examples
    --------
    >>> batches = list(shuffled(np.arange(5), np.arange(5), 2, np.random.default_rng(0)))
    >>> sorted(np.concatenate(batches).tolist()), len(batches) == count(5, 2)
    ([0, 1, 2, 3, 4], True)
    """
    order = rng.permutation(rows)
    batches: list[np.ndarray] = []
    for start in range(0, len(order), NEAR * size):
        part = order[start : start + NEAR * size]
        part = part[np.argsort(steps[part], kind="stable")]
        batches += [part[k : k + size] for k in range(0, len(part), size)]
    for place in rng.permutation(len(batches)):
        yield batches[place]


def ordered(rows: np.ndarray, steps: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Part some stays into batches by their length."""
    order = rows[np.argsort(steps[rows], kind="stable")]
    for start in range(0, len(order), size):
        yield order[start : start + size]


def count(rows: int, size: int) -> int:
    """Count the batches that `shuffled` gives."""
    whole, rest = divmod(rows, NEAR * size)
    return NEAR * whole + -(-rest // size)
