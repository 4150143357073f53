"""Late events: back to a kept state, in between, and forward again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cellstate.errors import EventError, explain
from cellstate.runtime.stream import AbstractStream
from cellstate.serve.stepping import starts, step
from cellstate.serve.stores.store import AbstractStore, Entity, Logged, Position
from cellstate.serve.wire import from_json


class TooLateError(EventError):
    """An event lies further back than anything that was kept."""


@dataclass(slots=True)
class Lived:
    """An event with what came of it.

    Attributes
    ----------
    logged : Logged
    row : object
        As the stream read it.
    state : bytes
        After it.
    answer : bytes
        What it is answered now.
    """

    logged: Logged
    row: Any
    state: bytes = b""
    answer: bytes = b""


@dataclass
class Past:
    """The recent past of an entity in one version of the model, from a state before it.

    Attributes
    ----------
    stream : AbstractStream
    name : str
        The entity's.
    base : bytes
        State before the first event.
    events : list of Lived
        In the order of (time, seq).
    """

    stream: AbstractStream
    name: str
    base: bytes
    events: list[Lived] = field(default_factory=list)

    def place(self, time: int) -> int:
        """Say behind how many events a new one of a time belongs."""
        place = len(self.events)
        while place and self.events[place - 1].logged.time > time:
            place -= 1
        return place

    def insert(self, logged: Logged, row: Any) -> bytes:
        """Take in a late event, and all after it again; gives its answer.

        Raises
        ------
        EventError
            It, or one that comes after it now, is refused; everything stays as it was.
        """
        place = self.place(logged.time)
        if any(one.logged.begins for one in self.events[place:]):
            must, given = "an event must belong to the present run", "one from before it began"
            raise TooLateError(explain("serve", must, given, "Send it under another entity"))
        moved = [Lived(logged, row), *self.events[place:]]
        steps = self._follow(place, moved)
        self.events[place:] = [
            Lived(one.logged, one.row, *result) for one, result in zip(moved, steps, strict=True)
        ]
        return self.events[place].answer

    def live(self) -> None:
        """Go through all events from the base.

        Raises
        ------
        EventError
            One is refused.
        """
        steps = self._follow(0, self.events)
        for one, (state, answer) in zip(self.events, steps, strict=True):
            one.state, one.answer = state, answer

    @property
    def state(self) -> bytes:
        """State after the last event."""
        return self.events[-1].state if self.events else self.base

    def _follow(self, place: int, events: list[Lived]) -> list[tuple[bytes, bytes]]:
        state = self.events[place - 1].state if place else self.base
        steps: list[tuple[bytes, bytes]] = []
        for one in events:
            if one.logged.begins:
                state = starts(self.stream, [self.name])[0]
            result = step(self.stream, [state], [one.row], [one.logged.time])[0]
            if isinstance(result, EventError):
                raise result
            steps.append(result)
            state = result[0]
        return steps


def past_of(
    store: AbstractStore,
    stream: AbstractStream,
    entity: Entity,
    version: int,
    *,
    since: int,
    arrived: int,
    most: int,
) -> Past:
    """Read an entity's past from the last kept state that no event of time `since` precedes.

    Parameters
    ----------
    store, stream, entity, version
    since : int
        Microseconds.
    arrived : int
        Arrival number of the last event that is committed.
    most : int
        Events.

    Raises
    ------
    TooLateError
        More than `most` events would have to be gone through again, too little was kept, or the
        log holds an event that the stream refuses.
    """
    kept = store.snapshot(entity.key, version, Position(since, 2**62))
    after = None if kept is None else kept.position
    logged = store.log(entity.key, after=after, limit=most + 1)
    # Every arrival has one entry: fewer of them mean that the log does not reach to the beginning.
    is_whole = kept is not None or len(logged) == arrived
    if len(logged) > most or not is_whole:
        must = f"a late event must be less than {most} events late, and within the kept log"
        do = "Serve with a larger --late or --history, or leave it out"
        raise TooLateError(explain("serve", must, "one from before that", do))
    base = starts(stream, [entity.name])[0] if kept is None else kept.state
    applied = [one for one in logged if one.status == "applied"]
    try:
        past = Past(stream, entity.name, base)
        past.events = [Lived(one, stream.read(from_json(one.data))) for one in applied]
        past.live()
    except EventError as problem:
        must, given = "the log must fit the model", f"an event of entity {entity.key} that does not"
        do = "Serve the model that wrote it"
        raise TooLateError(explain("serve", must, given, do)) from problem
    return past
