"""Which rows are held out of training."""

from __future__ import annotations

import numpy as np


def hold_out(groups: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Choose rows to hold out, about the same share of each group: (n,) bool.

    Examples
    --------
    >>> held = hold_out(np.repeat([0, 1], 100), 0.15, np.random.default_rng(0))
    >>> int(held[:100].sum()), int(held[100:].sum())
    (15, 15)
    """
    held = np.zeros(len(groups), dtype=bool)
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        held[rng.permutation(rows)[: int(share * len(rows))]] = True
    return held
