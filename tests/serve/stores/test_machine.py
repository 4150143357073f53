"""A store against dictionaries, through random lives with restarts and two owners."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from cellstate.errors import FencedError, StoreError
from cellstate.serve.stores.store import (
    AbstractStore,
    Entity,
    Logged,
    Position,
    Snapshot,
    StateRow,
    Version,
    Work,
)
from tests.serve.dictionary_store import DictionaryStore, Disk
from tests.serve.stores.conftest import Place, PostgresqlPlace, SqlitePlace

NAMES = [("a", "pump"), ("a", "fan"), ("b", "pump"), ("", "é🙂")]
TIMES = st.integers(-3, 12)
VERSIONS = st.integers(1, 2)
SMALL = st.binary(max_size=3)


class StoreMachine(RuleBasedStateMachine):
    """Every rule does the same to the store and to dictionaries, and compares."""

    place: Place

    def __init__(self) -> None:
        super().__init__()
        self.disk = Disk()
        self.model = DictionaryStore(self.disk)
        self.store = self.place.open()
        self.now, self.ids = 0, 0
        self.keys: dict[tuple[str, str], int] = {}
        self.seqs: dict[int, int] = {}
        self._own()
        self._set_versions({1, 2})

    def _own(self) -> None:
        for shard in range(self.store.shards):
            self.store.own(shard, "me", lease_s=60, take_over=True)
        self.model.own(0, "me", lease_s=60, take_over=True)

    def teardown(self) -> None:
        self.store.close()

    def _position(self, draw: st.DataObject) -> Position:
        return Position(draw.draw(TIMES), draw.draw(st.integers(0, 12)))

    def _work(self, draw: st.DataObject) -> Work:
        work = Work()
        self.now += 1
        alive = dict(self.keys)
        if alive and draw.draw(st.integers(0, 9)) == 0:
            name = draw.draw(st.sampled_from(sorted(alive)))
            work.forget.append(alive.pop(name))
        touched = draw.draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
        for name in touched:
            if name not in alive:
                alive[name] = self.store.new_keys(1)[0]
            key = alive[name]
            seq = self.seqs.get(key, 0)
            for _ in range(draw.draw(st.integers(0, 4))):
                seq += 1
                self.ids += 1
                work.events.append(
                    Logged(
                        key,
                        seq,
                        f"id {self.ids}" if draw.draw(st.booleans()) else None,
                        draw.draw(TIMES),
                        draw.draw(st.sampled_from(["applied", "quarantined"])),
                        draw.draw(st.booleans()),
                        draw.draw(SMALL),
                        draw.draw(SMALL),
                    )
                )
            phase = draw.draw(st.sampled_from(["live", "ended"]))
            version = draw.draw(st.sampled_from(self.versions))
            work.entities.append(Entity(key, *name, phase, version, seq, self.now, self.now))
            for number in draw.draw(st.sets(st.sampled_from(self.versions))):
                work.states.append(StateRow(key, number, seq, draw.draw(SMALL)))
            gone = set(work.forget)
            logged = [e for e in self.model.log(key) if e.key not in gone] + work.events
            known = sorted({e.seq for e in logged if e.key == key})
            if known and draw.draw(st.booleans()):
                for old in draw.draw(st.sets(st.sampled_from(known), max_size=3)):
                    work.revised.append((key, old, draw.draw(SMALL)))
            if draw.draw(st.integers(0, 4)) == 0:
                work.undone.append((key, self._position(draw)))
            if draw.draw(st.booleans()):
                number = draw.draw(st.sampled_from(self.versions))
                kept = Snapshot(key, number, self._position(draw), draw.draw(SMALL))
                work.snapshots.append(kept)
            if draw.draw(st.integers(0, 4)) == 0:
                work.trimmed.append((key, self._position(draw)))
        return work

    def _note(self, work: Work) -> None:
        self.keys = {name: key for name, key in self.keys.items() if key not in work.forget}
        for entity in work.entities:
            self.keys[entity.tenant, entity.name] = entity.key
            self.seqs[entity.key] = entity.seq

    @rule(draw=st.data())
    def commit(self, draw: st.DataObject) -> None:
        work = self._work(draw)
        self.model.commit(work)
        self.store.commit(work)
        self._note(work)

    @rule(draw=st.data())
    def commit_with_a_name_that_is_taken(self, draw: st.DataObject) -> None:
        work = self._work(draw)
        if not self.keys.keys() - {(e.tenant, e.name) for e in work.entities} or work.forget:
            return
        name = min(self.keys.keys() - {(e.tenant, e.name) for e in work.entities})
        key = self.store.new_keys(1)[0]
        work.entities.append(Entity(key, *name, "live", 1, 1, 1, 1))
        with pytest.raises(StoreError):
            self.store.commit(work)

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = self.place.open()
        self._own()

    @rule(draw=st.data())
    def lose_the_shards(self, draw: st.DataObject) -> None:
        other = self.place.open()
        for shard in range(other.shards):
            other.own(shard, "other", lease_s=60, take_over=True)
        work = self._work(draw)
        with pytest.raises(FencedError):
            self.store.commit(work)
        self.model.commit(work)
        other.commit(work)
        self._note(work)
        other.close()
        self.store.close()
        self.store = self.place.open()
        self._own()

    @rule(numbers=st.sets(VERSIONS, min_size=1))
    def change_versions(self, numbers: set[int]) -> None:
        self._set_versions(numbers)

    def _set_versions(self, numbers: set[int]) -> None:
        self.versions = sorted(numbers)
        versions = [Version(n, f"f{n}", "", "current") for n in self.versions]
        self.store.set_versions(versions)
        self.model.set_versions(versions)

    @rule(draw=st.data())
    def read_a_log(self, draw: st.DataObject) -> None:
        if not self.keys:
            return
        key = self.keys[draw.draw(st.sampled_from(sorted(self.keys)))]
        asked = {
            "after": self._position(draw) if draw.draw(st.booleans()) else None,
            "limit": draw.draw(st.none() | st.integers(0, 5)),
            "newest_first": draw.draw(st.booleans()),
            "status": draw.draw(st.sampled_from([None, "applied", "quarantined"])),
        }
        assert self.store.log(key, **asked) == self.model.log(key, **asked)
        with closing(self.store.reader()) as reader:
            assert reader.log(key, **asked) == self.model.log(key, **asked)

    @rule(draw=st.data())
    def find_a_snapshot(self, draw: st.DataObject) -> None:
        if not self.keys:
            return
        key = self.keys[draw.draw(st.sampled_from(sorted(self.keys)))]
        asked = (key, draw.draw(VERSIONS), self._position(draw))
        assert self.store.snapshot(*asked) == self.model.snapshot(*asked)

    @rule(before=st.integers(0, 30))
    def find_the_idle(self, before: int) -> None:
        assert self.store.idle(before, 100) == self.model.idle(before, 100)

    @invariant()
    def everything_is_equal(self) -> None:
        self.check(self.store)
        with closing(self.store.reader()) as reader:
            self.check(reader)

    def check(self, store: AbstractStore) -> None:
        assert store.load(NAMES) == self.model.load(NAMES)
        assert store.entities() == self.model.entities()
        assert store.entities(tenant="a") == self.model.entities(tenant="a")
        assert store.count() == self.model.count()
        assert store.versions() == self.model.versions()
        keys = [*self.keys.values(), 0]
        ids = [(key, f"id {number}") for key in keys for number in range(self.ids + 2)]
        assert store.answered(ids) == self.model.answered(ids)
        for key in keys:
            assert store.log(key) == self.model.log(key)


def run(machine: type[StoreMachine], examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_sqlite_store_is_what_dictionaries_are(tmp_path):
    pytest.importorskip("apsw")

    class OnSqlite(StoreMachine):
        @property
        def place(self):
            if not hasattr(self, "_place"):
                folder = tempfile.mkdtemp(dir=tmp_path)
                self._place = SqlitePlace(Path(folder) / "store.db")
            return self._place

    run(OnSqlite, 10, 20)


def test_postgresql_store_is_what_dictionaries_are(server):
    class OnPostgresql(StoreMachine):
        @property
        def place(self):
            if not hasattr(self, "_place"):
                self._place = PostgresqlPlace(server.url)
            return self._place

    run(OnPostgresql, 6, 15)
