"""A disk that fails at every single change of a commit, a checkpoint and a forgetting."""

from __future__ import annotations

import random

import pytest

pytest.importorskip("apsw")

from cellstate.errors import StoreError
from cellstate.serve.stores import sqlite_checkpoint
from cellstate.serve.stores.sqlite import SqliteStore
from cellstate.serve.stores.store import StateRow, Work
from tests.serve.stores.faulty_vfs import FAULTS, FaultyVFS, Plan
from tests.serve.stores.rows import entity, event, filled, seqs

SIZE = 700


def work(key, seq):
    """Change several pages of every table."""
    return Work(
        entities=[entity(key, seq=seq)],
        events=[event(key, seq, id=f"e{seq}", data=b"d" * SIZE)],
        states=[StateRow(key, 1, seq, b"%d" % seq * 300)],
    )


def check(store, key, acknowledged, tried):
    """Require all acknowledged events, none twice, and of the tried one all or nothing."""
    (held,) = store.load([("t", "pump")])
    seq = held.entity.seq
    assert seq in (acknowledged, tried)
    assert held.states[1].seq == seq
    assert seqs(store.log(key)) == list(range(1, seq + 1))
    assert len(store.answered([(key, f"e{n}") for n in range(1, tried + 2)])) == seq
    return seq


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_change_fails_nothing_acknowledged_is_lost(fault, tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_checkpoint, "PAGES", 30)
    chance = random.Random(fault)
    struck = 0
    for at in range(1, 400, 3):  # each of them in benchmarks: serve-crash
        path = tmp_path / f"{at}.db"
        plan = Plan()
        vfs = FaultyVFS(plan, remembers=fault == "power cut")
        store = SqliteStore(path, vfs=vfs.vfs_name)
        store.own(0, "me", lease_s=60)
        key, other = filled(store, events=1), filled(store, "SECRET")
        seq = acknowledged = 1
        plan.arm(fault, at, times=chance.choice([1, 1, 3]))
        for turn in range(4):
            try:
                store.commit(work(key, seq + 1))
                acknowledged = seq = seq + 1
                if turn == 2:
                    store.commit(Work(forget=[other]))
            except StoreError:
                if plan.is_dead:
                    break
                plan.disarm()
                seq = acknowledged = check(store, key, acknowledged, seq + 1)
        tried = seq + 1
        if plan.is_dead:
            store.close()
            plan.lose(chance)
        else:
            plan.disarm()
            store.commit(work(key, seq + 1))
            acknowledged = seq = seq + 1
            store.close()
        with_new_disk(path, key, acknowledged, tried)
        if not plan.struck:
            break
        struck += plan.struck > 0
        for file in tmp_path.iterdir():
            file.unlink()
    assert struck >= 4 if fault == "failed flush" else struck > 20


def with_new_disk(path, key, acknowledged, tried):
    store = SqliteStore(path)
    store.own(0, "me", lease_s=60)
    seq = check(store, key, acknowledged, tried)
    store.commit(work(key, seq + 1))
    check(store, key, seq + 1, seq + 1)
    if store.load([("t", "SECRET")]) == [None]:
        content = b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))
        assert b"SECRET" not in content
    assert store._db.pragma("integrity_check") == "ok"
    store.close()


def test_a_store_on_a_full_disk_works_again_when_there_is_room(tmp_path):
    plan = Plan()
    vfs = FaultyVFS(plan)
    store = SqliteStore(tmp_path / "store.db", vfs=vfs.vfs_name)
    store.own(0, "me", lease_s=60)
    key = filled(store, events=1)
    plan.arm("ENOSPC", 1, times=10**9)
    for _ in range(5):
        with pytest.raises(StoreError, match="Full"):
            store.commit(work(key, 2))
        assert check(store, key, 1, 1) == 1
    plan.disarm()
    store.commit(work(key, 2))
    check(store, key, 2, 2)
    store.close()
