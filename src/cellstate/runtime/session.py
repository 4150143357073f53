"""One entity's memory in this process: events in, answers out, snapshots to go back to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cellstate.errors import ArgumentTypeError, EventError, explain
from cellstate.runtime.moments import read_moment, show_moment
from cellstate.runtime.phases import Phase, move
from cellstate.runtime.snapshot import Snapshot
from cellstate.runtime.stream import AbstractStream, Answer


class Session:
    """A model that follows one entity.

    Parameters
    ----------
    stream : AbstractStream
        A trained model, of `cellstate.tasks.streams.load_stream`, say; sessions may share one.
    entity : str
        Name of what is followed: a patient, a sensor, a machine.

    Attributes
    ----------
    stream : AbstractStream
    entity : str
    phase : {"new", "live", "ended"}
        Nothing was pushed yet; events may come; none may come without beginning anew.
    events : int
        Taken in since the beginning.
    time : int or None
        Microseconds of the last event, None before the first.

    Examples
    --------
    >>> import numpy as np
    >>> from cellstate import network
    >>> from cellstate.runtime import NetworkStream
    >>> rng = np.random.default_rng(0)
    >>> stream = NetworkStream((network.LSTM("body", 1, 2),), {
    ...     "body.weight_ih_l0": rng.normal(size=(8, 1)), "body.bias_ih_l0": rng.normal(size=8),
    ...     "body.weight_hh_l0": rng.normal(size=(8, 2)), "body.bias_hh_l0": rng.normal(size=8),
    ... })
    >>> session = Session(stream, "pump-7")
    >>> first = session.push({"x": [0.5]})
    >>> kept = session.snapshot()
    >>> session.push({"x": [2.0]}) == first
    False
    >>> session.restore(kept)
    >>> session.events, session.peek()["answer"] == first
    (1, True)
    """

    def __init__(self, stream: AbstractStream, entity: str) -> None:
        if not isinstance(entity, str) or not entity:
            must, do = "entity must be a name", "Give text, such as 'sensor-1'"
            given = "an empty text" if isinstance(entity, str) else type(entity).__name__
            raise ArgumentTypeError(explain("Session", must, given, do))
        self.stream, self.entity = stream, entity
        self._make_anew()

    def push(self, data: Mapping[str, Any], time: Any = None) -> Answer:
        """Take in one event and answer.

        Parameters
        ----------
        data : mapping of str to value
            What the event brings, by the names of `stream.inputs`.
        time : datetime, str, numpy.datetime64, int or float, optional
            When it happened, see `cellstate.runtime.moments.read_moment`; some jobs need it.

        Returns
        -------
        dict
            By the names of `stream.outputs`, JSON-ready.

        Raises
        ------
        EventError
            The event cannot be taken in, comes before the last one, or follows the end. The
            session stays as it was.
        """
        after = move(self.phase, "push")
        moment = self._moment(time)
        row = self.stream.read(data)
        states, [answer] = self.stream.step(self._states, [row], np.array([moment], np.int64))
        if isinstance(answer, EventError):
            raise answer
        self._states, self._answer = states, answer
        self.phase, self.events = after, self.events + 1
        if time is not None or self.stream.needs_time:
            self.time = moment
        return answer

    def peek(self) -> dict[str, Any]:
        """Tell where the session stands, without changing anything.

        Returns
        -------
        dict
            ``entity``, ``phase``, ``events``, ``time`` (ISO 8601 or None), ``state_bytes`` and
            ``answer`` (that of the last event, None before the first), JSON-ready.
        """
        return {
            "entity": self.entity,
            "phase": self.phase,
            "events": self.events,
            "time": None if self.time is None else show_moment(self.time),
            "state_bytes": self.stream.state_dtype.itemsize,
            "answer": self._answer,
        }

    def begin(self) -> None:
        """Forget everything of the entity: it is as new."""
        move(self.phase, "begin")
        self._make_anew()

    def end(self) -> None:
        """Close the entity: no event may follow that does not begin anew.

        Raises
        ------
        EventError
            Nothing was pushed yet, or it was ended before.
        """
        self.phase = move(self.phase, "end")

    def snapshot(self) -> Snapshot:
        """Write down the memory, to go back to it or to go on elsewhere."""
        return Snapshot(
            self.entity,
            self.stream.task,
            self.stream.fingerprint,
            self.phase,
            self.events,
            self.time,
            self._answer,
            self._states.tobytes(),
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot of the same entity and model.

        Raises
        ------
        InputError
            It is of another entity or model, or no snapshot; the session stays as it was.
        """
        if not isinstance(snapshot, Snapshot):
            must, do = (
                "a session is restored from a Snapshot",
                "Read bytes with Snapshot.from_bytes",
            )
            raise ArgumentTypeError(explain("Session.restore", must, type(snapshot).__name__, do))
        snapshot.check(self.entity, self.stream)
        self.phase = move(self.phase, "restore", snapshot.phase)
        self._states = np.frombuffer(snapshot.state, self.stream.state_dtype).copy()
        self._answer, self.events, self.time = snapshot.answer, snapshot.events, snapshot.time

    def __repr__(self) -> str:
        return f"<Session of {self.stream.task!r}, {self.phase}, {self.events:,} events>"

    def _make_anew(self) -> None:
        self.phase: Phase = "new"
        self.events = 0
        self.time: int | None = None
        self._answer: Answer | None = None
        self._states = self.stream.start([self.entity])

    def _moment(self, time: Any) -> int:
        if time is None:
            if self.stream.needs_time:
                must = f"an event for the job {self.stream.task!r} must say when it happened"
                raise EventError(explain("event", must, "no time", "Give time="))
            return self.time or 0
        moment = read_moment(time)
        if self.time is not None and moment < self.time:
            must = "an event must not come before the last one"
            do = "Sort events by time, or go back with restore and push those since again"
            raise EventError(explain("event", must, "an earlier one", do))
        return moment
