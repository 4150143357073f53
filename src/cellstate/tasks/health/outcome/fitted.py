"""Trained networks with their scales and a linear model: stays in, answers out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cellstate.data.health.timelines import Layout, Timelines
from cellstate.tasks.health.baselines import LINEAR, RIDGE
from cellstate.tasks.health.batches import ordered
from cellstate.tasks.health.outcome.evaluation import PREVALENCE, constant
from cellstate.tasks.health.outcome.mix import Mix
from cellstate.tasks.health.outcome.plan import Plan
from cellstate.tasks.health.outcome.summary import SummaryEncoder
from cellstate.tasks.health.outcome.targets import Target
from cellstate.tasks.health.outcome.task import Stays, answer
from cellstate.tasks.health.steps import StepEncoder
from cellstate.tasks.health.summaries import summarize
from cellstate.tasks.weights import fill

ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class Fitted:
    """What training leaves.

    Attributes
    ----------
    plan : Plan
    layout : Layout
    steps : StepEncoder
    summary : SummaryEncoder
    targets : tuple of Target
    models : list of StayNetwork
        In evaluation mode on the CPU.
    linear : tuple of np.ndarray or None
        For each target the weights (F + 1, outputs) of its linear model.
    mixes : tuple of Mix
    record : dict
        Of the training, JSON-ready.
    """

    plan: Plan
    layout: Layout
    steps: StepEncoder
    summary: SummaryEncoder
    targets: tuple[Target, ...]
    models: list[Any]
    linear: tuple[np.ndarray | None, ...]
    mixes: tuple[Mix, ...]
    record: dict[str, Any]

    def answers(self, timelines: Timelines) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Give for each target the shared answers, and those of the networks alone."""
        x = self.summary(summarize(timelines))
        stays = Stays(timelines, self.steps, x, self.plan.gaps)
        parts = [network_answers(model, stays, np.arange(len(stays))) for model in self.models]
        networks = per_target(self.targets, np.mean(parts, axis=0))
        linear = [None if w is None else stays.summary @ w[:-1] + w[-1] for w in self.linear]
        both = [mix(net, line) for mix, net, line in zip(self.mixes, networks, linear, strict=True)]
        return both, networks

    def stored_rivals(self, place: int, timelines: Timelines) -> dict[str, np.ndarray]:
        """Give what needs no training rows: the same for all, and the linear model by itself."""
        weights, target = self.linear[place], self.targets[place]
        told = {PREVALENCE[target.kind]: constant(target, len(timelines))}
        if weights is None:
            return told
        x = self.summary(summarize(timelines))
        name = RIDGE if target.kind == "number" else LINEAR
        return told | {name: target.decode(x @ weights[:-1] + weights[-1])}

    def network(self) -> dict[str, Any]:
        """Describe it, JSON-ready."""
        return {
            "kind": "stays",
            "plan": asdict(self.plan),
            "networks": len(self.models),
            "mixes": [asdict(mix) for mix in self.mixes],
        }

    def encoders(self) -> dict[str, Any]:
        """Give what was learned about the data, JSON-ready."""
        return {
            "layout": self.layout.as_dict(),
            "steps": self.steps.as_dict(),
            "summary": self.summary.as_dict(),
            "targets": [target.as_dict() for target in self.targets],
        }

    def tensors(self) -> dict[str, np.ndarray]:
        """Give all weights."""
        weights = {
            f"network.{place}.{name}": tensor.numpy()
            for place, model in enumerate(self.models)
            for name, tensor in model.state_dict().items()
        }
        linear = {f"linear.{k}": w for k, w in enumerate(self.linear) if w is not None}
        return weights | linear

    @classmethod
    def restored(
        cls,
        network: dict[str, Any],
        encoders: dict[str, Any],
        tensors: dict[str, np.ndarray],
        record: dict[str, Any],
    ) -> Fitted:
        """Build what `network`, `encoders` and `tensors` gave."""
        from cellstate import train

        plan = Plan(**network["plan"])
        models = []
        for place in range(int(network["networks"])):
            with train.isolated(0):
                model = plan.build().eval()
            fill(model, tensors, f"network.{place}.")
            models.append(model)
        layout = Layout.from_dict(encoders["layout"])
        targets = tuple(Target.from_dict(target) for target in encoders["targets"])
        linear = tuple(
            np.array(tensors[f"linear.{k}"]) if f"linear.{k}" in tensors else None
            for k in range(len(targets))
        )
        return cls(
            plan,
            layout,
            StepEncoder.from_dict(encoders["steps"]),
            SummaryEncoder.from_dict(encoders["summary"]),
            targets,
            models,
            linear,
            tuple(Mix(**mix) for mix in network["mixes"]),
            record,
        )


def network_answers(model: Any, stays: Stays, rows: np.ndarray) -> np.ndarray:
    """Run one network on some stays: (n, outputs of all targets) float64."""
    import torch

    said = np.zeros((len(rows), model.head.out_features))
    with torch.inference_mode():
        for part in ordered(np.arange(len(rows)), stays.timelines.steps[rows], ROWS_AT_ONCE):
            batch = {n: torch.from_numpy(v) for n, v in stays.batch(rows[part]).items()}
            said[part] = answer(model, batch).double().numpy()
    return said


def per_target(targets: Sequence[Target], answers: np.ndarray) -> list[np.ndarray]:
    """Part the answers of all targets."""
    ends = np.cumsum([target.outputs for target in targets])
    return np.split(answers, ends[:-1], axis=1)
