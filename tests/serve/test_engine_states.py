"""Any history of events, failures, owners, restarts and model changes, against an oracle."""

from __future__ import annotations

import tempfile
import time
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from cellstate.serve.engine import Engine
from cellstate.serve.events import Incoming, Outcome
from cellstate.serve.settings import Settings
from cellstate.serve.stores import open_store
from cellstate.serve.wire import from_json
from tests.serve.dictionary_store import DictionaryStore, Disk
from tests.serve.oracle import Oracle
from tests.serve.tally import Tally

NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.sampled_from([0.0, 1.5, -3.25, 700.0, 1100.0, -1300.0, 5e6, 666.0])
IDS = st.one_of(st.none(), st.sampled_from([f"id {n}" for n in range(12)]))
TIMES = st.one_of(st.none(), st.integers(0, 30).map(lambda n: n * 1_000_000))
EVENTS = st.builds(
    Incoming,
    NAMES,
    VALUES.map(lambda x: {"x": x}),
    IDS,
    TIMES,
    st.sampled_from([False] * 9 + [True]),
    st.sampled_from([False] * 9 + [True]),
)
SETTINGS = Settings(snapshot_every=3, max_ahead_s=1e9, cache=2)
NOW = 5.0  # seconds: the server's clock stands still, so that late events are common
OLD, NEW = 0.25, 0.5


