"""A trained network with its scales: sequences in, raw answers out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cellstate.tasks.arrays.encode import Encoder
from cellstate.tasks.arrays.plan import Plan
from cellstate.tasks.arrays.reading import Sequences
from cellstate.tasks.calibration import softmax
from cellstate.tasks.weights import fill

ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class Fitted:
    """What training leaves, apart from the meaning of the answers.

    Attributes
    ----------
    plan : Plan
    encoder : Encoder
    model : PooledNetwork
        In float64 on the CPU and in evaluation mode: what float32 rounds differently for other
        companions in a batch must not show in predictions.
    record : dict
        Of the training, JSON-ready.
    temperature : float
        What the answers of a classifier are divided by before the softmax.
    """

    plan: Plan
    encoder: Encoder
    model: Any
    record: dict[str, Any]
    temperature: float = 1.0

    def answers(self, sequences: Sequences) -> np.ndarray:
        """Run the network: (n, outputs) float64."""
        import torch

        scaled = self.encoder.scaled(sequences)
        parts = [np.empty((0, self.plan.outputs))]
        with torch.inference_mode():
            for start in range(0, len(scaled), ROWS_AT_ONCE):
                rows = scaled.take(np.arange(start, min(start + ROWS_AT_ONCE, len(scaled))))
                x = torch.from_numpy(self.encoder.features(rows)).double()
                lengths = torch.from_numpy(rows.lengths) if sequences.is_ragged else None
                parts.append(self.model(x, lengths).numpy())
        return np.concatenate(parts)

    def probabilities(self, sequences: Sequences) -> np.ndarray:
        """Run the network as a classifier: (n, outputs) float64, each row sums to 1."""
        return softmax(self.answers(sequences) / self.temperature)

    def network(self) -> dict[str, Any]:
        """Describe the network, JSON-ready."""
        return {"kind": "pooled", "plan": asdict(self.plan), "temperature": self.temperature}

    def tensors(self) -> dict[str, np.ndarray]:
        """Give the weights in float32, as they were trained."""
        state = self.model.state_dict()
        return {f"network.{name}": tensor.float().numpy() for name, tensor in state.items()}


def restored(
    network: dict[str, Any],
    encoder: Encoder,
    weights: dict[str, np.ndarray],
    record: dict[str, Any],
) -> Fitted:
    """Build what `Fitted.network` describes and fill in weights in the form of `Fitted.tensors`."""
    from cellstate import train

    plan = Plan(**network["plan"])
    with train.isolated(0):
        model = plan.build().double().eval()
    fill(model, weights, "network.")
    return Fitted(plan, encoder, model, record, float(network["temperature"]))
