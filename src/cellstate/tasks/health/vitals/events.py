"""A monitor that reads events: a risk for every one, of many stays in one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from cellstate.artifact import model_fingerprint
from cellstate.data.health.ranges import LARGEST, limits_of
from cellstate.errors import EventError, did_you_mean, explain
from cellstate.runtime.chain import Chain
from cellstate.runtime.stream import AbstractStream, Answer, Field, States
from cellstate.runtime.values import read_number
from cellstate.tasks.health.alarms import silenced
from cellstate.tasks.health.steps import Memory, Padded
from cellstate.tasks.health.vitals.answering import Answering
from cellstate.tasks.health.vitals.evaluation import Thresholds
from cellstate.tasks.health.vitals.saved import describe, restored

if TYPE_CHECKING:
    from cellstate.artifact import Manifest
    from cellstate.tasks.health.vitals_monitor import VitalsMonitor

HOUR = 3_600_000_000  # microseconds
KEPT = {
    "at": np.float64,
    "total": np.float64,
    "count": np.float64,
    "last": np.float32,
    "before": np.float32,
    "low": np.float32,
    "high": np.float32,
}
"""What `Memory` holds of each variable; measurements are float32 already."""
_WHERE = "event"
_ABOUT_RISK = "Probability of the outcome."
_ABOUT_SURPRISE = "Share of known surprises that were smaller."


class MonitorStream(AbstractStream):
    """A monitor's networks, stepped event by event.

    An event brings what was measured at one time, by the names of the variables, and, if it is a
    stay's first, what does not change during the stay. Its answer is the hour since the first
    event, the risk and whether an alarm sounds: those of `VitalsMonitor.predict`.

    Parameters
    ----------
    answering : Answering
    weights : {"float32", "bf16", "int8"}
        How the matrices of LSTM layers are stored.
    """

    task: ClassVar[str] = "vitals"
    needs_time: ClassVar[bool] = True

    def __init__(self, answering: Answering, *, weights: str = "float32") -> None:
        fitted = answering.fitted
        layout = fitted.layout
        self._answering, self._fitted, self._weights = answering, fitted, weights
        self._chains = fitted.chains
        if weights != "float32":
            layers = fitted.plan.chain
            self._chains = tuple(Chain(layers, part, weights=weights) for part in fitted.weights)
        self._variables = {name: place for place, name in enumerate(layout.variables)}
        self._fixed = {name: place for place, name in enumerate(layout.static)}
        V, S = len(self._variables), len(self._fixed)
        outputs = fitted.plan.outputs if len(fitted.tail) else 0  # kept for surprises alone
        self.state_dtype = np.dtype(
            [
                ("start", np.int64),
                ("hour", np.float64),
                ("until", np.float64),
                ("before", np.float64, (outputs,)),
                ("memory", [(name, kind, (V,)) for name, kind in KEPT.items()]),
                ("static", np.float32, (S,)),
                ("begun", np.int32),  # no flag of one byte: kernels take numbers at their places
                ("networks", np.float32, (len(self._chains), self._chains[0].state_size)),
            ]
        )
        low, high, units = limits_of((*layout.variables, *layout.static), None)
        names = (*layout.variables, *layout.static)
        self._limits = {
            name: (max(float(a), -LARGEST), min(float(b), LARGEST), unit)
            for name, a, b, unit in zip(names, low, high, units, strict=True)
        }
        self.inputs = tuple(
            Field(name, "number", self._about(name), unit, static=place >= V)
            for place, (name, unit) in enumerate(zip(names, units, strict=True))
        )
        self.outputs = (
            Field("hour", "number", "Hours since the first event.", "hours"),
            Field("risk", "number", _ABOUT_SURPRISE if outputs else _ABOUT_RISK),
            Field("alarm", "flag", "Whether the risk calls for somebody."),
        )

    @classmethod
    def of(cls, model: VitalsMonitor) -> Self:
        """Build it from a fitted estimator."""
        return cls(Answering(model.fitted_, model.threshold_, model.policy_.silence_h))

    @classmethod
    def from_artifact(
        cls, manifest: Manifest, tensors: dict[str, np.ndarray], *, weights: str = "float32"
    ) -> Self:
        """Build it from the parts of a model folder."""
        fitted = restored(manifest.network, manifest.encoders, tensors, {})
        threshold = Thresholds(**manifest.decoding["shared"]).rate
        silence = float(manifest.arguments["silence_h"])
        return cls(Answering(fitted, threshold, silence), weights=weights)

    @cached_property
    def fingerprint(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Of networks, scales and the policy of alarms."""
        network, encoders = describe(self._fitted)
        policy = {"threshold": self._answering.threshold, "silence_h": self._answering.silence_h}
        described = {"task": self.task, "network": network, "encoders": encoders, "alarms": policy}
        return model_fingerprint({**described, "weights": self._weights}, self._fitted.tensors())

    def start(self, entities: Sequence[str]) -> States:
        """Make the states of stays that have not begun."""
        states = np.zeros(len(entities), self.state_dtype)
        states["until"] = -np.inf
        states["static"] = np.nan
        states["before"] = np.nan
        for place, chain in enumerate(self._chains):
            states["networks"][:, place] = chain.start_packed(len(entities))
        empty = Memory.empty(len(entities), len(self._variables))
        for name in KEPT:
            states["memory"][name] = getattr(empty, name)
        return states

    def read(self, data: Mapping[str, Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Lay an event's values out: measurements (V,) and fixed ones (S,), NaN where not given.

        Raises
        ------
        EventError
            A name is unknown, or a value is no number or cannot be true.
        """
        measured = np.full(len(self._variables), np.nan, np.float32)
        fixed = np.full(len(self._fixed), np.nan, np.float32)
        if not isinstance(data, Mapping):
            must, do = "values must come by name, in a mapping", "For example {'HR': 80}"
            raise EventError(explain(_WHERE, must, type(data).__name__, do))
        for name, given in data.items():
            if name in self._variables:
                measured[self._variables[name]] = read_number(name, given, *self._limits[name])
            elif name in self._fixed:
                fixed[self._fixed[name]] = read_number(name, given, *self._limits[name])
            else:
                must, do = "each variable must be known to the monitor", "See its fields"
                if isinstance(name, str):
                    do = did_you_mean(name, self._limits)
                raise EventError(explain(_WHERE, must, "another one", do))
        return measured, fixed

    def step(
        self, states: States, rows: Sequence[Any], times: NDArray[np.int64]
    ) -> tuple[States, list[Answer | EventError]]:
        """Let each stay take in one event."""
        after = states.copy()
        refused = self._begin(after, rows, times)
        hours = (times - after["start"]) / HOUR
        hours[list(refused)] = after["hour"][list(refused)]  # what is thrown away must not warn
        scales = self._fitted.encoder
        values = scales.scales(np.stack([row[0] for row in rows]))
        static = scales.static_scales(after["static"])
        padded = Padded(values[:, None], hours[:, None], static, np.ones(len(rows), np.int64))
        held = after["memory"]
        kept = Memory(hour=after["hour"], **{name: held[name] for name in KEPT})
        x, memory = scales.features(padded, kept)
        for name in KEPT:
            after["memory"][name] = getattr(memory, name)
        said = self._shared(after["networks"], np.ascontiguousarray(x[:, 0]))
        risks = self._answering.risks(said, values, after["before"])
        if after["before"].shape[1]:
            after["before"] = said
        alarms, after["until"] = silenced(
            hours,
            risks,
            after["until"],
            threshold=self._answering.threshold,
            silence=self._answering.silence_h,
        )
        after["hour"] = hours
        answers: list[Answer | EventError] = [
            {"hour": hour, "risk": risk, "alarm": alarm}
            for hour, risk, alarm in zip(
                hours.tolist(), risks.tolist(), alarms.tolist(), strict=True
            )
        ]
        for place in np.flatnonzero(~np.isfinite(risks)).tolist():
            must, do = "it must leave the monitor's numbers finite", "Fit the model again"
            refused.setdefault(place, EventError(explain(_WHERE, must, "others", do)))
        for place, problem in refused.items():
            answers[place], after[place] = problem, states[place]
        return after, answers

    def _begin(
        self, after: States, rows: Sequence[Any], times: NDArray[np.int64]
    ) -> dict[int, EventError]:
        """Let stays begin with their first event, and find events that no stay can take in."""
        begins = after["begun"] == 0
        after["begun"] = 1
        after["start"][begins] = times[begins]
        refused: dict[int, EventError] = {}
        is_later = (times - after["start"]) / HOUR > after["hour"]
        for place in np.flatnonzero(~begins & ~is_later):
            must, do = "its time must be later than the one before", "Join events of one time"
            refused[int(place)] = EventError(explain(_WHERE, must, "another", do))
        if self._fixed:
            fixed = np.stack([row[1] for row in rows])
            after["static"][begins] = fixed[begins]
            is_other = ~np.isnan(fixed) & (fixed != after["static"])
            for place in np.flatnonzero(is_other.any(1)):
                name = tuple(self._fixed)[int(np.argmax(is_other[place]))]
                must, do = f"{name} belongs to the first event of a stay", "Leave it out"
                refused[int(place)] = EventError(explain(_WHERE, must, "another value later", do))
        return refused

    def _shared(self, networks: NDArray[np.float32], x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Advance all networks in place, and give what they and the linear model share: (B, O)."""
        total: NDArray[np.float64] | None = None
        for place, chain in enumerate(self._chains):
            y = chain.step_packed(x, networks[:, place])
            total = y.astype(np.float64) if total is None else total + y
        assert total is not None, "there is a network"
        return self._fitted.shared(total / len(self._chains), x)

    def _about(self, name: str) -> str:
        low, high, _ = self._limits[name]
        fixed = "; the first event alone may bring it" if name in self._fixed else ""
        return f"Measurement from {low:g} to {high:g}, null where there is none{fixed}."
