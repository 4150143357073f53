"""What is asked of a SQLite store, from its indexes and from what is not in them yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from cellstate.serve.stores.checksum import check_state
from cellstate.serve.stores.sqlite_recent import VERSION_BITS, Asked, Recent, hash_of
from cellstate.serve.stores.sqlite_work import LOGGED
from cellstate.serve.stores.store import Entity, Held, Logged, Position, Snapshot, StateRow

STATUS = ("applied", "quarantined")
_ENTITY = "key, tenant, name, ended, version, seq, time, touched"
_MASK = (1 << VERSION_BITS) - 1


def load(db: Any, recent: Recent, names: Sequence[tuple[str, str]]) -> list[Held | None]:
    """Find entities with their newest states."""
    asked = f"SELECT {_ENTITY} FROM entities WHERE tenant = ? AND name = ?"
    found = {
        (entity.tenant, entity.name): Held(entity, {})
        for entity in _newest(db, recent, db.executemany(asked, names))
    }
    by_key = {held.entity.key: held.states for held in found.values()}
    ends = [(key << VERSION_BITS, key + 1 << VERSION_BITS) for key in by_key]
    settled = db.executemany(
        "SELECT place, seq, crc, state FROM states WHERE place >= ? AND place < ?", ends
    ).fetchall()
    rows = {place: row for place, *row in settled}
    heads = [
        (row,)
        for key in by_key
        for version in recent.versions
        if (row := recent.state_row(key << VERSION_BITS | version)) is not None
    ]
    for place, *row in db.executemany(
        "SELECT place, state_seq, crc, state FROM heads WHERE row = ?", heads
    ).fetchall():
        rows[place] = row
    for place, (seq, crc, state) in rows.items():
        key, version = place >> VERSION_BITS, place & _MASK
        check_state(key, version, seq, state, crc)
        by_key[key][version] = StateRow(key, version, seq, state)
    return [found.get(name) for name in names]


def answered(
    db: Any, recent: Recent, ids: Sequence[tuple[int, str]]
) -> dict[tuple[int, str], Logged]:
    """Find events by their ids."""
    found: dict[tuple[int, str], Logged] = {}
    lately: list[tuple[int]] = []
    earlier: list[tuple[int, int, str]] = []
    for key, id in ids:
        hash = hash_of(id)
        if rows := recent.rows_of(key, hash):
            lately += [(row,) for row in rows]
        earlier.append((key, hash, id))
    asked = set(ids)
    for event in _logged_at(db, lately):
        if event.id is not None and (event.key, event.id) in asked:
            found[event.key, event.id] = event
    rows = db.executemany(
        f"SELECT {LOGGED} FROM log_ids AS i JOIN log AS l USING (row)"
        " WHERE i.key = ? AND i.hash = ? AND l.id = ?",
        [one for one in earlier if (one[0], one[2]) not in found],
    )
    for row in rows:
        found[row[0], row[2]] = _logged(row)
    return found


def log(db: Any, recent: Recent, key: int, asked: Asked) -> list[Logged]:
    """Read an entity's events, see `AbstractStore.log`."""
    statement = f"SELECT {LOGGED} FROM log_order AS o JOIN log AS l USING (row) WHERE o.key = ?"
    values: list[Any] = [key]
    if asked.after is not None:
        statement += f" AND (o.time, o.seq) {'<' if asked.newest_first else '>'} (?, ?)"
        values += asked.after
    if asked.kind is not None:
        statement += " AND l.quarantined = ?"
        values.append(asked.kind)
    down = " DESC" if asked.newest_first else ""
    values.append(-1 if asked.limit is None else asked.limit)
    settled = db.execute(f"{statement} ORDER BY o.time{down}, o.seq{down} LIMIT ?", values)
    found = [_logged(row) for row in settled]
    lately = [(row,) for _, _, row in recent.events(key, asked)]
    if not lately:
        return found
    both = {(event.time, event.seq): event for event in [*found, *_logged_at(db, lately)]}
    order = sorted(both, reverse=asked.newest_first)[: asked.limit]
    return [both[at] for at in order]


def snapshot(db: Any, key: int, version: int, before: Position) -> Snapshot | None:
    """Find the last snapshot before a position."""
    row = db.execute(
        "SELECT time, seq, crc, state FROM snapshots WHERE key = ? AND version = ?"
        " AND (time, seq) < (?, ?) ORDER BY time DESC, seq DESC LIMIT 1",
        (key, version, *before),
    ).get
    if row is None:
        return None
    at, seq, crc, state = row
    check_state(key, version, seq, state, crc)
    return Snapshot(key, version, Position(at, seq), state)


def entities(
    db: Any, recent: Recent, *, tenant: str | None, after: int, limit: int
) -> list[Entity]:
    """List entities by key."""
    rows = db.execute(
        f"SELECT {_ENTITY} FROM entities WHERE key > ? AND (?2 IS NULL OR tenant = ?2)"
        " ORDER BY key LIMIT ?3",
        (after, tenant, limit),
    )
    return _newest(db, recent, rows)


def idle(
    db: Any, recent: Recent, *, after: int, size: int, before: int, limit: int
) -> tuple[list[Entity], int]:
    """List idle entities of the `size` ones behind a key, and say behind which key to go on."""
    part = f"(SELECT * FROM entities WHERE key > ? ORDER BY key LIMIT {size})"
    last, seen = db.execute(f"SELECT max(key), count(*) FROM {part}", (after,)).get
    rows = db.execute(
        f"SELECT {_ENTITY} FROM {part} WHERE touched < ? ORDER BY key", (after, before)
    )
    found = [entity for entity in _newest(db, recent, rows) if entity.touched < before]
    if len(found) >= limit > 0:
        return found[:limit], found[limit - 1].key
    return found[:limit], last if seen == size else 0


def _newest(db: Any, recent: Recent, rows: Iterable[Sequence[Any]]) -> list[Entity]:
    """Make entities of rows, with the values that were committed last."""
    found = {row[0]: _entity(row) for row in rows}
    heads = [(row,) for key in found if (row := recent.entity_row(key)) is not None]
    for place, *values in db.executemany(
        "SELECT place, ended, version, seq, time, touched FROM heads WHERE row = ?", heads
    ).fetchall():
        old = found[place >> VERSION_BITS]
        found[old.key] = _entity((old.key, old.tenant, old.name, *values))
    return list(found.values())


def _logged_at(db: Any, rows: Sequence[tuple[int]]) -> list[Logged]:
    found = db.executemany(f"SELECT {LOGGED} FROM log AS l WHERE row = ?", rows)
    return [_logged(row) for row in found]


def _entity(row: Sequence[Any]) -> Entity:
    key, tenant, name, ended, version, seq, at, touched = row
    return Entity(key, tenant, name, "ended" if ended else "live", version, seq, at, touched)


def _logged(row: Sequence[Any]) -> Logged:
    key, seq, id, at, quarantined, begins, data, answer, revised = row
    return Logged(key, seq, id, at, STATUS[quarantined], bool(begins), data, answer, revised)
