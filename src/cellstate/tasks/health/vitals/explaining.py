"""Which measurements moved a risk: what it would have been without each of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cellstate.data.health.timelines import Timelines
from cellstate.runtime.state import State
from cellstate.tasks.health.steps import Memory, Padded
from cellstate.tasks.health.vitals.fitted import Fitted


@dataclass(frozen=True)
class Effect:
    """What one measurement did to the risk of its step.

    Attributes
    ----------
    step : int
        Of the stay.
    variable : str
    effect : float
        Risk with the measurement less risk without it.
    """

    step: int
    variable: str
    effect: float


def effects(fitted: Fitted, timelines: Timelines, row: int) -> list[Effect]:
    """Leave out each measurement of a stay in turn, and see what the risk of its step becomes.

    What was known before the step stays as it was.
    """
    padded = fitted.encoder.padded(timelines, np.array([row]))
    count = int(timelines.steps[row])
    memory: Memory | None = None
    states: tuple[State, ...] | None = None
    found: list[Effect] = []
    for step in range(count):
        values, hours = padded.values[:, step], padded.hours[:, step]
        measured = np.flatnonzero(~np.isnan(values[0]))
        tried = np.tile(values, (len(measured) + 1, 1))
        tried[np.arange(len(measured)), measured] = np.nan
        many = len(tried)
        here = Padded(
            tried[:, None],
            np.tile(hours, many)[:, None],
            np.tile(padded.static, (many, 1)),
            np.ones(many, dtype=np.int64),
        )
        said, after, next_states = fitted.step(
            here, _tiled_memory(memory, many), _tiled_states(states, many)
        )
        risks = fitted.risks(said[:, -1])
        found += [
            Effect(step, fitted.layout.variables[v], float(risks[-1] - risk))
            for v, risk in zip(measured, risks[:-1], strict=True)
        ]
        memory = Memory(*(part[-1:] for part in vars(after).values()))
        states = tuple(
            {name: type(s)(s.h[:, -1:], s.c[:, -1:]) for name, s in state.items()}
            for state in next_states
        )
    return found


def _tiled_memory(memory: Memory | None, many: int) -> Memory | None:
    if memory is None:
        return None
    return Memory(*(np.repeat(part, many, axis=0) for part in vars(memory).values()))


def _tiled_states(states: tuple[State, ...] | None, many: int) -> tuple[State, ...] | None:
    if states is None:
        return None
    return tuple(
        {
            name: type(s)(np.repeat(s.h, many, axis=1), np.repeat(s.c, many, axis=1))
            for name, s in state.items()
        }
        for state in states
    )
