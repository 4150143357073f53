"""Trained networks with what they read and how their answers are put right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.data.health.visits import Visits
from cellstate.data.text.batches import length_batches
from cellstate.tasks.calibration import sigmoid
from cellstate.tasks.health.recalibration import Platt
from cellstate.tasks.health.records.encoding import Encoded, Scales
from cellstate.tasks.health.records.plan import Plan
from cellstate.tasks.health.records.vocabulary import Vocabulary
from cellstate.tasks.weights import fill

PATIENTS_AT_ONCE = 64


@dataclass(frozen=True)
class Fitted:
    """What training leaves, apart from the baselines.

    Attributes
    ----------
    plan : Plan
    vocabulary : Vocabulary
    scales : Scales
    nodes : np.ndarray
        (K,) nodes that are foretold; none but for codes.
    models : list
        Networks on the CPU, in evaluation mode and float64, whose answers are averaged: what
        float32 rounds differently for other companions in a batch must not show.
    record : dict
        Of the training, JSON-ready.
    recalibration : Platt
        Of log odds; fitted to patients that were left out.
    margins : np.ndarray
        (V,) by how much intervals of values are widened, in deviations; empty for other kinds.
    """

    plan: Plan
    vocabulary: Vocabulary
    scales: Scales
    nodes: np.ndarray
    models: list[Any]
    record: dict[str, Any]
    recalibration: Platt
    margins: np.ndarray

    def encode(self, visits: Visits) -> Encoded:
        """Read visits as the networks do."""
        return Encoded.of(visits, self.vocabulary, self.scales)

    def answers(self, encoded: Encoded, visits: np.ndarray) -> np.ndarray:
        """Give the networks' mean answers after some visits: (n, K) float64."""
        return np.mean([run(model, encoded, visits) for model in self.models], axis=0)

    def log_odds(self, answers: np.ndarray) -> np.ndarray:
        """Put log odds right."""
        return self.recalibration.slope * answers + self.recalibration.intercept

    def probabilities(self, answers: np.ndarray) -> np.ndarray:
        """Turn the networks' answers into probabilities."""
        return sigmoid(self.log_odds(answers))

    def intervals(self, answers: np.ndarray) -> np.ndarray:
        """Turn answers into (n, V, 3): low end, middle and high end, in the variables' units."""
        low, middle, high = np.split(answers, 3, axis=1)
        wide = np.stack(
            [
                np.minimum(low - self.margins, middle),
                middle,
                np.maximum(high + self.margins, middle),
            ]
        )
        return np.moveaxis(self.scales.unscaled(wide), 0, 2)

    def network(self) -> dict[str, Any]:
        """Describe the networks, JSON-ready."""
        return {
            "kind": "records",
            "plan": self.plan.as_dict(),
            "networks": len(self.models),
            "recalibration": self.recalibration.as_dict(),
        }

    def tensors(self) -> dict[str, np.ndarray]:
        """Give the weights in float32, as they were trained."""
        return {"nodes": self.nodes, "margins": self.margins} | {
            f"network.{place}.{name}": _stored(tensor)
            for place, model in enumerate(self.models)
            for name, tensor in model.state_dict().items()
        }


def run(model: Any, encoded: Encoded, visits: np.ndarray) -> np.ndarray:
    """Run one network over the patients of some visits: (n, K) float64."""
    import torch

    owner = np.repeat(np.arange(len(encoded.counts)), encoded.counts)
    row_of = np.full(len(owner), -1, dtype=np.int64)
    row_of[visits] = np.arange(len(visits))
    patients = np.unique(owner[visits])
    said: np.ndarray | None = None
    with torch.inference_mode():
        for chosen in length_batches(encoded.counts[patients], rows=PATIENTS_AT_ONCE):
            batch = encoded.batch(patients[chosen])
            y = call(model, batch["codes"], batch["features"], batch["lengths"])
            rows = np.where(batch["places"] >= 0, row_of[batch["places"]], -1)
            if said is None:
                said = np.empty((len(visits), y.shape[2]))
            said[rows[rows >= 0]] = y[rows >= 0]
    return np.empty((0, 0)) if said is None else said


def call(model: Any, codes: np.ndarray, features: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Call a network in float64: (B, T, K)."""
    import torch

    with torch.inference_mode():
        return model(
            torch.from_numpy(codes).double(),
            torch.from_numpy(features).double(),
            torch.from_numpy(lengths),
        ).numpy()


def restored(
    network: dict[str, Any],
    vocabulary: Vocabulary,
    scales: Scales,
    tensors: dict[str, np.ndarray],
    record: dict[str, Any],
) -> Fitted:
    """Build what `Fitted.network` describes and fill in weights in the form of `Fitted.tensors`."""
    from cellstate import train

    plan = Plan(**network["plan"])
    nodes = np.array(tensors["nodes"])
    told = network["recalibration"]
    prior = np.zeros((3, len(nodes)) if plan.kind == "codes" else 1)
    models = []
    for place in range(int(network["networks"])):
        prefix = f"network.{place}."
        # The hierarchy is the one of the file, whatever this version knows of codes.
        lineage = np.array(tensors[f"{prefix}lineage"])
        with train.isolated(0):
            model = plan.build(lineage, nodes, prior).double().eval()
        fill(model, tensors, prefix)
        models.append(model)
    recalibration = Platt(float(told["slope"]), float(told["intercept"]))
    margins = np.array(tensors["margins"])
    return Fitted(plan, vocabulary, scales, nodes, models, record, recalibration, margins)


def _stored(tensor: Any) -> np.ndarray:
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()
