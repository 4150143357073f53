"""Weights of a trained network from a model's file back into the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import nn


def fill(model: nn.Module, weights: dict[str, np.ndarray], prefix: str = "") -> None:
    """Fill in all weights whose names begin with `prefix`, in the precision of the network.

    Raises
    ------
    ValueError
        Names or shapes do not fit the network.
    """
    import torch

    state = {
        name.removeprefix(prefix): torch.from_numpy(np.array(value))
        for name, value in weights.items()
        if name.startswith(prefix)
    }
    try:
        model.load_state_dict(state)
    except RuntimeError as problem:
        raise ValueError(str(problem)) from problem
