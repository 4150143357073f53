"""The model that is served: eight readings in, one LSTM layer, one number out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving.traffic import INPUTS
from cellstate import artifact, network

HIDDEN, OUTPUTS = 64, 1
LAYERS = (
    network.LSTM("body", INPUTS, HIDDEN),
    network.Linear("head", HIDDEN, OUTPUTS),
)


def weights(seed: int = 0) -> dict[str, np.ndarray]:
    """Draw weights as torch draws them: uniform within 1/√H."""
    rng = np.random.default_rng(seed)
    shapes = {
        "body.weight_ih_l0": (4 * HIDDEN, INPUTS),
        "body.weight_hh_l0": (4 * HIDDEN, HIDDEN),
        "body.bias_ih_l0": (4 * HIDDEN,),
        "body.bias_hh_l0": (4 * HIDDEN,),
        "head.weight": (OUTPUTS, HIDDEN),
        "head.bias": (OUTPUTS,),
    }
    bound = HIDDEN**-0.5
    return {name: rng.uniform(-bound, bound, shape).astype("f4") for name, shape in shapes.items()}


def save_model(folder: Path, seed: int = 0) -> Path:
    """Write the model's folder, and return it."""
    described: dict[str, Any] = {"layers": network.to_json(LAYERS)}
    artifact.save(folder, artifact.Manifest("network", network=described), weights(seed))
    return folder
