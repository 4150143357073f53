"""Rows for tests, with only what matters named."""

from __future__ import annotations

from cellstate.serve.stores.store import (
    AbstractStore,
    Entity,
    Logged,
    Position,
    Snapshot,
    StateRow,
    Work,
)


def entity(key, name="pump", tenant="t", **values):
    given = {"phase": "live", "version": 1, "seq": 1, "time": 10, "touched": 100} | values
    return Entity(key, tenant, name, **given)


def event(key, seq, *, id=None, time=None, answer=b'{"y":1}', **values):
    given = {"status": "applied", "begins": False, "data": b'{"x":1}', "revised": None} | values
    return Logged(key, seq, id, 10 * seq if time is None else time, answer=answer, **given)


def filled(store: AbstractStore, name: str = "pump", events: int = 3) -> int:
    """Commit an entity with some events, a state and a snapshot; give its key."""
    key = store.new_keys(1)[0]
    store.commit(
        Work(
            entities=[entity(key, name, seq=events, time=10 * events)],
            events=[event(key, seq, id=f"e{seq}") for seq in range(1, events + 1)],
            snapshots=[Snapshot(key, 1, Position(10, 1), b"one")],
            states=[StateRow(key, 1, events, b"now")],
        )
    )
    return key


def seqs(rows):
    return [row.seq for row in rows]
