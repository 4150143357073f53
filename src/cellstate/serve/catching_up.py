"""States of another version of the model, built from the logs of many entities in lockstep."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cellstate.errors import EventError
from cellstate.runtime.stream import AbstractStream
from cellstate.serve.stepping import starts, step
from cellstate.serve.stores.store import AbstractStore, Entity, Logged, Position, Snapshot
from cellstate.serve.wire import from_json

AT_ONCE = 200  # events of one entity that are read together


@dataclass(slots=True)
class Reader:
    """One entity on its way through its log."""

    entity: Entity
    state: bytes
    position: Position | None = None
    waiting: deque[tuple[Logged, Any]] = field(default_factory=deque)
    is_done: bool = False


class CatchingUp:
    """Some entities whose logs are gone through by a version of the model.

    Parameters
    ----------
    store : AbstractStore
    stream : AbstractStream
    version : int
    entities : sequence of Entity
    every : int
        Events between two states that are kept to go back to.

    Attributes
    ----------
    readers : list of Reader
    snapshots : list of Snapshot
        Kept on the way.
    refused : int
        Events that this version does not take in, and that its states have not seen.
    """

    def __init__(
        self,
        store: AbstractStore,
        stream: AbstractStream,
        version: int,
        entities: Sequence[Entity],
        every: int,
    ) -> None:
        self._store, self._stream, self._version, self._every = store, stream, version, every
        begun = starts(stream, [entity.name for entity in entities]) if entities else []
        self.readers = [Reader(*pair) for pair in zip(entities, begun, strict=True)]
        self.snapshots: list[Snapshot] = []
        self.refused = 0

    def advance(self) -> bool:
        """Take one event of each entity; says whether all have reached the end of their logs.

        The answer holds until an event of one of them is committed.
        """
        wave: list[tuple[Reader, Logged, Any]] = []
        for reader in self.readers:
            if not reader.waiting:
                self._refill(reader)
            if reader.waiting:
                wave.append((reader, *reader.waiting.popleft()))
        for reader, logged, _ in wave:
            if logged.begins:
                reader.state = starts(self._stream, [reader.entity.name])[0]
        results = step(
            self._stream,
            [reader.state for reader, _, _ in wave],
            [row for _, _, row in wave],
            [logged.time for _, logged, _ in wave],
        ) if wave else []  # fmt: skip
        for (reader, logged, _), result in zip(wave, results, strict=True):
            if isinstance(result, EventError):
                self.refused += 1
                continue
            reader.state = result[0]
            if logged.seq % self._every == 0:
                at = Position(logged.time, logged.seq)
                kept = Snapshot(reader.entity.key, self._version, at, reader.state)
                self.snapshots.append(kept)
        return all(reader.is_done and not reader.waiting for reader in self.readers)

    def restart(self, keys: set[int]) -> None:
        """Begin anew with entities whose past has changed."""
        for reader in self.readers:
            if reader.entity.key in keys:
                reader.state = starts(self._stream, [reader.entity.name])[0]
                reader.position, reader.is_done = None, False
                reader.waiting.clear()

    def _refill(self, reader: Reader) -> None:
        key = reader.entity.key
        logged = self._store.log(key, after=reader.position, limit=AT_ONCE, status="applied")
        reader.is_done = not logged
        for one in logged:
            reader.position = Position(one.time, one.seq)
            try:
                row = self._stream.read(from_json(one.data))
            except EventError:
                self.refused += 1
            else:
                reader.waiting.append((one, row))
