"""The summary of a stay as networks and linear models see it: numbers in pieces, gaps marked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.tasks.health.scales import Scales

KNOTS = (0, 2, 3, 4, 5, 6, 8)
"""Places in `SHARES` between which a number's pieces lie."""
LEAST_SPREAD = 0.01
"""Added to the standard deviation of a piece, so that rare ones stay small."""


@dataclass(frozen=True)
class SummaryEncoder:
    """Pieces of summaries, learned from training stays.

    Piece k of a number is how much of the way from one quantile to the next it has come, from 0 to
    1, so that a linear model of pieces is a sum of broken lines: what is too low and what is too
    high can both be bad [1]_.

    Attributes
    ----------
    knots : np.ndarray
        (F, 7) float64, increasing; NaN for a column without values.
    flagged : np.ndarray
        Columns whose gaps are marked; of columns with the same gaps the first one.
    mean, spread : np.ndarray
        (features,) of the pieces and marks in training.

    References
    ----------
    .. [1] Y. Gorishniy, I. Rubachev and A. Babenko, "On embeddings for numerical features in
       tabular deep learning", NeurIPS 2022.
    """

    knots: np.ndarray
    flagged: np.ndarray
    mean: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, summary: np.ndarray) -> SummaryEncoder:
        """Learn from (n, F), NaN where not known."""
        gaps = np.isnan(summary)
        _, first = np.unique(gaps, axis=1, return_index=True)
        some = np.asarray(gaps.any(axis=0) & ~gaps.all(axis=0))
        flagged = np.sort(first[some[first]])
        knots = Scales.of(summary).quantiles[:, list(KNOTS)]
        bare = cls(knots, flagged, np.zeros(1), np.ones(1))
        pieces = bare(summary)
        mean = pieces.mean(axis=0, dtype=np.float64)
        spread = pieces.std(axis=0, dtype=np.float64) + LEAST_SPREAD
        return cls(knots, flagged, mean, spread)

    @property
    def features(self) -> int:
        """Numbers that a summary becomes."""
        return len(self.mean)

    def __call__(self, summary: np.ndarray) -> np.ndarray:
        """Give (n, features) float32; pieces of what is not known are those of the lowest."""
        n = len(summary)
        known = ~np.isnan(self.knots[:, 0])
        low, high = self.knots[known, :-1], self.knots[known, 1:]
        pieces = np.clip((summary[:, known, None] - low) / (high - low), 0.0, 1.0)
        marks = np.isnan(summary[:, self.flagged])
        flat = np.concatenate([np.nan_to_num(pieces).reshape(n, -1), marks], axis=1)
        return ((flat - self.mean) / self.spread).astype(np.float32)

    def as_dict(self) -> dict[str, Any]:
        """Give JSON-ready data."""
        return {
            "knots": [[None if np.isnan(k) else float(k) for k in row] for row in self.knots],
            "flagged": self.flagged.tolist(),
            "mean": self.mean.tolist(),
            "spread": self.spread.tolist(),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> SummaryEncoder:
        """Read it back."""
        rows = [[np.nan if k is None else k for k in row] for row in data["knots"]]
        knots = np.array(rows, dtype=np.float64).reshape(-1, len(KNOTS))
        flagged = np.array(data["flagged"], dtype=np.int64)
        return cls(knots, flagged, np.array(data["mean"]), np.array(data["spread"]))
