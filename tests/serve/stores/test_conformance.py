"""What every store must do, whichever it is."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from cellstate.errors import FencedError, StoreError
from cellstate.serve.stores.store import (
    Held,
    Position,
    Snapshot,
    StateRow,
    Version,
    Work,
    shard_of,
)
from tests.serve.stores.rows import entity, event, filled, seqs

LARGEST = 2**63 - 1


def test_new_store_is_empty(store):
    assert store.load([("t", "pump")]) == [None]
    assert store.answered([(1, "a")]) == {}
    assert store.log(1) == []
    assert store.snapshot(1, 1, Position(0, 0)) is None
    assert store.entities() == store.idle(LARGEST, 10) == store.versions() == []
    assert store.count() == 0


def test_what_was_committed_is_read_as_it_was(place, store):
    key = store.new_keys(1)[0]
    one = entity(key, "pumpe-ä-ß-東京-🙂", tenant="hôpital", phase="ended", version=7)
    one = replace(one, seq=LARGEST, time=-(2**63), touched=LARGEST)
    logged = [
        event(key, 1, id="é" * 200, time=-(2**63), begins=True),
        event(key, 2, status="quarantined", time=0, data=b"\x00\xff", answer=b"", revised=b"r"),
        event(key, LARGEST, id="\N{ZERO WIDTH JOINER} 🙂", time=LARGEST, revised=b""),
    ]
    kept = Snapshot(key, 7, Position(LARGEST, LARGEST), b"\x00" * 3)
    state = StateRow(key, 7, LARGEST, bytes(range(256)) * 20)
    store.commit(Work(entities=[one], events=logged, snapshots=[kept], states=[state]))
    other = place.open()
    for reading in (store, other, store.reader()):
        assert reading.load([(one.tenant, one.name)]) == [Held(one, {7: state})]
        assert reading.log(key) == logged
        assert reading.answered([(key, logged[0].id)]) == {(key, logged[0].id): logged[0]}
        assert reading.snapshot(key, 8, Position(LARGEST, LARGEST)) is None
        assert reading.entities() == [one]
        if reading is not store:
            reading.close()
    early = kept._replace(position=Position(-(2**63), -(2**63)))
    store.commit(Work(snapshots=[early]))
    assert store.snapshot(key, 7, Position(5, 3)) == early


def test_names_are_told_apart_exactly(store):
    keys = store.new_keys(4)
    names = [("t", "a"), ("t", "A"), ("T", "a"), ("t", "a ")]
    store.commit(
        Work(entities=[entity(k, n, tenant=t) for k, (t, n) in zip(keys, names, strict=True)])
    )
    assert [held.entity.key for held in store.load(names)] == list(keys)
    assert store.load([("t", "á"), ("t", "a\u0301"), *names[:1]])[:2] == [None, None]


def test_load_keeps_the_order_asked_for_and_gives_repeated_names_twice(store):
    keys = [filled(store, f"pump-{number}") for number in range(5)]
    order = [3, 1, 3, 4]
    asked = [("t", f"pump-{number}") for number in order] + [("t", "none")]
    held = store.load(asked)
    assert [one.entity.key for one in held[:-1]] == [keys[number] for number in order]
    assert held[-1] is None
    assert store.load([]) == []


def test_an_entity_has_a_state_in_each_version(store):
    key = filled(store)
    store.commit(Work(states=[StateRow(key, 2, 3, b"new"), StateRow(key, 1, 3, b"old")]))
    (held,) = store.load([("t", "pump")])
    assert {number: row.state for number, row in held.states.items()} == {1: b"old", 2: b"new"}


def test_the_last_of_equal_rows_counts(store):
    key = filled(store)
    place = Position(20, 2)
    store.commit(
        Work(
            states=[StateRow(key, 1, 4, b"z"), StateRow(key, 1, 4, b"a")],
            snapshots=[Snapshot(key, 1, place, b"z"), Snapshot(key, 1, place, b"a")],
        )
    )
    assert store.load([("t", "pump")])[0].states[1].state == b"a"
    assert store.snapshot(key, 1, Position(20, 3)).state == b"a"


def test_entities_are_replaced_by_key(store):
    key = filled(store)
    changed = entity(key, phase="ended", version=2, seq=9, time=90, touched=900)
    store.commit(Work(entities=[changed]))
    assert store.entities() == [changed]
    assert store.count() == 1


def test_keys_are_never_given_twice(place, store):
    other = place.open()
    given = [*store.new_keys(3), *other.new_keys(5), *store.new_keys(10_000), *store.new_keys(1)]
    other.close()
    again = place.open()
    given += again.new_keys(2)
    again.close()
    assert len(set(given)) == len(given) == 3 + 5 + 10_000 + 1 + 2
    assert min(given) > 0
    assert len(store.new_keys(0)) == 0


def test_ids_belong_to_their_entity(store):
    one, two = filled(store, "one"), filled(store, "two", events=1)
    found = store.answered([(one, "e1"), (two, "e1"), (two, "e2"), (one, "e3"), (one, "nothing")])
    assert set(found) == {(one, "e1"), (two, "e1"), (one, "e3")}
    assert found[one, "e3"].seq == 3


def test_log_is_read_in_order_of_time_and_arrival_and_against_it(store):
    key = store.new_keys(1)[0]
    times = [30, 10, 20, 10, 30]
    store.commit(
        Work(
            entities=[entity(key)],
            events=[event(key, seq, time=at) for seq, at in enumerate(times, start=1)],
        )
    )
    order = [2, 4, 3, 1, 5]
    assert seqs(store.log(key)) == order
    assert seqs(store.log(key, newest_first=True)) == order[::-1]
    assert seqs(store.log(key, limit=2)) == order[:2]
    assert seqs(store.log(key, limit=2, newest_first=True)) == [5, 1]
    assert seqs(store.log(key, after=Position(10, 2))) == [4, 3, 1, 5]
    assert seqs(store.log(key, after=Position(10, 3), limit=2)) == [4, 3]
    assert seqs(store.log(key, after=Position(30, 1), newest_first=True)) == [3, 4, 2]
    assert seqs(store.log(key, after=Position(40, 0))) == []
    assert store.log(key, limit=0) == []


def test_log_can_be_read_by_status(store):
    key = store.new_keys(1)[0]
    kinds = ["applied", "quarantined", "applied", "quarantined"]
    store.commit(
        Work(
            entities=[entity(key)],
            events=[event(key, n, status=kind) for n, kind in enumerate(kinds, start=1)],
        )
    )
    assert seqs(store.log(key, status="applied")) == [1, 3]
    assert seqs(store.log(key, status="quarantined", newest_first=True, limit=1)) == [4]


def test_later_answers_stand_beside_the_first(store):
    key = filled(store, events=50)
    store.commit(Work(revised=[(key, 2, b"later"), (key, 49, b"last")]))
    store.commit(
        Work(events=[event(key, 51, id="new")], revised=[(key, 51, b"at once"), (key, 49, b"x")])
    )
    revised = {row.seq: row.revised for row in store.log(key) if row.revised is not None}
    assert revised == {2: b"later", 49: b"x", 51: b"at once"}
    assert {row.answer for row in store.log(key)} == {b'{"y":1}'}


def test_snapshots_are_found_before_a_position(store):
    key = filled(store)
    places = [Position(10, 1), Position(10, 5), Position(20, 2)]
    store.commit(
        Work(
            snapshots=[
                Snapshot(key, version, place, b"%d" % number)
                for version in (1, 2)
                for number, place in enumerate(places)
            ]
        )
    )
    found = store.snapshot(key, 2, Position(20, 2))
    assert found == Snapshot(key, 2, places[1], b"1")
    assert store.snapshot(key, 1, Position(LARGEST, 0)).position == places[2]
    assert store.snapshot(key, 1, Position(10, 1)) is None
    assert store.snapshot(key, 3, Position(99, 0)) is None


def test_undone_snapshots_are_gone_in_every_version_before_new_ones_come(store):
    key = filled(store)
    places = [Position(10, 1), Position(20, 2), Position(30, 3)]
    store.commit(
        Work(
            snapshots=[Snapshot(key, version, place, b"") for version in (1, 2) for place in places]
        )
    )
    fresh = Snapshot(key, 1, Position(25, 4), b"fresh")
    store.commit(Work(undone=[(key, Position(10, 1))], snapshots=[fresh]))
    assert store.snapshot(key, 1, Position(99, 0)) == fresh
    assert store.snapshot(key, 2, Position(99, 0)).position == places[0]


def test_trimming_removes_events_and_snapshots_up_to_a_position(store):
    key, other = filled(store, events=4), filled(store, "other")
    store.commit(Work(snapshots=[Snapshot(key, 1, Position(30, 3), b"three")]))
    store.commit(Work(trimmed=[(key, Position(20, 2))]))
    assert seqs(store.log(key)) == [3, 4]
    assert store.answered([(key, "e1"), (key, "e3")]).keys() == {(key, "e3")}
    assert store.snapshot(key, 1, Position(30, 3)) is None
    assert store.snapshot(key, 1, Position(30, 4)).state == b"three"
    assert len(store.log(other)) == 3
    assert store.load([("t", "pump")])[0].states[1].state == b"now"


def test_nothing_is_left_of_a_forgotten_entity(store):
    key, other = filled(store), filled(store, "other")
    store.commit(Work(states=[StateRow(key, 2, 3, b"next")]))
    store.commit(Work(forget=[key]))
    assert store.load([("t", "pump"), ("t", "other")])[0] is None
    assert store.log(key) == []
    assert store.answered([(key, "e1")]) == {}
    assert store.snapshot(key, 1, Position(LARGEST, LARGEST)) is None
    assert [one.key for one in store.entities()] == [other]
    assert len(store.log(other)) == 3


def test_a_name_can_be_forgotten_and_come_back_in_one_commit(store):
    old = filled(store)
    new = store.new_keys(1)[0]
    fresh = entity(new)
    store.commit(Work(forget=[old], entities=[fresh], events=[event(new, 1, id="e1")]))
    assert store.load([("t", "pump")]) == [Held(fresh, {})]
    assert store.answered([(new, "e1"), (old, "e1")]).keys() == {(new, "e1")}


def test_entities_are_listed_in_pages_by_tenant(store):
    keys = store.new_keys(6)
    store.commit(Work(entities=[entity(k, f"n{k}", tenant="ab"[k % 2]) for k in reversed(keys)]))
    assert [one.key for one in store.entities(limit=4)] == list(keys[:4])
    assert [one.key for one in store.entities(after=keys[3])] == list(keys[4:])
    mine = [key for key in keys if key % 2]
    assert [one.key for one in store.entities(tenant="b")] == mine
    assert [one.key for one in store.entities(tenant="b", after=mine[0], limit=1)] == mine[1:2]
    assert (store.count(), store.count("a"), store.count("c")) == (6, 3, 0)


def test_idle_entities_come_up_in_calls_in_a_row(store):
    keys = store.new_keys(10)
    store.commit(Work(entities=[entity(k, f"n{k}", touched=100 + k % 2) for k in keys]))
    silent = {key for key in keys if key % 2 == 0}
    assert {one.key for one in store.idle(101, 10)} == silent
    found = set()
    for _ in range(4):
        some = store.idle(101, 2)
        assert len(some) <= 2
        found |= {one.key for one in some}
    assert found == silent
    assert store.idle(100, 10) == store.idle(100, 10) == []


def test_versions_are_replaced_as_a_whole(place, store):
    key = filled(store)
    first, second = Version(1, "a", "/m/1", "current"), Version(2, "b", "/m/ä", "next")
    store.set_versions([second, first])
    assert store.versions() == [first, second]
    store.commit(
        Work(
            states=[StateRow(key, 2, 3, b"two")],
            snapshots=[Snapshot(key, 2, Position(10, 1), b"two")],
        )
    )
    store.set_versions([second._replace(role="current")])
    assert store.load([("t", "pump")])[0].states.keys() == {2}
    assert store.snapshot(key, 1, Position(99, 0)) is None
    assert store.snapshot(key, 2, Position(99, 0)).state == b"two"
    store.set_versions([first, second])
    assert store.load([("t", "pump")])[0].states.keys() == {2}
    store.close()
    again = place.open()
    assert again.versions() == [first, second]
    again.close()


def test_a_commit_that_fails_leaves_nothing(store):
    key = filled(store)
    before = (store.load([("t", "pump")]), store.log(key))
    fresh = store.new_keys(1)[0]
    with pytest.raises(StoreError):
        store.commit(
            Work(
                entities=[entity(fresh, "pump"), entity(key, seq=9)],  # a name twice
                events=[event(key, 4, id="e4"), event(fresh, 1, id="e1")],
                states=[StateRow(key, 1, 9, b"wrong")],
                trimmed=[(key, Position(10, 1))],
                snapshots=[Snapshot(key, 2, Position(10, 1), b"wrong")],
            )
        )
    assert (store.load([("t", "pump")]), store.log(key)) == before
    assert store.log(fresh) == []
    assert store.snapshot(key, 2, Position(99, 0)) is None
    store.commit(Work(entities=[entity(key, seq=4)], events=[event(key, 4, id="e4")]))
    assert seqs(store.log(key)) == [1, 2, 3, 4]


def test_an_error_shows_nothing_of_what_was_written(store):
    first, second = store.new_keys(2)
    store.commit(Work(entities=[entity(first, "Erika Mustermann")]))
    with pytest.raises(StoreError) as caught:
        store.commit(Work(entities=[entity(second, "Erika Mustermann")]))
    shown = repr(caught.value) + repr(caught.value.__cause__)
    assert "Erika" not in shown


def test_only_the_owner_may_commit(place, store):
    other = place.open()
    with pytest.raises(FencedError):
        other.commit(Work())
    key = other.new_keys(1)[0]
    with pytest.raises(FencedError):
        other.commit(Work(entities=[entity(key)]))
    other.close()
    assert store.count() == 0


def test_a_shard_is_not_given_while_another_holds_it(place, store):
    other = place.open()
    with pytest.raises(FencedError, match="first"):
        other.own(0, "second", lease_s=60)
    assert other.holder(0) == "first"
    store.release()
    assert other.holder(0) is None
    assert other.own(0, "second", lease_s=60) > 0
    assert store.holder(0) == "second"
    other.close()
    assert store.holder(0) is None


def test_a_lease_ends_unless_it_is_renewed(place, store):
    other = place.open()
    store.renew(0.05)
    time.sleep(0.1)
    assert other.holder(0) is None
    store.renew(60)
    assert other.holder(0) == "first"
    store.renew(0.01)
    time.sleep(0.05)
    token = other.own(0, "second", lease_s=60)
    with pytest.raises(FencedError, match="second"):
        store.renew(60)
    assert other.own(0, "second", lease_s=60) > token
    other.close()


def test_whoever_took_a_shard_fences_the_owner_before(place, store):
    key = filled(store)
    shard = shard_of("t", "pump", store.shards)
    other = place.open()
    other.own(shard, "second", lease_s=60, take_over=True)
    calls = [
        Work(entities=[entity(key, seq=99)]),
        Work(states=[StateRow(key, 1, 99, b"stale")]),
        Work(events=[event(key, 99)]),
        Work(revised=[(key, 1, b"stale")]),
        Work(trimmed=[(key, Position(99, 99))]),
        Work(undone=[(key, Position(0, 0))]),
        Work(snapshots=[Snapshot(key, 1, Position(99, 99), b"stale")]),
        Work(forget=[key]),
    ]
    for work in calls:
        with pytest.raises(FencedError):
            store.commit(work)
    other.commit(Work(entities=[entity(key, seq=4)], states=[StateRow(key, 1, 4, b"fresh")]))
    (held,) = store.load([("t", "pump")])
    assert (held.entity.seq, held.states[1].state) == (4, b"fresh")
    assert seqs(store.log(key)) == [1, 2, 3]
    store.own(shard, "first", lease_s=60, take_over=True)
    store.commit(Work(entities=[entity(key, seq=5)]))
    with pytest.raises(FencedError):
        other.commit(Work(entities=[entity(key, seq=6)]))
    other.close()


def test_a_holder_may_take_its_own_shard_again(place, store):
    other = place.open()
    assert other.own(0, "first", lease_s=60) > 1
    other.close()


def test_shards_that_do_not_exist_are_refused(store):
    for call in (store.holder, lambda shard: store.own(shard, "me", lease_s=1)):
        for shard in (-1, store.shards):
            with pytest.raises(StoreError):
                call(shard)


def test_a_reader_reads_and_does_not_write(store):
    reader = store.reader()
    key = filled(store)
    assert seqs(reader.log(key)) == [1, 2, 3]
    assert reader.holder(0) == "first"
    calls = [
        lambda: reader.commit(Work()),
        lambda: reader.own(0, "reader", lease_s=1),
        lambda: reader.new_keys(1),
        lambda: reader.set_versions([]),
    ]
    for call in calls:
        with pytest.raises(StoreError):
            call()
    reader.close()
    assert store.holder(0) == "first"
    store.commit(Work())


def test_a_reader_sees_only_whole_commits(store):
    """While the writer writes, another thread reads; state and log always belong together."""
    key = filled(store, events=1)
    reader = store.reader()
    is_over = threading.Event()
    seen, wrong = [], []

    def read():
        while not is_over.is_set():
            (held,) = reader.load([("t", "pump")])
            seq = held.entity.seq
            if held.states[1].seq != held.entity.seq:
                wrong.append((held.states[1].seq, seq))
            if max(seqs(reader.log(key, newest_first=True, limit=1))) < seq:
                wrong.append(seq)
            seen.append(seq)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for seq in range(2, 150):
            store.commit(
                Work(
                    entities=[entity(key, seq=seq)],
                    events=[event(key, seq)],
                    states=[StateRow(key, 1, seq, b"%d" % seq)],
                )
            )
    finally:
        is_over.set()
        thread.join()
        reader.close()
    assert not wrong
    assert seen == sorted(seen)


def test_everything_is_there_after_reopening(place, store):
    key = filled(store)
    before = (store.load([("t", "pump")]), store.log(key), store.snapshot(key, 1, Position(99, 0)))
    store.close()
    again = place.open()
    after = (again.load([("t", "pump")]), again.log(key), again.snapshot(key, 1, Position(99, 0)))
    assert after == before
    again.close()


def test_many_rows_fit_into_one_commit(store):
    count = 3000
    keys = store.new_keys(count)
    store.commit(
        Work(
            entities=[entity(k, f"n{k}") for k in keys],
            events=[event(k, 1, id="e") for k in keys],
            states=[StateRow(k, 1, 1, b"s%d" % k) for k in keys],
            snapshots=[Snapshot(k, 1, Position(10, 1), b"") for k in keys],
        )
    )
    held = store.load([("t", f"n{k}") for k in keys])
    assert [one.states[1].state for one in held] == [b"s%d" % k for k in keys]
    assert len(store.answered([(k, "e") for k in keys])) == count
    store.commit(Work(forget=list(keys)))
    assert store.count() == 0
