"""A stream that can be followed by hand: a running mean, with everything that a stream may do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cellstate.errors import EventError, explain
from cellstate.runtime.stream import AbstractStream, Answer, Field, States

MOST = 1e6
JUMP = 1000.0
ACCIDENT = 666.0


class Tally(AbstractStream):
    """m ← m + weight · (x − m); refuses |x| > 1e6, and steps of more than 1000 away from m."""

    task: ClassVar[str] = "network"
    inputs = (Field("x", "number", "what is averaged", required=True),)
    outputs = (
        Field("mean", "number", "the running mean"),
        Field("count", "integer", "events so far"),
    )
    state_dtype = np.dtype([("mean", "f8"), ("count", "i8"), ("room", "u1", (16,))])

    def __init__(self, weight: float = 0.25, needs_time: bool = False) -> None:
        self.weight = weight
        self.needs_time = needs_time  # type: ignore[misc]
        self.fingerprint = f"tally {weight}"
        self.rows: list[int] = []  # of every step

    def start(self, entities: Sequence[str]) -> States:
        return np.zeros(len(entities), self.state_dtype)

    def read(self, data: Mapping[str, Any]) -> float:
        x = data.get("x")
        if not isinstance(x, int | float) or not abs(x) <= MOST:
            raise EventError(explain("Tally", "x must be a number up to 1e6", "another", "Look"))
        return float(x)

    def step(
        self, states: States, rows: Sequence[Any], times: NDArray[np.int64]
    ) -> tuple[States, list[Answer | EventError]]:
        self.rows.append(len(rows))
        after = states.copy()
        x = np.array(rows, dtype=np.float64)
        if np.any(x == ACCIDENT):
            raise RuntimeError("an accident of the model")
        mean = states["mean"]
        fits = np.abs(x - mean) <= JUMP
        after["mean"] = np.where(fits, mean + self.weight * (x - mean), mean)
        after["count"] = states["count"] + fits
        answers: list[Answer | EventError] = [
            {"mean": float(row["mean"]), "count": int(row["count"])}
            if fit
            else EventError(explain("Tally", "x must be near the mean", "a jump", "Look"))
            for row, fit in zip(after, fits, strict=True)
        ]
        return after, answers
