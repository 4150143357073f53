"""One stay as it happens: a risk for every event, in constant time, from a memory of fixed size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cellstate.data.health.ranges import LARGEST, limits_of
from cellstate.errors import InputError, did_you_mean, explain
from cellstate.tasks.health.alarms import Silencer
from cellstate.tasks.health.steps import Memory, Padded
from cellstate.tasks.health.vitals.answering import Answering

if TYPE_CHECKING:
    from cellstate.runtime.state import State

WHERE = "VitalsStream.push"


@dataclass(frozen=True)
class Reading:
    """What a monitor says after an event.

    Attributes
    ----------
    hour : float
        Since the stay's first event.
    risk : float
        Probability of the outcome, or share of known surprises that were smaller.
    alarm : bool
        Whether the risk calls for somebody, no alarm having been given shortly before.
    """

    hour: float
    risk: float
    alarm: bool


class VitalsStream:
    """A monitor at one bed, made by `VitalsMonitor.stream`.

    Its answers are those of `VitalsMonitor.predict` for the same events.
    """

    def __init__(self, answering: Answering, static: Mapping[str, float] | None) -> None:
        fitted = answering.fitted
        self._answering = answering
        self._silencer = Silencer(answering.threshold, answering.silence_h)
        told = _row(fitted.layout.static, static or {}, "VitalsMonitor.stream")
        self._static = fitted.encoder.static_scales(told)
        self._memory: Memory | None = None
        self._states: tuple[State, ...] | None = None
        self._before: np.ndarray | None = None
        self._start: float | None = None
        self._since = 0.0

    def push(self, hour: float, measured: Mapping[str, float] | None = None) -> Reading:
        """Take in what was measured at an hour.

        Parameters
        ----------
        hour : float
            On any clock that does not change during the stay; later than that of the last call.
        measured : mapping of str to float, optional
            Measurements by variable; none for a look at the risk as time goes on. NaN is not
            measured.

        Returns
        -------
        Reading

        Raises
        ------
        InputError
            Time stands still or goes back, a variable is unknown, or a value cannot be true; the
            stream stays as it was.
        """
        fitted = self._answering.fitted
        values = _row(fitted.layout.variables, measured or {}, WHERE)
        now = _number(hour, "each hour", WHERE)
        start = now if self._start is None else self._start
        since = now - start
        if not np.isfinite(since) or (self._start is not None and since <= self._since):
            must = "each hour must be finite and later than the one before"
            given = "another" if not np.isfinite(since) else f"{since - self._since:+g} hours"
            raise InputError(explain(WHERE, must, given, "Join events of one time in one call"))
        scaled = fitted.encoder.scales(values)
        padded = Padded(scaled[None], np.array([[since]]), self._static, np.ones(1, dtype=np.int64))
        said, memory, states = fitted.step(padded, self._memory, self._states)
        risk = float(self._answering.risks(said[0], scaled, self._before)[0])
        self._start, self._since = start, since
        self._memory, self._states, self._before = memory, states, said[0]
        return Reading(since, risk, self._silencer.step(since, risk))


def _row(names: tuple[str, ...], given: Mapping[str, Any], where: str) -> np.ndarray:
    """Lay values out in the order of names: (1, V) float32, NaN where not given."""
    if not isinstance(given, Mapping):
        must, do = "values must come by name, in a mapping", "For example {'HR': 80}"
        raise InputError(explain(where, must, type(given).__name__, do))
    places = {name: place for place, name in enumerate(names)}
    row = np.full((1, len(names)), np.nan)
    for name, value in given.items():
        if name not in places:
            must = "each variable must be known to the monitor"
            raise InputError(explain(where, must, repr(name), did_you_mean(str(name), names)))
        row[0, places[name]] = np.nan if value is None else _number(value, name, where)
    low, high, units = limits_of(names, None)
    low, high = np.maximum(low, -LARGEST), np.minimum(high, LARGEST)
    wrong = np.flatnonzero((row[0] < low) | (row[0] > high))
    if len(wrong):
        name, unit = names[wrong[0]], units[wrong[0]]
        must = f"{name} must lie between {low[wrong[0]]:g} and {high[wrong[0]]:g} {unit}".rstrip()
        do = "Check its unit, or leave it out"
        raise InputError(explain(where, must, "a value outside", do))
    return row.astype(np.float32)


def _number(given: Any, name: str, where: str) -> float:
    try:
        return float(given)
    except (TypeError, ValueError):
        must, do = f"{name} must be a number", "Convert it"
        raise InputError(explain(where, must, type(given).__name__, do)) from None
