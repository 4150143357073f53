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
    is_taken : bool
        Whether this version of the model takes it in; one that does not passes it by.
    """

    logged: Logged
    row: Any
    state: bytes = b""
    answer: bytes = b""
    is_taken: bool = True


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

    def require_present(self, time: int) -> None:
        """Require that a time lies in the entity's present run.

        Raises
        ------
        TooLateError
            The entity has begun anew since.
        """
        if any(one.logged.begins for one in self.events[self.place(time) :]):
            must, given = "an event must belong to the present run", "one from before it began"
            raise TooLateError(explain("serve", must, given, "Send it under another entity"))

    def insert(self, logged: Logged, row: Any) -> bytes:
        """Take in a late event, and all after it again; gives its answer.

        Raises
        ------
        EventError
            It, or one that comes after it now, is refused; everything stays as it was.
        """
        place = self.place(logged.time)
        before = [Lived(logged, row), *self.events[place:]]
        after = self._follow(place, before)
        if any(one.is_taken and not now.is_taken for one, now in zip(before, after, strict=True)):
            must, given = "a late event and all after it must fit the model", "one that does not"
            raise EventError(explain("serve", must, given, "Look at its values and its time"))
        self.events[place:] = after
        return after[0].answer

    def admit(self, logged: Logged) -> None:
        """Take in an event that another version has taken, in its place; `live` comes after."""
        self.events.insert(self.place(logged.time), Lived(logged, _read(self.stream, logged)))

    def live(self) -> None:
        """Go through all events from the base."""
        self.events = self._follow(0, self.events)

    @property
    def state(self) -> bytes:
        """State after the last event."""
        return self.events[-1].state if self.events else self.base

    def _follow(self, place: int, events: list[Lived]) -> list[Lived]:
        """Go through events that stand from a place on."""
        state = self.events[place - 1].state if place else self.base
        lived: list[Lived] = []
        for one in events:
            if one.logged.begins:
                state = starts(self.stream, [self.name])[0]
            result = _unread(one.row) or step(
                self.stream, [state], [one.row], [one.logged.time]
            )[0]  # fmt: skip
            if isinstance(result, EventError):
                told = one.logged.answer if one.logged.revised is None else one.logged.revised
                lived.append(Lived(one.logged, one.row, state, told, is_taken=False))
            else:
                state = result[0]
                lived.append(Lived(one.logged, one.row, *result))
        return lived


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
        More than `most` events would have to be gone through again, or too little was kept.
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
    past = Past(stream, entity.name, base)
    applied = [one for one in logged if one.status == "applied"]
    past.events = [Lived(one, _read(stream, one)) for one in applied]
    past.live()
    return past


def _read(stream: AbstractStream, logged: Logged) -> Any:
    """Read an event of the log; the reason why not, where this version of the model does not."""
    try:
        return stream.read(from_json(logged.data))
    except EventError as problem:
        return problem


def _unread(row: Any) -> EventError | None:
    return row if isinstance(row, EventError) else None
