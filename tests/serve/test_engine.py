"""The engine: order, batches, limits, accidents, retention, sharing with other processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cellstate.errors import BusyError, DrainingError, InputError, StoreError
from cellstate.serve.engine import Engine
from cellstate.serve.events import Incoming, Outcome
from cellstate.serve.settings import Settings
from cellstate.serve.stores.store import shard_of
from cellstate.serve.wire import from_json
from tests.serve.dictionary_store import DictionaryStore, Disk
from tests.serve.tally import Tally

Make = Callable[..., Engine]


def event(entity: str = "a", x: float = 1.0, **rest: Any) -> Incoming:
    return Incoming(entity, {"x": x}, **rest)


@pytest.fixture
def make() -> Iterator[Make]:
    """Make and start an engine; all are stopped at the end."""
    made: list[Engine] = []

    def make(disk: Disk | None = None, start: bool = True, **rest: Any) -> Engine:
        settings = rest.pop("settings", Settings())
        stream = rest.pop("stream", Tally())
        engine = Engine(stream, DictionaryStore(disk or Disk()), settings, **rest)
        if start:
            engine.start()
        made.append(engine)
        return engine

    yield make
    for engine in made:
        engine.stop()


def answers(outcomes: list[Outcome]) -> list[Any]:
    return [from_json(one.answer) for one in outcomes]


def hold(engine: Engine) -> threading.Event:
    """Keep the writer busy until the event is set."""
    go, is_held = threading.Event(), threading.Event()

    def wait(was_there: bool | None) -> None:
        is_held.set()
        assert go.wait(10)

    engine.forget("", "nobody", wait)
    assert is_held.wait(10)
    return go


def soon(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.002)


def test_waiting_entities_share_one_step(make):
    stream = Tally()
    engine = make(stream=stream)
    told: list[list[Outcome]] = []
    go = hold(engine)
    for name in "abcde":
        engine.submit("", [event(name), event(name, 2.0)], told.append)
    go.set()
    soon(lambda: len(told) == 5)
    assert stream.rows == [5, 5]
    assert all(answers(outcomes)[1] == answers(told[0])[1] for outcomes in told)


def test_answers_do_not_depend_on_what_shares_the_batch(make):
    alone, together = make(), make()
    values = [0.1, 0.7, -3.3, 1e-9, 12.5]
    single = [alone.push("", [event("a", x)])[0] for x in values]
    mixed = together.push("", [event(name, x) for x in values for name in "abc"])
    assert answers(single) == answers(mixed[::3])
    one, other = alone.peek("", "a"), together.peek("", "a")
    assert one is not None
    assert other is not None
    assert one[1].tobytes() == other[1].tobytes()


def test_accident_of_the_model_reaches_no_other_row(make):
    engine = make()
    engine.push("", [event(name) for name in "abc"])
    outcomes = engine.push("", [event("a"), event("b", 666.0), event("c")])
    assert [one.status for one in outcomes] == ["applied", "quarantined", "applied"]
    assert "the model must be able to take in the event" in outcomes[1].reason
    assert [one["count"] for one in answers(outcomes[::2])] == [2, 2]


def test_poisoned_event_is_kept_apart_and_told_again(make):
    engine = make()
    engine.push("", [event()])
    before = engine.peek("", "a")
    first = engine.push("", [event(x=float("nan"), id="bad")])
    assert before is not None
    assert engine.peek("", "a")[1].tobytes() == before[1].tobytes()
    again = engine.push("", [event(x=1.0, id="bad")])
    assert [one[0].status for one in (first, again)] == ["quarantined"] * 2
    assert first[0].reason == again[0].reason
    assert [one.status for one in engine.history("", "a")] == ["applied", "quarantined"]


def test_poisoned_first_event_leaves_nothing(make):
    engine = make()
    (outcome,) = engine.push("", [event(x=float("inf"), id="1")])
    assert (outcome.status, outcome.code) == ("refused", 422)
    assert engine.describe("", "a") is None
    assert engine.push("", [event(id="1")])[0].status == "applied"


def test_full_queue_refuses_and_says_when_to_come_back(make):
    engine = make(settings=Settings(max_queue=3))
    go = hold(engine)
    told: list[list[Outcome]] = []
    engine.submit("", [event()] * 3, told.append)
    with pytest.raises(BusyError, match="at most 3 events may wait; got 4") as caught:
        engine.submit("", [event()], told.append)
    assert caught.value.retry_after_s > 0
    go.set()
    soon(lambda: len(told) == 1)


def test_larger_request_than_the_queue_goes_alone(make):
    engine = make(settings=Settings(max_queue=3, max_batch=2))
    assert len(engine.push("", [event()] * 50)) == 50


def test_stop_answers_what_waits_and_takes_nothing_new(make):
    engine = make()
    told: list[list[Outcome]] = []
    go = hold(engine)
    for _ in range(5):
        engine.submit("", [event()], told.append)
    threading.Timer(0.05, go.set).start()
    assert engine.stop()
    assert [one.status for (one,) in told] == ["applied"] * 5
    with pytest.raises(DrainingError, match="about to stop"):
        engine.submit("", [event()], told.append)
    assert engine.why_not_ready == "the server is stopping"
    assert engine.stop(), "once more"


def test_ready_follows_the_store(make):
    disk = Disk()
    engine = make(disk)
    assert engine.is_ready
    engine.store.fails = "before"
    (outcome,) = engine.push("", [event(id="1")])
    assert (outcome.status, outcome.code) == ("failed", 503)
    assert "send it again with its id" in outcome.reason
    soon(lambda: engine.is_ready)  # the store is tried again by itself
    assert engine.push("", [event(id="1")])[0].status == "applied"


def test_each_tenant_has_entities_of_its_own(make):
    engine = make()
    engine.push("one", [event("a", 1.0)])
    engine.push("two", [event("a", 8.0)])
    assert engine.describe("one", "a")["answer"]["mean"] == 0.25
    assert engine.describe("two", "a")["answer"]["mean"] == 2.0
    assert engine.describe("three", "a") is None
    assert [one.name for one in engine.names("one")] == ["a"]


def test_tenant_has_room_for_so_many_entities(make):
    engine = make(settings=Settings(entities_per_tenant=2))
    outcomes = engine.push("t", [event("a"), event("b"), event("c"), event("a")])
    assert [one.code for one in outcomes] == [200, 200, 403, 200]
    assert engine.push("other", [event("c")])[0].code == 200
    engine.forget("t", "a", lambda _: None)
    assert engine.push("t", [event("c")])[0].code == 200


def test_events_far_ahead_of_the_clock_are_refused(make):
    engine = make(settings=Settings(max_ahead_s=60), clock=lambda: 1000.0)
    late, fine = engine.push("", [event(time=1_061_000_000), event(time=1_059_000_000)])
    assert (late.code, fine.code) == (422, 200)


def test_times_are_needed_where_the_model_needs_them(make):
    engine = make(stream=Tally(needs_time=True))
    (outcome,) = engine.push("", [event()])
    assert outcome.code == 422
    assert "say when it happened" in outcome.reason


def test_late_event_is_answered_in_its_place_and_revises_what_came_after(make):
    engine = make(settings=Settings(snapshot_every=2))
    engine.push("", [event(x=x, time=t) for t, x in [(10, 1.0), (20, 2.0), (40, 4.0)]])
    (late,) = engine.push("", [event(x=3.0, time=30)])
    straight = make()
    every = straight.push("", [event(x=float(n), time=10 * n) for n in (1, 2, 3, 4)])
    assert late.late
    assert answers([late]) == answers(every[2:3])
    last = engine.history("", "a")[-1]
    assert from_json(last.revised) == answers(every)[3]
    assert from_json(last.answer) != answers(every)[3]
    assert engine.peek("", "a")[1].tobytes() == straight.peek("", "a")[1].tobytes()


def test_event_later_than_the_bound_is_refused(make):
    engine = make(settings=Settings(snapshot_every=5, max_replay=8))
    engine.push("", [event(time=10 * n) for n in range(1, 31)])
    near, far = engine.push("", [event(time=265)]), engine.push("", [event(time=5)])
    assert near[0].status == "applied"
    assert (far[0].status, far[0].code) == ("refused", 409)


def test_log_keeps_the_newest_events_and_late_ones_stay_exact(make):
    engine = make(settings=Settings(snapshot_every=4, keep_events=10))
    for n in range(1, 61):
        engine.push("", [event(x=float(n % 7), time=10 * n)])
    soon(lambda: len(engine.history("", "a", limit=100)) < 20)
    assert len(engine.history("", "a", limit=100)) >= 10
    (late,) = engine.push("", [event(x=5.0, time=575)])
    straight = make()
    times = sorted([*(10 * n for n in range(1, 61)), 575])
    values = {575: 5.0} | {10 * n: float(n % 7) for n in range(1, 61)}
    straight.push("", [event(x=values[t], time=t) for t in times])
    assert late.status == "applied"
    assert engine.peek("", "a")[1].tobytes() == straight.peek("", "a")[1].tobytes()
    assert engine.push("", [event(time=15)])[0].code == 409


def test_nothing_is_remembered_of_forgotten_entities(make):
    now = [1000.0]
    settings = Settings(snapshot_every=4, keep_events=10, ttl_s=60)
    engine = make(settings=settings, clock=lambda: now[0])
    for _ in range(30):
        engine.push("", [event("a"), event("b")])
    looked = engine.writer._retention._looked
    assert len(looked) == 2
    engine.forget("", "a", lambda _: None)
    soon(lambda: len(looked) == 1)
    now[0] += 100
    soon(lambda: not looked)
    assert engine.describe("", "b") is None
    assert not engine.cached


def test_late_events_are_taken_in_whatever_was_quarantined_and_cut_off(make):
    engine = make(settings=Settings(snapshot_every=4, keep_events=10))
    good = [n for n in range(1, 120) if n < 60 or n % 4]  # then none that a state is kept after
    for n in range(1, 120):
        engine.push("", [event(x=float(n % 7) if n in good else float("nan"), time=10 * n)])
    soon(lambda: len(engine.history("", "a", limit=200)) < 30)
    assert len(engine.history("", "a", limit=200)) >= 10
    late = [1185, 1145, 1105]
    for moment in late:
        (told,) = engine.push("", [event(x=2.5, time=moment)])
        assert (told.status, told.late) == ("applied", True)
    straight = make()
    values = {10 * n: float(n % 7) for n in good} | dict.fromkeys(late, 2.5)
    straight.push("", [event(x=x, time=at) for at, x in sorted(values.items())])
    assert engine.peek("", "a")[1].tobytes() == straight.peek("", "a")[1].tobytes()


def test_silent_entities_are_forgotten(make):
    now = [1000.0]
    engine = make(settings=Settings(ttl_s=60), clock=lambda: now[0])
    engine.push("", [event("a"), event("b")])
    now[0] += 50
    engine.push("", [event("b")])
    now[0] += 20
    soon(lambda: engine.describe("", "a") is None)
    assert engine.describe("", "b") is not None
    (fresh,) = engine.push("", [event("a")])
    assert from_json(fresh.answer)["count"] == 1
    assert engine.statistics.expired == 1


def test_forgotten_entity_begins_anew(make):
    engine = make()
    engine.push("", [event(id="1")])
    told: list[bool | None] = []
    engine.forget("", "a", told.append)
    (outcome,) = engine.push("", [event(id="1", x=4.0)])
    assert told == [True]
    assert (outcome.status, from_json(outcome.answer)["count"]) == ("applied", 1)


def test_store_of_another_model_is_refused(make):
    disk = Disk()
    make(disk, folder="first/").stop()
    with pytest.raises(InputError, match=r"loaded from 'first/'. Serve that one, with --next"):
        make(disk, stream=Tally(0.5))


def test_listeners_hear_what_was_applied_until_they_stop(make):
    engine = make()
    heard: list[tuple[str, int]] = []
    end = engine.listen("", "a", lambda name, outcome: heard.append((name, outcome.seq)))
    everything: list[str] = []
    engine.listen("", None, lambda name, outcome: everything.append(name))
    engine.push("", [event("a"), event("b"), event("a", float("nan"))])
    end()
    engine.push("", [event("a")])
    engine.push("other", [event("a")])
    assert heard == [("a", 1)]
    assert everything == ["a", "b", "a"]


def test_asked_for_answer_comes_in_time_or_says_so(make):
    engine = make()
    go = hold(engine)
    with pytest.raises(StoreError, match="Send them again with the same ids"):
        engine.push("", [event()], timeout_s=0.01)
    go.set()


def test_two_processes_share_a_store_and_stand_in_for_each_other(make):
    disk = Disk(shards=8)
    names = [f"sensor {n}" for n in range(40)]
    one = make(disk, address="one", share=(0, 2), lease_s=0.3)
    two = make(disk, address="two", share=(1, 2), lease_s=0.3)
    owners = {name: one.owner("", name) for name in names}
    assert set(owners.values()) == {None, "two"}
    for name in names:
        engine, other = (one, two) if owners[name] is None else (two, one)
        assert engine.push("", [event(name)])[0].code == 200
        assert other.push("", [event(name)])[0].code == 421
    assert two.stop()
    soon(lambda: all(one.owner("", name) is None for name in names))
    outcomes = one.push("", [event(name) for name in names])
    assert [one.seq for one in outcomes] == [2] * 40


def test_process_that_returns_takes_its_shards_back(make):
    disk = Disk(shards=4)
    one = make(disk, address="one", share=(0, 2), lease_s=0.3)
    soon(lambda: len(one.ownership.owned) == 4)
    two = make(disk, address="two", share=(1, 2), lease_s=0.3)
    assert len(two.ownership.owned) == 2
    soon(lambda: len(one.ownership.owned) == 2)
    assert one.is_ready


def test_entity_that_comes_back_from_another_process_is_read_again(make):
    disk = Disk(shards=2)
    one = make(disk, address="one", share=(0, 2), lease_s=0.3)
    soon(lambda: len(one.ownership.owned) == 2)
    name = next(f"sensor {n}" for n in range(99) if shard_of("", f"sensor {n}", 2) == 1)
    one.push("", [event(name, 4.0)])
    two = make(disk, address="two", share=(1, 2), lease_s=0.3)
    two.push("", [event(name, 8.0)])
    soon(lambda: len(one.ownership.owned) == 1)
    two.stop()
    soon(lambda: one.owner("", name) is None)
    (outcome,) = one.push("", [event(name, 0.0)])
    assert (outcome.seq, from_json(outcome.answer)) == (3, {"mean": 2.0625, "count": 3})


def test_change_of_model_reaches_every_process(make):
    disk = Disk(shards=4)
    share = {"load": lambda folder: Tally(float(folder)), "folder": "0.25", "lease_s": 0.3}
    one = make(disk, address="one", share=(0, 2), **share)
    two = make(disk, address="two", share=(1, 2), **share)
    names = [f"sensor {n}" for n in range(12)]
    for name in names:
        (one if one.owner("", name) is None else two).push("", [event(name, 4.0)])
    one.offer("0.5")
    soon(lambda: [e.rollout()["phase"] for e in (one, two)] == ["shadow"] * 2)
    one.change("flip")
    soon(lambda: [e.rollout()["phase"] for e in (one, two)] == ["flipped"] * 2)
    means = set()
    for name in names:
        (outcome,) = (one if one.owner("", name) is None else two).push("", [event(name, 2.0)])
        means.add(from_json(outcome.answer)["mean"])
    assert means == {2.0}
    two.change("finish")
    soon(lambda: [e.rollout()["phase"] for e in (one, two)] == ["none"] * 2)
    assert {row.version for row in disk.tables.states.values()} == {2}


def test_shadow_tells_how_the_next_model_differs(make):
    engine = make(load=lambda folder: Tally(float(folder)), folder="0.25")
    engine.push("", [event("a", 100.0)])
    engine.offer("0.5")
    soon(lambda: engine.rollout()["phase"] == "shadow")
    engine.push("", [event("a", 1020.0)])  # 995 from one mean, 970 from the other
    engine.push("", [event("b", 8.0)])
    report = engine.rollout()["shadow"]
    assert report["events"] == 2
    assert report["largest_difference"]["mean"] == (50 + 485) - (25 + 248.75)
    assert report["differed"] == {}


def test_illegal_step_of_a_change_is_explained(make):
    engine = make(load=lambda folder: Tally(float(folder)), folder="0.25")
    with pytest.raises(InputError, match="a change of model must be under way; got none"):
        engine.change("flip")
    with pytest.raises(InputError, match="the next model must be another one"):
        engine.offer("0.25")
    engine.offer("0.5")
    soon(lambda: engine.rollout()["phase"] == "shadow")
    with pytest.raises(InputError, match="finish is possible in the phases flipped; got the phase"):
        engine.change("finish")
    with pytest.raises(InputError, match="must be finished first"):
        engine.offer("0.75")
    engine.change("cancel")
    assert engine.rollout()["phase"] == "none"
