"""NT-ASGD: gradient descent whose weights are averaged once validation no longer gets better."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from cellstate.errors import TrainingError, explain
from cellstate.train.config import TrainConfig
from cellstate.train.optimizer import AdamW
from cellstate.train.weights import AbstractAverage

PATIENCE = 5
"""Validations that a loss is compared across before averaging begins."""


class SGD:
    """Plain gradient descent, w ← w − rate · (∂ℓ/∂w + decay · w).

    Parameters
    ----------
    model : Module
    rate : float
        Step size; assign to `rate` to change it.
    weight_decay : float

    Raises
    ------
    TrainingError
        Nothing in the model can be trained.

    Examples
    --------
    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> _ = model.weight.data.fill_(1.0)
    >>> optimizer = SGD(model, rate=0.5, weight_decay=0.1)
    >>> model(torch.ones(1, 1)).sum().backward()
    >>> optimizer.step()
    >>> round(model.weight.item(), 4)  # 1 − 0.5 · (1 + 0.1)
    0.45
    """

    def __init__(self, model: torch.nn.Module, *, rate: float, weight_decay: float) -> None:
        self.rate = rate
        self.decay = weight_decay
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        if not self.parameters:
            must = "a model needs at least one parameter that requires a gradient"
            raise TrainingError(explain("train", must, "none", "Unfreeze a layer before training"))

    @torch.no_grad()
    def step(self) -> None:
        """Move the parameters against their gradients; those without one stay."""
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.mul_(1.0 - self.rate * self.decay)
                parameter.add_(parameter.grad, alpha=-self.rate)

    def clear_gradients(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @property
    def tensors(self) -> list[torch.Tensor]:
        """Nothing is kept from step to step."""
        return []


class NonMonotoneAverage(AbstractAverage):
    """The mean of the weights since the validation loss stopped getting better.

    Averaging begins after the first validation whose loss is worse than the best one of those
    that lie more than `PATIENCE` validations back; until then the means are the weights.

    References
    ----------
    S. Merity, N. Keskar, R. Socher, "Regularizing and optimizing LSTM language models", ICLR 2018,
    algorithm 1.
    """

    def share(self) -> float:
        """Give 1 until averaging begins, then 1, 1/2, 1/3 and so on."""
        if not self.steps:
            return 1.0
        self.steps += 1
        return 1.0 / (self.steps - 1)

    def hear(self, losses: Sequence[float | None]) -> str:
        """Begin to average where the last loss is worse than those of long ago."""
        seen = [loss for loss in losses if loss is not None]
        if self.steps or len(seen) <= PATIENCE or seen[-1] <= min(seen[: -PATIENCE or None]):
            return ""
        self.steps = 1
        return f"The weights are averaged from here on: {seen[-1]:.4g} is no improvement."


def make_optimizer(model: torch.nn.Module, config: TrainConfig) -> AdamW | SGD:
    """Make the optimizer that the settings name."""
    kind = SGD if config.optimizer == "nt_asgd" else AdamW
    rate, decay = config.learning_rate or 1e-3, config.weight_decay or 0.0
    return kind(model, rate=rate, weight_decay=decay)
