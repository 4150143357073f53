"""AdamW over a model's trainable parameters.

`torch.optim.AdamW` imports torch's compiler when it is first made, which takes longer than many a
training (about two seconds); this one calls the same fused update without it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.optim.adamw import adamw

from cellstate.errors import TrainingError, explain
from cellstate.train.groups import ParameterGroup, divided

BETAS = (0.9, 0.999)
EPSILON = 1e-8


class AdamW:
    """Adam with decoupled weight decay; biases and other vectors are spared the decay.

    Parameters
    ----------
    model : Module
    rate : float
        Step size; assign to `rate` to change it.
    weight_decay : float
    groups : sequence of ParameterGroup
        Parts that learn at their own pace; what they leave out learns at `rate`.

    Raises
    ------
    TrainingError
        Nothing in the model can be trained.

    Examples
    --------
    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> _ = model.weight.data.fill_(1.0)
    >>> optimizer = AdamW(model, rate=0.1, weight_decay=0.0)
    >>> model(torch.ones(1, 1)).sum().backward()
    >>> optimizer.step()
    >>> round(model.weight.item(), 4)
    0.9

    References
    ----------
    I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        *,
        rate: float,
        weight_decay: float,
        groups: Sequence[ParameterGroup] = (),
    ) -> None:
        self.rate = rate
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        if not self.parameters:
            must = "a model needs at least one parameter that requires a gradient"
            raise TrainingError(explain("train", must, "none", "Unfreeze a layer before training"))
        self._groups = [
            _Group(chosen, decay, group)
            for group, members in divided(model, groups)
            for chosen, decay in (
                ([p for p in members if p.ndim >= 2], weight_decay),
                ([p for p in members if p.ndim < 2], 0.0),
            )
            if chosen
        ]

    @torch.no_grad()
    def step(self) -> None:
        """Move the parameters along their gradients; those without one stay."""
        for group in self._groups:
            group.step(self.rate)

    def clear_gradients(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @property
    def tensors(self) -> list[torch.Tensor]:
        """The moments and step counts of all parameters, in a fixed order."""
        return [t for group in self._groups for t in (*group.means, *group.squares, *group.steps)]


class _Group:
    """Parameters that share a decay and a pace, with their moments."""

    def __init__(
        self, parameters: list[torch.nn.Parameter], decay: float, pace: ParameterGroup
    ) -> None:
        self.parameters = parameters
        self.decay = decay
        self.pace = pace
        self.means = [torch.zeros_like(p) for p in parameters]
        self.squares = [torch.zeros_like(p) for p in parameters]
        self.steps = [torch.zeros((), device=p.device) for p in parameters]
        self._fused = all(p.device.type in ("cpu", "cuda", "mps") for p in parameters)

    def step(self, rate: float) -> None:
        moved = [k for k, p in enumerate(self.parameters) if p.grad is not None]
        if not moved:
            return
        adamw(
            [self.parameters[k] for k in moved],
            [grad for p in self.parameters if (grad := p.grad) is not None],
            [self.means[k] for k in moved],
            [self.squares[k] for k in moved],
            [],
            [self.steps[k] for k in moved],
            fused=self._fused,
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=rate * self.pace.rate_factor,
            weight_decay=self.decay,
            eps=EPSILON,
            maximize=False,
        )
