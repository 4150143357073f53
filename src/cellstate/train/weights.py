"""Copies of a model's weights: the best so far, the last good ones, their moving average."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from contextlib import contextmanager

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn


def tensors_of(model: torch.nn.Module) -> list[torch.Tensor]:
    """List the model's own parameters and buffers, without gradient history."""
    return [t.detach() for t in (*model.parameters(), *model.buffers())]


class Snapshot:
    """A copy of some tensors that can be refreshed and put back in place."""

    def __init__(self, tensors: list[torch.Tensor]) -> None:
        self.copies = [tensor.clone() for tensor in tensors]

    @torch.no_grad()
    def take(self, tensors: list[torch.Tensor]) -> None:
        """Remember the present values."""
        _copy(self.copies, tensors)

    @torch.no_grad()
    def restore(self, tensors: list[torch.Tensor]) -> None:
        """Write the remembered values back."""
        _copy(tensors, self.copies)


class AbstractAverage(ABC):
    """An average of the weights, which is validated and kept instead of them.

    Attributes
    ----------
    means : list of Tensor
    steps : int
        Steps that were averaged.
    """

    def __init__(self, tensors: list[torch.Tensor]) -> None:
        self.steps = 0
        self.means = [tensor.clone() for tensor in tensors]

    @abstractmethod
    def share(self) -> float:
        """Say how far the means move towards the next weights, in (0, 1], and count the step."""

    @abstractmethod
    def hear(self, losses: Sequence[float | None]) -> str:
        """Take the validation losses so far; say what changes, if anything."""

    @torch.no_grad()
    def update(self, tensors: list[torch.Tensor]) -> None:
        """Move towards the present values; whole-number buffers are taken over."""
        share = self.share()
        pairs = list(zip(self.means, tensors, strict=True))
        means = [mean for mean, _ in pairs if mean.is_floating_point()]
        values = [tensor for mean, tensor in pairs if mean.is_floating_point()]
        _move_towards(means, values, share)
        for mean, tensor in pairs:
            if not mean.is_floating_point():
                mean.copy_(tensor)

    @contextmanager
    def swapped_in(self, tensors: list[torch.Tensor]) -> Generator[None]:
        """Let the model compute with the averaged weights inside the block."""
        raw = Snapshot(tensors)
        _copy(tensors, self.means)
        try:
            yield
        finally:
            raw.restore(tensors)


class Average(AbstractAverage):
    """Exponential moving average of the weights.

    The decay grows with the number of steps, min(decay, (1 + n) / (10 + n)), so that the first
    weights are soon forgotten in a short training.
    """

    def __init__(self, tensors: list[torch.Tensor], decay: float) -> None:
        super().__init__(tensors)
        self.decay = decay

    def share(self) -> float:
        """Give 1 - decay, more at first."""
        self.steps += 1
        return 1.0 - min(self.decay, (1.0 + self.steps) / (10.0 + self.steps))

    def hear(self, losses: Sequence[float | None]) -> str:
        """Change nothing."""
        return ""


@torch.no_grad()
def _copy(targets: list[torch.Tensor], sources: list[torch.Tensor]) -> None:
    for target, source in zip(targets, sources, strict=True):
        target.copy_(source)


def _move_towards(means: list[torch.Tensor], values: list[torch.Tensor], share: float) -> None:
    # swa_utils' function makes one call for all tensors, several times faster than one for each.
    get_ema_multi_avg_fn(1.0 - share)(means, values, 0)