class Serving(RuleBasedStateMachine):
    """One tenant's entities on one store, whoever serves it."""

    def __init__(self) -> None:
        super().__init__()
        self.prepare()
        self.oracle = Oracle(OLD)
        self.answering = OLD
        self.start()

    def prepare(self) -> None:
        """Make what survives a restart."""
        self.disk = Disk()

    def open(self) -> Any:
        return DictionaryStore(self.disk)

    def start(self) -> None:
        self.store = self.open()
        self.reader = self.store.reader()
        known = self.store.versions()
        folder = next((one.folder for one in known if one.role == "current"), str(OLD))
        self.engine = Engine(
            Tally(float(folder)),
            self.store,
            SETTINGS,
            folder=folder,
            load=lambda folder: Tally(float(folder)),
            clock=lambda: NOW,
        )
        self.engine.start()

    def stop(self) -> None:
        self.reader.close()
        assert self.engine.stop()

    def teardown(self) -> None:
        self.stop()

    @rule(batches=st.lists(st.lists(EVENTS, min_size=1, max_size=5), min_size=1, max_size=3))
    def push(self, batches: list[list[Incoming]]) -> None:
        expected = [[self.expected(event) for event in batch] for batch in batches]
        told: list[list[Outcome]] = []
        for batch in batches:
            self.engine.submit("", batch, told.append)
        wait(lambda: len(told) == len(batches))
        for batch, outcomes in zip(expected, told, strict=True):
            for (status, answer), outcome in zip(batch, outcomes, strict=True):
                assert outcome.status == status, outcome.reason
                if answer is not None:
                    assert from_json(outcome.answer) == answer

    @rule(
        events=st.lists(EVENTS, min_size=1, max_size=3, unique_by=lambda event: event.entity),
        moment=st.sampled_from(["before", "after"]),
    )
    @precondition(lambda self: isinstance(self.store, DictionaryStore))
    def push_while_the_store_fails(self, events: list[Incoming], moment: str) -> None:
        self.settled()
        events = [event for event in events if event.id is not None]
        self.store.fails = moment
        unsure = self.engine.push("", events)
        was_tried, self.store.fails = not self.store.fails, ""
        if moment == "after" and was_tried:
            for event in events:
                self.expected(event)
        elif not was_tried:  # there was nothing to write
            assert all(one.status != "failed" for one in unsure)
        outcomes = self.engine.push("", events)  # again, with the same ids
        for event, outcome in zip(events, outcomes, strict=True):
            status, answer = self.expected(event)
            assert outcome.status == status
            if answer is not None:
                assert from_json(outcome.answer) == answer

    @rule(name=NAMES)
    def forget(self, name: str) -> None:
        told: list[bool | None] = []
        self.engine.forget("", name, told.append)
        wait(lambda: bool(told))
        assert told == [self.oracle.forget(name)]

    @rule()
    def restart(self) -> None:
        self.stop()
        self.start()

    @precondition(lambda self: isinstance(self.store, DictionaryStore))
    @rule(event=EVENTS)
    def let_another_take_over(self, event: Incoming) -> None:
        before, store = self.engine, self.store
        store.release = lambda: None  # type: ignore[method-assign]
        self.disk.holders[0] = None  # its lease has run out unseen
        self.start()
        tables = self.disk.tables
        (outcome,) = before.push("", [Incoming(event.entity, {"x": 1.0}, time=NOW_US)])
        assert outcome.status in ("failed", "refused")
        assert self.disk.tables == tables
        assert before.stop()

    @precondition(lambda self: self.phase == "none")
    @rule()
    def offer(self) -> None:
        self.engine.offer(str(NEW if self.answering == OLD else OLD))

    @precondition(lambda self: self.phase not in ("none", "returning"))
    @rule(step=st.sampled_from(["flip", "roll back", "finish", "cancel"]))
    def change(self, step: Any) -> None:
        phase = self.settled()
        legal = {"shadow": ("flip", "cancel"), "flipped": ("roll back", "finish")}
        if step in legal[phase]:
            self.engine.change(step)
            if step in ("flip", "roll back"):
                self.answering = NEW if self.answering == OLD else OLD
                self.settled()

    @property
    def phase(self) -> str:
        return self.engine.rollout()["phase"]

    def settled(self) -> str:
        wait(lambda: self.phase in ("none", "shadow", "flipped"))
        return self.phase

    def expected(self, event: Incoming) -> tuple[str, Any]:
        self.settled()
        self.oracle.weight = self.answering
        return self.oracle.push(
            event.entity,
            event.data["x"],
            now=NOW_US,
            id=event.id,
            time=event.time,
            begins=event.begins,
            ends=event.ends,
        )

    @invariant()
    def states_are_those_of_the_oracle(self) -> None:
        self.settled()
        described = [self.engine.describe("", name) for name in "abc"]
        assert {one["entity"] for one in described if one} == set(self.oracle.lives)
        for one in described:
            if one is None:
                continue
            name, life = one["entity"], self.oracle.lives[one["entity"]]
            assert (one["events"], one["phase"], one["time"]) == (life.seq, life.phase, life.time)
            mean, count = self.oracle.state(name, self.answering)
            peeked = self.engine.peek("", name)
            assert peeked is not None
            assert peeked[1]["mean"][0] == np.float64(mean)
            assert peeked[1]["count"][0] == count
            if life.weight == self.answering:
                assert one["answer"] == {"mean": mean, "count": count}

    @invariant()
    def states_of_both_versions_are_those_of_the_oracle(self) -> None:
        weights = {one.number: float(one.folder) for one in self.reader.versions()}
        for held in self.reader.load([("", name) for name in self.oracle.lives]):
            for row in held.states.values():
                if row.seq == held.entity.seq:  # else it is built anew from the log
                    (state,) = np.frombuffer(row.state, Tally.state_dtype)
                    mean_and_count = self.oracle.state(held.entity.name, weights[row.version])
                    assert (state["mean"], state["count"]) == mean_and_count

    @invariant()
    def log_is_that_of_the_oracle(self) -> None:
        for name, life in self.oracle.lives.items():
            log = self.engine.history("", name)
            assert log is not None
            applied = [(one.time, one.seq) for one in log if one.status == "applied"]
            assert applied == [(event.time, event.seq) for event in life.events]


NOW_US = int(NOW * 1e6)


def wait(is_so: Any, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.001)


class ServingFromAFile(Serving):
    """The same on SQLite, where a restart reads everything back."""

    def prepare(self) -> None:
        self.folder = tempfile.TemporaryDirectory()

    def open(self) -> Any:
        return open_store(f"{self.folder.name}/state.db")

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


def test_any_history_ends_as_the_oracle_says() -> None:
    depth = settings(max_examples=50, stateful_step_count=20, deadline=None)
    run_state_machine_as_test(Serving, settings=depth)


def test_any_history_in_a_file_ends_as_the_oracle_says() -> None:
    depth = settings(max_examples=8, stateful_step_count=20, deadline=None)
    run_state_machine_as_test(ServingFromAFile, settings=depth)
