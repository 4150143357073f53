"""AdamW over a model's trainable parameters."""

from __future__ import annotations

import torch

from cellstate.errors import TrainingError, explain


def adamw(
    model: torch.nn.Module, *, learning_rate: float, weight_decay: float
) -> torch.optim.AdamW:
    """Make the optimizer; biases and other vectors are spared the decay.

    The fused form is two to four times faster than the others on the CPU too.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        must = "a model needs at least one parameter that requires a gradient"
        raise TrainingError(explain("train", must, "none", "Unfreeze a layer before training"))
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    fused = all(p.dtype.is_floating_point and p.device.type in _FUSED for p in parameters)
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=learning_rate, fused=fused
    )


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the step size of all groups."""
    for group in optimizer.param_groups:
        group["lr"] = rate


_FUSED = ("cpu", "cuda", "mps")
