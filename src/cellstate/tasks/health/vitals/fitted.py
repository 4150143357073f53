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
from cellstate.tasks.health.outcome.mix import Mix
from cellstate.tasks.health.steps import Memory, Padded, StepEncoder, side_by_side
from cellstate.tasks.health.vitals.plan import Plan

ROWS_AT_ONCE = 64
LINEAR_ROWS = 128  # their products stay in the cache


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
    linear : np.ndarray or None
        (F + 1, 1) of a linear model of what the networks see, the bias last; None for a monitor
        of surprise.
    mix : Mix
        How both share an answer, the logarithm of a risk's odds.
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
    linear: np.ndarray | None
    mix: Mix
    tail: np.ndarray
    record: dict[str, Any]

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the packed networks: they are made again from the weights."""
        return {name: part for name, part in vars(self).items() if name != "chains"}

    @cached_property
    def chains(self) -> tuple[Chain, ...]:
        """The networks, ready to step."""
        return tuple(Chain(self.plan.chain, weights) for weights in self.weights)

    def answers(self, timelines: Timelines) -> tuple[np.ndarray, np.ndarray]:
        """Run whole stays: (N, outputs) float64, the shared answers and those of networks alone."""
        rows = self.encoder.rows(timelines)
        networks, _ = run(self.chains, rows, timelines, np.arange(len(timelines)))
        return self.shared(networks, rows), networks

    def shared(self, networks: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Share answers (…, outputs) between the networks and the linear model of x (…, F)."""
        return self.mix(networks, None if self.linear is None else linear_answers(self.linear, x))

    def step(
        self, padded: Padded, memory: Memory | None, states: tuple[State, ...] | None
    ) -> tuple[np.ndarray, Memory, tuple[State, ...]]:
        """Advance stays by the steps given: answers (B, T, outputs) and what to go on from."""
        x, memory = self.encoder.features(padded, memory)
        said, states = advance(self.chains, x, states)
        return self.shared(said, x), memory, states

    def risks(self, answers: np.ndarray) -> np.ndarray:
        """Turn answers (…, 1) into risks (…)."""
        return sigmoid(answers[..., 0])

    def tensors(self) -> dict[str, np.ndarray]:
        """Give all weights."""
        return (
            {
                f"network.{place}.{name}": values
                for place, weights in enumerate(self.weights)
                for name, values in weights.items()
            }
            | {"tail": self.tail}
            | ({} if self.linear is None else {"linear": self.linear})
        )


def linear_answers(weights: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Give the answers (…, 1) of a linear model of x (…, F)."""
    rows = x.reshape(-1, x.shape[-1])
    answers = np.empty((len(rows), 1))
    for first in range(0, len(rows), LINEAR_ROWS):
        part = rows[first : first + LINEAR_ROWS]
        # Not NumPy's product: BLAS picks its order of summation by the number of rows.
        answers[first : first + LINEAR_ROWS, 0] = (part * weights[:-1, 0]).sum(axis=1)
    return (answers + weights[-1]).reshape(*x.shape[:-1], 1)


def run(
    chains: tuple[Chain, ...], rows: np.ndarray, timelines: Timelines, stays: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Run networks over some stays.

    Parameters
    ----------
    chains : tuple of Chain
    rows : np.ndarray
        (N, F) what the networks see of each step of all stays.
    timelines : Timelines
    stays : np.ndarray
        Places of stays.

    Returns
    -------
    answers : np.ndarray
        (M, outputs) float64 of the steps of these stays.
    places : np.ndarray
        (M,) the places of these steps, rising.
    """
    spots: list[np.ndarray] = []
    parts: list[np.ndarray] = []
    for part in ordered(stays, timelines.steps, ROWS_AT_ONCE):
        counts = timelines.steps[part]
        if not counts.any():
            continue
        x, _ = side_by_side(rows, timelines, part)
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
