"""The last state known to be good: weights, optimizer and average, to roll back to."""

from __future__ import annotations

import torch

from cellstate.train.asgd import SGD
from cellstate.train.optimizer import AdamW
from cellstate.train.weights import AbstractAverage, Snapshot


class GoodState:
    """Remember a training's tensors and put them back.

    Parameters
    ----------
    weights : list of Tensor
        The model's own, as `tensors_of` lists them.
    optimizer : AdamW or SGD
    average : AbstractAverage or None
    """

    def __init__(
        self,
        weights: list[torch.Tensor],
        optimizer: AdamW | SGD,
        average: AbstractAverage | None,
    ) -> None:
        means = average.means if average else []
        self._tensors = [*weights, *means, *optimizer.tensors]
        self._snapshot = Snapshot(self._tensors)
        self._average = average
        self._average_steps = 0

    def take(self) -> None:
        """Remember the present state as good."""
        self._snapshot.take(self._tensors)
        self._average_steps = self._average.steps if self._average else 0

    def restore(self) -> None:
        """Go back to the state remembered last."""
        self._snapshot.restore(self._tensors)
        if self._average:
            self._average.steps = self._average_steps
