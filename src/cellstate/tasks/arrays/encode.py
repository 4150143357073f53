"""From raw sequences to the network's input: z-scores, gaps bridged and marked, differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.tasks.arrays.reading import Sequences

FAR = 10.0
"""Standard deviations beyond which inputs are clipped."""


@dataclass(frozen=True)
class Scaled:
    """Sequences in standard units.

    Attributes
    ----------
    values : np.ndarray
        (n, T, C) float32, gaps bridged, zero beyond a row's length.
    gaps : np.ndarray
        (n, T, G) float32, 1 where a value was missing, for the channels that had gaps in training.
    lengths : np.ndarray
        (n,)
    """

    values: np.ndarray
    gaps: np.ndarray
    lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: np.ndarray) -> Scaled:
        """Pick rows."""
        return Scaled(self.values[rows], self.gaps[rows], self.lengths[rows])


@dataclass(frozen=True)
class Encoder:
    """Scales learned from the training rows.

    Attributes
    ----------
    mean, scale : np.ndarray
        (C,) of each channel's values over all rows and steps.
    change : np.ndarray
        (C,) root mean square of the differences between neighbouring steps, in standard units.
    gapped : np.ndarray
        (C,) bool, whether the channel had gaps in training.
    """

    mean: np.ndarray
    scale: np.ndarray
    change: np.ndarray
    gapped: np.ndarray

    @classmethod
    def of(cls, sequences: Sequences) -> Encoder:
        """Learn the scales; a channel that is constant or wholly missing has scale 1."""
        values = sequences.values
        seen = np.isfinite(values)
        count = np.maximum(seen.sum((0, 1)), 1)
        # In float64 and around the mean: large offsets must not eat the digits.
        mean = np.where(seen, values, 0.0).sum((0, 1), dtype=np.float64) / count
        square = np.where(seen, (values - mean) ** 2, 0.0).sum((0, 1), dtype=np.float64) / count
        scale = _nonzero(np.sqrt(square))
        gapped = np.asarray((~seen & sequences.inside).any((0, 1)))
        with np.errstate(invalid="ignore"):
            steps = np.diff(values, axis=1) / scale
        known = np.isfinite(steps)
        count = np.maximum(known.sum((0, 1)), 1)
        change = np.where(known, steps**2, 0.0).sum((0, 1), dtype=np.float64) / count
        return cls(mean, scale, _nonzero(np.sqrt(change)), gapped)

    @property
    def inputs(self) -> int:
        """Features of each step of the network's input."""
        return 2 * len(self.mean) + int(self.gapped.sum())

    def scaled(self, sequences: Sequences) -> Scaled:
        """Standardise and bridge the gaps."""
        values = (sequences.values - self.mean) / self.scale
        missing = np.isnan(values)
        gaps = (missing & sequences.inside)[..., self.gapped]
        if missing.any():
            values = _bridged(values, missing)
        values = np.where(sequences.inside, np.clip(values, -FAR, FAR), 0.0)
        return Scaled(values.astype(np.float32), gaps.astype(np.float32), sequences.lengths)

    def features(self, scaled: Scaled) -> np.ndarray:
        """Put values, differences and gaps side by side: (n, T, inputs) float32."""
        values = scaled.values
        change = np.zeros_like(values)
        np.subtract(values[:, 1:], values[:, :-1], out=change[:, 1:])
        change /= self.change.astype(np.float32)
        change[np.arange(values.shape[1]) >= scaled.lengths[:, None]] = 0.0
        np.clip(change, -FAR, FAR, out=change)
        return np.concatenate([values, change, scaled.gaps], axis=2)

    def as_dict(self) -> dict[str, Any]:
        """Give JSON-ready data."""
        return {
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "change": self.change.tolist(),
            "gapped": self.gapped.tolist(),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Encoder:
        """Read it back."""
        kinds = {"mean": np.float64, "scale": np.float64, "change": np.float64, "gapped": np.bool_}
        return cls(**{name: np.asarray(data[name], dtype=kind) for name, kind in kinds.items()})


def _bridged(values: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Fill gaps linearly between their neighbours, flat at the ends, zero without any value."""
    T = values.shape[1]
    steps = np.arange(T)[None, :, None]
    before = np.maximum.accumulate(np.where(missing, -1, steps), axis=1)
    after = np.where(missing, T, steps)
    after = np.minimum.accumulate(after[:, ::-1], axis=1)[:, ::-1]
    left = np.where(before >= 0, before, after)
    right = np.where(after < T, after, before)
    empty = missing.all(axis=1, keepdims=True)
    left, right = np.where(empty, 0, left), np.where(empty, 0, right)
    filled = np.where(missing & empty, 0.0, values)
    low = np.take_along_axis(filled, left, axis=1)
    high = np.take_along_axis(filled, right, axis=1)
    share = (steps - left) / np.maximum(right - left, 1)
    return np.where(missing, low + (high - low) * share, filled)


def _nonzero(scale: np.ndarray) -> np.ndarray:
    return np.where(scale > 0, scale, 1.0)
