"""How the networks of this job are trained: shuffled rows in, one loss out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from cellstate.tasks.arrays.augment import augmented
from cellstate.tasks.arrays.encode import Encoder, Scaled

if TYPE_CHECKING:
    import torch

    from cellstate.train import StepLoss

VALID_ROWS = 512  # in one validation batch
SMOOTHING = 0.15  # of the classes' probabilities in training: a little doubt generalises better


class ArraysTask:
    """Rows as batches, and their loss: cross-entropy of classes, squared error of numbers.

    Parameters
    ----------
    encoder : Encoder
    train : tuple of Scaled and ndarray
        Rows and their targets: class indices (int64) or standardised numbers (float32).
    valid : tuple of Scaled and ndarray, or None
    batch_size : int
    """

    def __init__(
        self,
        encoder: Encoder,
        train: tuple[Scaled, np.ndarray],
        valid: tuple[Scaled, np.ndarray] | None,
        batch_size: int,
    ) -> None:
        self.encoder, self.batch_size = encoder, batch_size
        self._train, self._valid = train, valid
        self._is_ragged = bool((train[0].lengths != train[0].values.shape[1]).any())

    def train_batches(self, rng: np.random.Generator) -> Iterator[dict[str, np.ndarray]]:
        """Yield every row once, in random order, changed a little."""
        rows, targets = self._train
        order = rng.permutation(len(rows))
        for start in range(0, len(order), self.batch_size):
            chosen = order[start : start + self.batch_size]
            yield self._batch(augmented(rows.take(chosen), rng), targets[chosen])

    def valid_batches(self) -> list[dict[str, np.ndarray]]:
        """Give the rows held out, as they are."""
        if self._valid is None:
            return []
        rows, targets = self._valid
        return [
            self._batch(rows.take(np.arange(len(rows))[part]), targets[part])
            for part in (
                slice(start, start + VALID_ROWS) for start in range(0, len(rows), VALID_ROWS)
            )
        ]

    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return -(-len(self._train[0]) // self.batch_size)

    def loss(self, model: torch.nn.Module, batch: dict[str, torch.Tensor], state: Any) -> StepLoss:
        """Compare the network's answers with the targets."""
        from torch.nn.functional import cross_entropy, mse_loss

        from cellstate.train import StepLoss

        answers, targets = model(batch["x"], batch.get("lengths")), batch["target"]
        if targets.is_floating_point():
            loss = mse_loss(answers[:, 0], targets)
        else:
            smoothing = SMOOTHING if model.training else 0.0
            loss = cross_entropy(answers, targets, label_smoothing=smoothing)
        return StepLoss(loss, weight=len(targets))

    def _batch(self, rows: Scaled, targets: np.ndarray) -> dict[str, np.ndarray]:
        batch = {"x": self.encoder.features(rows), "target": targets}
        if self._is_ragged:
            batch["lengths"] = rows.lengths
        return batch
