"""The summary of a stay as a network and a linear model see it: in standard units, gaps marked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.tasks.health.scales import Scales


@dataclass(frozen=True)
class SummaryEncoder:
    """Scales of summaries, learned from training stays.

    Attributes
    ----------
    scales : Scales
    flagged : np.ndarray
        Columns whose gaps are marked; of columns with the same gaps the first one.
    """

    scales: Scales
    flagged: np.ndarray

    @classmethod
    def of(cls, summary: np.ndarray) -> SummaryEncoder:
        """Learn from (n, F), NaN where not known."""
        gaps = np.isnan(summary)
        _, first = np.unique(gaps, axis=1, return_index=True)
        some = gaps.any(axis=0) & ~gaps.all(axis=0)
        return cls(Scales.of(summary), np.sort(first[some[first]]))

    @property
    def features(self) -> int:
        """Numbers that a summary becomes."""
        return len(self.scales.quantiles) + len(self.flagged)

    def __call__(self, summary: np.ndarray) -> np.ndarray:
        """Give (n, features) float32; 0 for what is not known."""
        values = self.scales(summary)
        gaps = np.isnan(values)
        marks = gaps[:, self.flagged].astype(np.float32)
        return np.concatenate([np.where(gaps, 0.0, values), marks], axis=1, dtype=np.float32)

    def as_dict(self) -> dict[str, Any]:
        """Give JSON-ready data."""
        return {"scales": self.scales.as_list(), "flagged": self.flagged.tolist()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> SummaryEncoder:
        """Read it back."""
        flagged = np.array(data["flagged"], dtype=np.int64)
        return cls(Scales.from_list(data["scales"]), flagged)
