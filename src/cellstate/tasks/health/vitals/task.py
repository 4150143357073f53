"""How a monitor's networks are trained: shuffled stays in, one loss over all their steps out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cellstate.data.health.timelines import Timelines
from cellstate.tasks.health.batches import count, ordered, shuffled
from cellstate.tasks.health.steps import StepEncoder, side_by_side

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from cellstate.train import StepLoss

VALID_ROWS = 256
NARROWEST = -4.0
"""Least logarithm of a foretold spread, in standard units."""


@dataclass(frozen=True)
class Watched:
    """Stays with what is so at each of their steps.

    Attributes
    ----------
    timelines : Timelines
    truth : np.ndarray or None
        (N,) float32, 0 or 1, NaN where it is not known. None where the next measurements are
        what is foretold.
    """

    timelines: Timelines
    truth: np.ndarray | None


class VitalsTask:
    """Stays as batches, and their loss: of a risk at each step, or of the next measurements.

    Parameters
    ----------
    watched : Watched
    rows : np.ndarray
        (N, F) what the network sees of each step.
    encoder : StepEncoder
    held : np.ndarray
        (n,) bool, stays that choose when training stops.
    batch_size : int
    """

    def __init__(
        self,
        watched: Watched,
        rows: np.ndarray,
        encoder: StepEncoder,
        held: np.ndarray,
        batch_size: int,
    ) -> None:
        self.batch_size = batch_size
        self._watched = watched
        self._rows = rows
        self._truth = watched.truth if watched.truth is not None else _coming(watched, encoder)
        self._learn, self._check = np.flatnonzero(~held), np.flatnonzero(held)
        self._steps = watched.timelines.steps

    def train_batches(self, rng: np.random.Generator) -> Iterator[dict[str, np.ndarray]]:
        """Yield every stay once, in random order, those of like length together."""
        for rows in shuffled(self._learn, self._steps, self.batch_size, rng):
            yield self._batch(rows)

    def valid_batches(self) -> Iterator[dict[str, np.ndarray]]:
        """Give the stays held out."""
        for rows in ordered(self._check, self._steps, VALID_ROWS):
            yield self._batch(rows)

    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return count(len(self._learn), self.batch_size)

    def loss(self, model: torch.nn.Module, batch: dict[str, Tensor], state: Any) -> StepLoss:
        """Compare what is foretold at each step with what came."""
        from cellstate.train import StepLoss

        said, _ = model(batch["x"])
        truth = batch["truth"]
        known = ~truth.isnan()
        losses = (risk_loss if truth.dim() == 2 else surprise)(said, truth.nan_to_num())
        total = known.sum()
        return StepLoss((losses * known).sum() / total.clamp(min=1), weight=total)

    def _batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        x, _ = side_by_side(self._rows, self._watched.timelines, rows)
        truth, _ = side_by_side(self._truth, self._watched.timelines, rows)
        inside = np.arange(x.shape[1]) < self._steps[rows, None]
        truth[~inside] = np.nan
        time_major = np.ascontiguousarray(x.swapaxes(0, 1))
        return {"x": time_major, "truth": np.ascontiguousarray(truth.swapaxes(0, 1))}


def _coming(watched: Watched, encoder: StepEncoder) -> np.ndarray:
    """Give the measurements of the step after each one, NaN at the last: (N, V) float32."""
    timelines = watched.timelines
    scaled = encoder.scales(np.asarray(timelines.values))
    coming = np.full(scaled.shape, np.nan, dtype=np.float32)
    coming[:-1] = scaled[1:]
    coming[timelines.offsets[1:][timelines.steps > 0] - 1] = np.nan
    return coming


def risk_loss(said_TB1: Tensor, truth_TB: Tensor) -> Tensor:
    """Give the cross-entropy of each step."""
    from torch.nn import functional

    said = said_TB1[..., 0]
    return functional.binary_cross_entropy_with_logits(said, truth_TB, reduction="none")


def surprise(said_TBO: Tensor, truth_TBV: Tensor) -> Tensor:
    """Give −log density of each measurement under a Laplace distribution, up to a constant."""
    middle, spread = said_TBO.chunk(2, dim=-1)
    spread = spread.clamp(min=NARROWEST)
    return spread + (truth_TBV - middle).abs() * (-spread).exp()
