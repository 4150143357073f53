"""What late events change: the state, the kept states, and the answers of all that came after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from cellstate.errors import EventError
from cellstate.runtime.stream import AbstractStream
from cellstate.serve.events import Incoming, Job
from cellstate.serve.memory import Working
from cellstate.serve.replay import Past, TooLateError, past_of
from cellstate.serve.settings import Settings
from cellstate.serve.stores.store import (
    AbstractStore,
    Logged,
    Position,
    Snapshot,
    StateRow,
    Work,
)
from cellstate.serve.wire import to_json

BEHIND = -1  # the event up to which a state has seen that must be built anew


def late_ones(jobs: Iterable[Job], before: int) -> list[Job]:
    """Take the events at the front that are earlier than a time, up to one that ends the entity.

    One whose id came before waits for what becomes of that.
    """
    late: list[Job] = []
    for job in jobs:
        event = job.event
        if event.time is None or event.time >= before or event.begins or job.twin is not None:
            break
        late.append(job)
        if event.ends:
            break
    return late


class Rewinding:
    """Late events of one entity, taken in one after the other in the order of their arrival.

    Each is answered as if no later arrival were known, so an answer does not depend on what else
    came in the same request.

    Parameters
    ----------
    store : AbstractStore
        Must hold all events of the entity.
    streams : mapping of int to AbstractStream
        By version.
    settings : Settings
    one : Working
    events : sequence of Incoming
        All that will be inserted.

    Attributes
    ----------
    too_late : str
        Why the earliest of them lies too far back; empty where it does not.
    """

    def __init__(
        self,
        store: AbstractStore,
        streams: Mapping[int, AbstractStream],
        settings: Settings,
        one: Working,
        events: Sequence[Incoming],
    ) -> None:
        self._store, self._streams, self._settings, self._one = store, streams, settings, one
        self._entity = replace(one.entity)  # as it is committed
        self._since = min(event.time or 0 for event in events)
        self._inserted: list[Logged] = []
        self.steps = 0
        self.too_late = ""
        try:
            self._past = self._read(one.entity.version)
        except TooLateError as problem:
            self.too_late = str(problem)

    def insert(self, event: Incoming, seq: int) -> bytes | EventError:
        """Take in one event as arrival number `seq`; gives its answer, or why it is refused."""
        try:
            self._past.require_present(event.time or 0)
            row = self._past.stream.read(event.data)
            logged = Logged(
                self._entity.key,
                seq,
                event.id,
                event.time or 0,
                "applied",
                False,
                to_json(event.data),
                b"",
            )
            answer = self._past.insert(logged, row)
        except EventError as problem:
            return problem
        self._inserted.append(logged._replace(answer=answer))
        return answer

    def write(self, work: Work) -> set[int]:
        """Add what has changed to a transaction; returns the entity's key if anything has."""
        if not self._inserted:
            return set()
        one = self._one
        key, seq = one.entity.key, one.entity.seq
        first = min(Position(logged.time, logged.seq) for logged in self._inserted)
        work.undone.append((key, first))
        self._tell(work, first)
        for version in list(one.states):
            past = self._past_in(version)
            if past is None:
                one.states[version] = one.states[version]._replace(seq=BEHIND)
                continue
            one.states[version] = StateRow(key, version, seq, past.state)
            self.steps += len(past.events)
            for lived in past.events:
                at = Position(lived.logged.time, lived.logged.seq)
                if at >= first and at.seq % self._settings.snapshot_every == 0:
                    work.snapshots.append(Snapshot(key, version, at, lived.state))
        return {key}

    def _tell(self, work: Work, first: Position) -> None:
        """Log the new events, and what others would be answered now."""
        now = {one.logged.seq: one.answer for one in self._past.events}
        for logged in self._inserted:
            revised = now[logged.seq]
            work.events.append(
                logged if revised == logged.answer else logged._replace(revised=revised)
            )
        new = {logged.seq for logged in self._inserted}
        for one in self._past.events:
            logged = one.logged
            if logged.seq in new or Position(logged.time, logged.seq) < first:
                continue
            if one.answer != (logged.answer if logged.revised is None else logged.revised):
                work.revised.append((logged.key, logged.seq, one.answer))

    def _past_in(self, version: int) -> Past | None:
        """Give the past in a version, with the new events; None where it cannot be told."""
        if version == self._entity.version:
            return self._past
        if version not in self._streams:
            return None
        try:
            past = self._read(version)
        except TooLateError:
            return None
        for logged in self._inserted:
            past.admit(logged)
        past.live()
        return past

    def _read(self, version: int) -> Past:
        return past_of(
            self._store,
            self._streams[version],
            self._entity,
            version,
            since=self._since,
            arrived=self._entity.seq,
            most=self._settings.max_replay,
        )
