"""A store in dictionaries: what survives is a `Disk`, and commits can be made to fail."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cellstate.errors import FencedError, StoreError
from cellstate.serve.stores.store import (
    AbstractStore,
    Entity,
    Held,
    Logged,
    Position,
    Snapshot,
    StateRow,
    Version,
    Work,
    shard_of,
)


@dataclass
class Tables:
    """What a transaction changes."""

    entities: dict[int, Entity] = field(default_factory=dict)
    states: dict[tuple[int, int], StateRow] = field(default_factory=dict)
    events: dict[tuple[int, int], Logged] = field(default_factory=dict)
    snapshots: dict[tuple[int, int, Position], Snapshot] = field(default_factory=dict)
    versions: list[Version] = field(default_factory=list)


@dataclass
class Disk:
    """What processes share."""

    shards: int = 1
    tables: Tables = field(default_factory=Tables)
    tokens: dict[int, int] = field(default_factory=dict)
    holders: dict[int, str | None] = field(default_factory=dict)
    next_key: int = 1


class DictionaryStore(AbstractStore):
    """See `AbstractStore`. `fails` makes the next commit fail "before" or "after" it is written."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.shards = disk.shards
        self.fails = ""
        self._tokens: dict[int, int] = {}

    @property
    def _tables(self) -> Tables:
        return self.disk.tables

    def own(self, shard: int, holder: str, *, lease_s: float, take_over: bool = False) -> int:
        held = self.disk.holders.get(shard)
        if held not in (None, holder) and not take_over:
            raise FencedError(f"{held} has it")
        self.disk.tokens[shard] = self.disk.tokens.get(shard, 0) + 1
        self.disk.holders[shard] = holder
        self._tokens[shard] = self.disk.tokens[shard]
        return self._tokens[shard]

    def renew(self, lease_s: float) -> None:
        self._check(self._tokens)

    def release(self) -> None:
        for shard, token in self._tokens.items():
            if self.disk.tokens[shard] == token:
                self.disk.holders[shard] = None
        self._tokens.clear()

    def holder(self, shard: int) -> str | None:
        return self.disk.holders.get(shard)

    def new_keys(self, count: int) -> range:
        first = self.disk.next_key
        self.disk.next_key += count
        return range(first, first + count)

    def load(self, names: Sequence[tuple[str, str]]) -> list[Held | None]:
        by_name = {(e.tenant, e.name): e for e in self._tables.entities.values()}
        return [self._held(by_name[name]) if name in by_name else None for name in names]

    def answered(self, ids: Sequence[tuple[int, str]]) -> dict[tuple[int, str], Logged]:
        wanted = set(ids)
        events = self._tables.events.values()
        return {(e.key, e.id): e for e in events if e.id is not None and (e.key, e.id) in wanted}

    def commit(self, work: Work) -> None:
        failing, self.fails = self.fails, ""
        tables = copy.deepcopy(self._tables)
        touched = {key: tables.entities[key] for key in work.forget if key in tables.entities}
        touched |= {entity.key: entity for entity in work.entities}
        self._check({shard_of(e.tenant, e.name, self.shards) for e in touched.values()})
        if failing == "before":
            raise StoreError("the disk is full")
        _apply(tables, work)
        self.disk.tables = tables
        if failing == "after":
            raise StoreError("the connection was lost")

    def log(
        self,
        key: int,
        *,
        after: Position | None = None,
        limit: int | None = None,
        newest_first: bool = False,
        status: str | None = None,
    ) -> list[Logged]:
        rows = [e for e in self._tables.events.values() if e.key == key]
        rows = [e for e in rows if status is None or e.status == status]
        rows.sort(key=lambda e: (e.time, e.seq), reverse=newest_first)
        if after is not None:
            rows = [e for e in rows if ((e.time, e.seq) > after) != newest_first]
            rows = [e for e in rows if (e.time, e.seq) != after]
        return rows[:limit]

    def snapshot(self, key: int, version: int, before: Position) -> Snapshot | None:
        found = [
            kept
            for kept in self._tables.snapshots.values()
            if kept.key == key and kept.version == version and kept.position < before
        ]
        return max(found, key=lambda kept: kept.position, default=None)

    def entities(
        self, *, tenant: str | None = None, after: int = 0, limit: int = 1000
    ) -> list[Entity]:
        rows = sorted(self._tables.entities.values(), key=lambda e: e.key)
        rows = [e for e in rows if e.key > after and tenant in (None, e.tenant)]
        return [replace(e) for e in rows[:limit]]

    def count(self, tenant: str | None = None) -> int:
        return len(self.entities(tenant=tenant, limit=10**9))

    def idle(self, before: int, limit: int) -> list[Entity]:
        return [e for e in self.entities(limit=10**9) if e.touched < before][:limit]

    def versions(self) -> list[Version]:
        return list(self._tables.versions)

    def set_versions(self, versions: Sequence[Version]) -> None:
        tables = copy.deepcopy(self._tables)
        tables.versions = list(versions)
        kept = {one.number for one in versions}
        tables.states = {k: v for k, v in tables.states.items() if v.version in kept}
        tables.snapshots = {k: v for k, v in tables.snapshots.items() if v.version in kept}
        self.disk.tables = tables

    def reader(self) -> DictionaryStore:
        return DictionaryStore(self.disk)

    def close(self) -> None:
        self.release()

    def _held(self, entity: Entity) -> Held:
        rows = self._tables.states.values()
        return Held(replace(entity), {s.version: s for s in rows if s.key == entity.key})

    def _check(self, shards: set[int] | dict[int, int]) -> None:
        for shard in shards:
            if self._tokens.get(shard) != self.disk.tokens.get(shard):
                raise FencedError("another process has it")


def _apply(tables: Tables, work: Work) -> None:
    for key in work.forget:
        tables.entities.pop(key, None)
        tables.states = {at: row for at, row in tables.states.items() if at[0] != key}
        tables.events = {at: row for at, row in tables.events.items() if at[0] != key}
        tables.snapshots = {at: row for at, row in tables.snapshots.items() if at[0] != key}
    for entity in work.entities:
        tables.entities[entity.key] = replace(entity)
    for logged in work.events:
        assert (logged.key, logged.seq) not in tables.events, "an arrival number twice"
        twins = [e for e in tables.events.values() if e.key == logged.key and e.id == logged.id]
        assert logged.id is None or not twins, "an id twice"
        tables.events[logged.key, logged.seq] = logged
    for key, seq, answer in work.revised:
        tables.events[key, seq] = tables.events[key, seq]._replace(revised=answer)
    for key, place in work.undone:
        for at in [at for at in tables.snapshots if at[0] == key and at[2] > place]:
            del tables.snapshots[at]
    for kept in work.snapshots:
        tables.snapshots[kept.key, kept.version, kept.position] = kept
    for row in work.states:
        tables.states[row.key, row.version] = row
    for key, place in work.trimmed:
        events = tables.events.values()
        for logged in [e for e in events if e.key == key and (e.time, e.seq) <= place]:
            del tables.events[key, logged.seq]
        for at in [at for at in tables.snapshots if at[0] == key and at[2] <= place]:
            del tables.snapshots[at]
