"""How the networks of this job are trained: shuffled stays in, one loss out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from cellstate.data.health.timelines import Timelines
from cellstate.tasks.health.batches import count, ordered, shuffled
from cellstate.tasks.health.outcome.targets import Target
from cellstate.tasks.health.steps import StepEncoder, side_by_side

if TYPE_CHECKING:
    import torch

    from cellstate.train import StepLoss

VALID_ROWS = 256


@dataclass(frozen=True)
class Stays:
    """Stays as a network sees them.

    Attributes
    ----------
    timelines : Timelines
    encoder : StepEncoder
    summary : np.ndarray
        (n, summaries) float32 in standard units, without gaps.
    gaps : str
        As of `StayNetwork`.
    """

    timelines: Timelines
    encoder: StepEncoder
    summary: np.ndarray
    gaps: str = "masks"

    def __len__(self) -> int:
        return len(self.timelines)

    @property
    def inputs(self) -> int:
        """Features of a step."""
        return len(self.encoder.variables) if self.gaps == "decay" else self.encoder.inputs

    @cached_property
    def _steps(self) -> np.ndarray:
        if self.gaps == "decay":  # a layer that fills gaps itself
            return self.encoder.scales(np.asarray(self.timelines.values))
        return self.encoder.rows(self.timelines)

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Give some stays' steps, summary and lengths."""
        x, lengths = side_by_side(self._steps, self.timelines, rows)
        batch: dict[str, np.ndarray] = {}
        if self.gaps == "decay":
            batch["mask"] = ~np.isnan(x)
            x = np.nan_to_num(x)
        batch |= {"x": x, "summary": self.summary[rows], "lengths": lengths}
        if self.gaps != "masks":
            hours, _ = side_by_side(self.timelines.hours, self.timelines, rows)
            batch["hours"] = np.maximum.accumulate(hours, axis=1)
        return batch


def answer(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Run a network on what `Stays.batch` gives: (B, outputs)."""
    given = (batch["x"], batch["summary"], batch["lengths"])
    return model(*given, batch.get("hours"), batch.get("mask"))


class OutcomeTask:
    """Stays as batches, and their loss.

    Parameters
    ----------
    stays : Stays
    targets : sequence of Target
    truths : sequence of np.ndarray
        For each target (n, 1) or (n, 2) float64.
    weights : sequence of np.ndarray
        For each target, of its classes.
    held : np.ndarray
        (n,) bool, stays that choose when training stops.
    batch_size : int
    """

    def __init__(
        self,
        stays: Stays,
        targets: Sequence[Target],
        truths: Sequence[np.ndarray],
        weights: Sequence[np.ndarray],
        held: np.ndarray,
        batch_size: int,
    ) -> None:
        self.batch_size = batch_size
        self._stays, self._targets = stays, tuple(targets)
        self._truths = [t.terms(truth) for t, truth in zip(targets, truths, strict=True)]
        self._weights = [w.astype(np.float32) for w in weights]
        self._learn, self._check = np.flatnonzero(~held), np.flatnonzero(held)
        self._steps = stays.timelines.steps

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

    def loss(self, model: torch.nn.Module, batch: dict[str, torch.Tensor], state: Any) -> StepLoss:
        """Compare the network's answers with what came."""
        from cellstate.tasks.health.outcome.losses import total_loss
        from cellstate.train import StepLoss

        answers = answer(model, batch)
        truths = [batch[f"truth{k}"] for k in range(len(self._targets))]
        weights = [batch[f"weight{k}"] for k in range(len(self._targets))]
        loss, rows = total_loss(self._targets, answers, truths, weights)
        return StepLoss(loss, weight=rows)

    def _batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        batch = self._stays.batch(rows)
        for k, (truth, weight) in enumerate(zip(self._truths, self._weights, strict=True)):
            batch[f"truth{k}"] = truth[rows].astype(np.float32)
            batch[f"weight{k}"] = weight
        return batch
