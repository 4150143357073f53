"""A monitor's trained networks, run step by step without torch: steps in, answers out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cellstate.data.health.timelines import Layout, Timelines
from cellstate.runtime import Chain
from cellstate.runtime.state import State
from cellstate.tasks.calibration import sigmoid
from cellstate.tasks.health.batches import ordered
from cellstate.tasks.health.steps import Memory, Padded, StepEncoder
from cellstate.tasks.health.vitals.plan import Plan

ROWS_AT_ONCE = 64


@dataclass(frozen=True)
class Fitted:
    """What training leaves.

    Attributes
    ----------
    plan : Plan
    layout : Layout
    encoder : StepEncoder
    weights : tuple of dict
        Of each network, by the names of its layers' tensors.
    slope, shift : float
        Risks are the sigmoid of slope · answer + shift.
    tail : np.ndarray
        Of a monitor of surprise, its values that half, a quarter, an eighth … of the steps of
        training stays exceeded; empty for one of risks.
    record : dict
        Of the training, JSON-ready.
    """

    plan: Plan
    layout: Layout
    encoder: StepEncoder
    weights: tuple[dict[str, np.ndarray], ...]
    slope: float
    shift: float
    tail: np.ndarray
    record: dict[str, Any]

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the packed networks: they are made again from the weights."""
        return {name: part for name, part in vars(self).items() if name != "chains"}

    @cached_property
    def chains(self) -> tuple[Chain, ...]:
        """The networks, ready to step."""
        return tuple(Chain(self.plan.chain, weights) for weights in self.weights)

    def answers(self, timelines: Timelines) -> np.ndarray:
        """Run whole stays: (N, outputs) float64, the mean of the networks."""
        return run(self.chains, self.encoder, timelines, np.arange(len(timelines)))[0]

    def step(
        self, padded: Padded, memory: Memory | None, states: tuple[State, ...] | None
    ) -> tuple[np.ndarray, Memory, tuple[State, ...]]:
        """Advance stays by the steps given: answers (B, T, outputs) and what to go on from."""
        x, memory = self.encoder.features(padded, memory)
        said, states = advance(self.chains, x, states)
        return said, memory, states

    def risks(self, answers: np.ndarray) -> np.ndarray:
        """Turn answers (…, 1) into risks (…)."""
        return sigmoid(self.slope * answers[..., 0] + self.shift)

    def tensors(self) -> dict[str, np.ndarray]:
        """Give all weights."""
        return {
            f"network.{place}.{name}": values
            for place, weights in enumerate(self.weights)
            for name, values in weights.items()
        } | {"tail": self.tail}


def run(
    chains: tuple[Chain, ...], encoder: StepEncoder, timelines: Timelines, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Run networks over some stays: answers (M, outputs) of their steps, and the steps' places."""
    spots: list[np.ndarray] = []
    parts: list[np.ndarray] = []
    for part in ordered(rows, timelines.steps, ROWS_AT_ONCE):
        counts = timelines.steps[part]
        if not counts.any():
            continue
        padded = encoder.padded(timelines, part)
        x, _ = encoder.features(padded)
        said, _ = advance(chains, x, None)
        parts.append(said[np.arange(x.shape[1]) < counts[:, None]])
        spots.append(timelines.places(part))
    if not parts:
        return np.zeros((0, 1)), np.zeros(0, dtype=np.int64)
    places = np.concatenate(spots)
    order = np.argsort(places, kind="stable")
    return np.concatenate(parts)[order], places[order]


def advance(
    chains: tuple[Chain, ...], x: np.ndarray, states: tuple[State, ...] | None
) -> tuple[np.ndarray, tuple[State, ...]]:
    """Take the mean of networks over steps (B, T, F): (B, T, outputs) float64, and states."""
    time_major = np.ascontiguousarray(x.swapaxes(0, 1))
    said: list[np.ndarray] = []
    after: list[State] = []
    for place, chain in enumerate(chains):
        y, state = chain.sequence(time_major, None if states is None else states[place])
        said.append(y.astype(np.float64))
        after.append(state)
    return np.mean(said, axis=0).swapaxes(0, 1), tuple(after)
