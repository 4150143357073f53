"""One transaction's rows for SQLite: appended where they can be, see `sqlite_recent`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cellstate.errors import StoreError, explain
from cellstate.serve.stores.checksum import checksum
from cellstate.serve.stores.sqlite_recent import (
    VERSION_BITS,
    Asked,
    NewEvents,
    NewHead,
    Recent,
    hash_of,
)
from cellstate.serve.stores.store import Logged, Position, Work

LOGGED = "l.key, l.seq, l.id, l.time, l.quarantined, l.begins, l.data, l.answer, l.revised"


@dataclass
class Written:
    """What `Recent` must learn of a transaction when it is committed."""

    forgotten: frozenset[int] = frozenset()
    events: NewEvents | None = None
    heads: list[NewHead] = field(default_factory=list)
    cut: list[tuple[int, Position]] = field(default_factory=list)

    def note(self, recent: Recent) -> None:
        """Tell it."""
        for one in recent.generations if self.forgotten else ():
            one.drop(self.forgotten)
        if self.events is not None:
            recent.new.add_events(self.events)
            recent.next_row += len(self.events.rows)
        recent.add_heads(self.heads)
        for key, upto in self.cut:
            for one in recent.generations:
                one.cut(key, upto)


def write(db: Any, work: Work, recent: Recent) -> Written:
    """Write a piece of work inside a transaction."""
    written = Written(frozenset(work.forget), cut=work.trimmed)
    if work.forget:
        _forget(db, written.forgotten, recent)
    if work.entities or work.states:
        written.heads = _append_heads(db, work, recent)
    if work.events:
        written.events = _append_events(db, work.events, recent)
    if work.revised:
        _revise(db, work, written.events, recent)
    if work.undone:
        db.executemany(
            "DELETE FROM snapshots WHERE key = ? AND (time, seq) > (?, ?)",
            [(key, *position) for key, position in work.undone],
        )
    if work.snapshots:
        db.executemany(
            _SNAPSHOT,
            (
                (key, version, at, seq, checksum(key, version, seq, state), state)
                for key, version, (at, seq), state in work.snapshots
            ),
        )
    for key, upto in work.trimmed:
        _trim(db, key, upto, written.events, recent)
    return written


def place(key: int, version: int) -> int:
    """Give the place of a state: an entity's versions lie beside each other.

    Examples
    --------
    >>> place(2, 1) - place(1, 1)
    65536
    """
    if not 0 < version < 1 << VERSION_BITS:
        must = f"a version's number is above 0 and below {1 << VERSION_BITS}"
        raise StoreError(explain("store", must, str(version), "Begin a new store"))
    return key << VERSION_BITS | version


_SNAPSHOT = """
INSERT INTO snapshots(key, version, time, seq, crc, state) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT(key, time, seq, version) DO UPDATE SET crc = excluded.crc, state = excluded.state
"""


def _forget(db: Any, keys: frozenset[int], recent: Recent) -> None:
    known = [(key,) for key in keys]
    db.executemany("DELETE FROM log WHERE row IN (SELECT row FROM log_order WHERE key = ?)", known)
    rows = [(row,) for key in keys for _, _, row in recent.events(key, Asked())]
    db.executemany("DELETE FROM log WHERE row = ?", rows)
    db.executemany("DELETE FROM heads WHERE row = ?", [(row,) for row in recent.head_rows(keys)])
    for table in ("log_order", "log_ids", "snapshots", "entities"):
        db.executemany(f"DELETE FROM {table} WHERE key = ?", known)
    ends = [(key << VERSION_BITS, key + 1 << VERSION_BITS) for key in keys]
    db.executemany("DELETE FROM states WHERE place >= ? AND place < ?", ends)


def _append_heads(db: Any, work: Work, recent: Recent) -> list[NewHead]:
    """An entity's values travel with its state in the version that answers, or else alone."""
    waiting = {entity.key: entity for entity in work.entities}
    db.executemany(
        "INSERT INTO entities VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(key) DO NOTHING",
        [
            (e.key, e.tenant, e.name, e.phase == "ended", e.version, e.seq, e.time, e.touched)
            for e in waiting.values()
            if e.key in work.forget or recent.entity_row(e.key) is None
        ],
    )
    heads: list[NewHead] = []
    rows: list[tuple[Any, ...]] = []
    row = recent.next_head
    for key, version, seq, state in work.states:
        at = place(key, version)
        values: tuple[Any, ...] = (None,) * 5
        e = waiting.get(key)
        if e is not None and e.version == version:
            del waiting[key]
            values = (e.phase == "ended", version, e.seq, e.time, e.touched)
        else:
            e = None
        rows.append((row, at, *values, seq, checksum(key, version, seq, state), state))
        heads.append(NewHead(row, at, e is not None, True))
        row += 1
    for e in waiting.values():
        values = (e.phase == "ended", e.version, e.seq, e.time, e.touched)
        rows.append((row, e.key << VERSION_BITS, *values, None, None, None))
        heads.append(NewHead(row, e.key << VERSION_BITS, True, False))
        row += 1
    db.executemany("INSERT INTO heads VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    return heads


def _append_events(db: Any, events: Sequence[Logged], recent: Recent) -> NewEvents:
    keys, seqs, ids, times, statuses, begins, data, answers, revised = zip(*events, strict=True)
    rows = range(recent.next_row, recent.next_row + len(events))
    kinds = [status == "quarantined" for status in statuses]
    db.executemany(
        "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        zip(rows, keys, seqs, ids, times, kinds, begins, data, answers, revised, strict=True),
    )
    return NewEvents(rows, keys, times, seqs, list(map(hash_of, ids)), kinds)


def _revise(db: Any, work: Work, new: NewEvents | None, recent: Recent) -> None:
    """Write later answers. They are the last of an entity's order, and are found from its end."""
    answers: dict[int, dict[int, bytes]] = {}
    for key, seq, answer in work.revised:
        answers.setdefault(key, {})[seq] = answer
    rows: list[tuple[bytes, int]] = []

    def take(key: int, seq: int, row: int) -> bool:
        """Give whether all later answers of the entity have found their event."""
        wanted = answers.get(key, {})
        if seq in wanted:
            rows.append((wanted.pop(seq), row))
        return not wanted

    if new is not None:
        for key, seq, row in zip(new.keys, new.seqs, new.rows, strict=True):
            take(key, seq, row)
    for key, wanted in answers.items():
        newest = recent.events(key, Asked(newest_first=True)) if wanted else []
        if not wanted or any(take(key, seq, row) for _, seq, row in newest):
            continue
        older = db.execute(
            "SELECT seq, row FROM log_order WHERE key = ? ORDER BY time DESC, seq DESC", (key,)
        )
        any(take(key, seq, row) for seq, row in older)
        older.close()
    db.executemany("UPDATE log SET revised = ? WHERE row = ?", rows)


def _trim(db: Any, key: int, upto: Position, new: NewEvents | None, recent: Recent) -> None:
    settled = db.execute(
        "SELECT row, l.id FROM log_order AS o JOIN log AS l USING (row)"
        " WHERE o.key = ? AND (o.time, o.seq) <= (?, ?)",
        (key, *upto),
    ).fetchall()
    db.executemany(
        "DELETE FROM log_ids WHERE key = ? AND hash = ? AND row = ?",
        [(key, hash_of(id), row) for row, id in settled if id is not None],
    )
    gone = {row for row, _ in settled}
    gone |= {row for at, seq, row in recent.events(key, Asked()) if (at, seq) <= upto}
    if new is not None:
        columns = zip(new.keys, new.times, new.seqs, new.rows, strict=True)
        gone |= {row for own, at, seq, row in columns if own == key and (at, seq) <= upto}
    db.executemany("DELETE FROM log WHERE row = ?", [(row,) for row in gone])
    for table in ("log_order", "snapshots"):
        statement = f"DELETE FROM {table} WHERE key = ? AND (time, seq) <= (?, ?)"
        db.execute(statement, (key, *upto))
