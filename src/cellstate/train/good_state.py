"""The last state known to be good: weights, optimizer and average, to roll back to."""

from __future__ import annotations

import torch

from cellstate.train.weights import Average, Snapshot, tensors_of


class GoodState:
    """Remember a training's tensors and put them back.

    Parameters
    ----------
    model : Module
    optimizer : Optimizer
    average : Average or None
    """

    def __init__(
        self, model: torch.nn.Module, optimizer: torch.optim.Optimizer, average: Average | None
    ) -> None:
        self._weights = tensors_of(model)
        self._optimizer = optimizer
        self._average = average
        self._average_steps = 0
        self._snapshot = Snapshot([])
        self.take()

    def take(self) -> None:
        """Remember the present state as good."""
        tensors = self._tensors()
        if len(tensors) == len(self._snapshot.copies):
            self._snapshot.take(tensors)
        else:  # AdamW makes its moments at the first step
            self._snapshot = Snapshot(tensors)
        self._average_steps = self._average.steps if self._average else 0

    def restore(self) -> None:
        """Go back to the state remembered last."""
        tensors = self._tensors()
        if len(tensors) != len(self._snapshot.copies):
            self._optimizer.state.clear()
            tensors = self._tensors()
        self._snapshot.restore(tensors)
        if self._average:
            self._average.steps = self._average_steps

    def _tensors(self) -> list[torch.Tensor]:
        means = self._average.means if self._average else []
        return [*self._weights, *means, *optimizer_tensors(self._optimizer)]


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    """List an optimizer's tensors in the order of its parameters; none before the first step."""
    return [
        tensor
        for group in optimizer.param_groups
        for parameter in group["params"]
        for tensor in optimizer.state.get(parameter, {}).values()
    ]
