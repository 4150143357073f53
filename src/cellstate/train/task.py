"""What a task must say to be trained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

Batch = dict[str, np.ndarray]
TensorBatch = dict[str, torch.Tensor]


@dataclass(frozen=True)
class StepLoss:
    """What one batch costs.

    Parameters
    ----------
    loss : Tensor
        Mean loss over the batch's observed items, a scalar with gradient.
    weight : float or Tensor
        How many observed items that is; validation losses are averaged with it. On CUDA a
        tensor avoids waiting for the device.
    state : optional
        Recurrent state to hand to the next batch of the same epoch, tensors in any nesting of
        tuples, lists and dictionaries; the loop cuts its gradient (truncated back-propagation
        through time). None starts the next batch afresh.
    """

    loss: torch.Tensor
    weight: float | torch.Tensor = 1.0
    state: Any = None


class Task(Protocol):
    """A job as the training loop sees it.

    `loss` may read ``model.training`` to treat training and validation differently, for
    augmentation say.
    """

    def train_batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield one epoch of batches, drawn with `rng` and nothing else."""
        ...

    def valid_batches(self) -> Iterable[Batch]:
        """Give the validation batches, the same ones every time; none where there is no split."""
        ...

    def steps_per_epoch(self) -> int:
        """Say how many batches `train_batches` yields."""
        ...

    def loss(self, model: torch.nn.Module, batch: TensorBatch, state: Any) -> StepLoss:
        """Run the model on one batch; `state` is what the previous batch returned, or None."""
        ...
