"""One stay as it happens: a risk for every event, in constant time, from a memory of fixed size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.errors import EventError, InputError, explain
from cellstate.tasks.health.vitals.answering import Answering
from cellstate.tasks.health.vitals.events import HOUR, MonitorStream

WHERE = "VitalsStream.push"
MOST_HOURS = 1e8  # some 10,000 years, in which microseconds can be counted


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
        self._stream = MonitorStream(answering)
        self._first = self._stream.read(static or {})[1]
        self._states = self._stream.start([""])

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
        values, _ = self._stream.read(measured or {})
        time = np.array([_micros(hour)], dtype=np.int64)
        states, [answer] = self._stream.step(self._states, [(values, self._first)], time)
        if isinstance(answer, EventError):
            raise answer
        self._states = states
        return Reading(**answer)


def _micros(given: Any) -> int:
    try:
        hour = float(given)
    except (TypeError, ValueError):
        must, do = "each hour must be a number", "Convert it"
        raise InputError(explain(WHERE, must, type(given).__name__, do)) from None
    if not abs(hour) <= MOST_HOURS:
        must = f"each hour must be finite and at most {MOST_HOURS:g} in size"
        raise InputError(explain(WHERE, must, "another", "Count hours from the stay's beginning"))
    return round(hour * HOUR)
