"""One transaction's statements for SQLite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from cellstate.errors import StoreError, explain
from cellstate.serve.stores.checksum import checksum
from cellstate.serve.stores.store import Work

VERSION_BITS = 16
LOGGED = "key, seq, id, time, quarantined, begins, data, answer, revised"

_ENTITIES = """
INSERT INTO entities VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT(key) DO UPDATE SET ended = excluded.ended, version = excluded.version,
    seq = excluded.seq, time = excluded.time, touched = excluded.touched
"""
_SNAPSHOTS = """
INSERT INTO snapshots(key, version, time, seq, crc, state) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT(key, time, seq, version) DO UPDATE SET crc = excluded.crc, state = excluded.state
"""


def written(work: Work) -> Iterator[tuple[str, Iterable[tuple[Any, ...]]]]:
    """Give the statements of a piece of work with their rows, in order."""
    if work.forget:
        for statement in (
            "DELETE FROM entities WHERE key = ?",
            "DELETE FROM log WHERE key = ?",
            "DELETE FROM snapshots WHERE key = ?",
        ):
            yield statement, [(key,) for key in work.forget]
        yield (
            "DELETE FROM states WHERE place >= ? AND place < ?",
            [(key << VERSION_BITS, (key + 1) << VERSION_BITS) for key in work.forget],
        )
    if work.entities:
        yield (
            _ENTITIES,
            (
                (e.key, e.tenant, e.name, e.phase == "ended", e.version, e.seq, e.time, e.touched)
                for e in sorted(work.entities, key=lambda entity: entity.key)
            ),
        )
    if work.events:
        yield (
            f"INSERT INTO log({LOGGED}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (key, seq, name, at, status == "quarantined", begins, data, answer, revised)
                for key, seq, name, at, status, begins, data, answer, revised in work.events
            ),
        )
    if work.undone:
        yield (
            "DELETE FROM snapshots WHERE key = ? AND (time, seq) > (?, ?)",
            [(key, *position) for key, position in work.undone],
        )
    if work.snapshots:
        yield (
            _SNAPSHOTS,
            (
                (key, version, at, seq, checksum(key, version, seq, state), state)
                for key, version, (at, seq), state in work.snapshots
            ),
        )
    if work.states:
        yield (
            "INSERT OR REPLACE INTO states(place, seq, crc, state) VALUES (?, ?, ?, ?)",
            (
                (place(key, version), seq, checksum(key, version, seq, state), state)
                for key, version, seq, state in sorted(work.states, key=lambda row: row[:2])
            ),
        )
    if work.trimmed:
        for table in ("log", "snapshots"):
            yield (
                f"DELETE FROM {table} WHERE key = ? AND (time, seq) <= (?, ?)",
                [(key, *position) for key, position in work.trimmed],
            )


def revise(db: Any, revised: Sequence[tuple[int, int, bytes]]) -> None:
    """Write later answers. They are the last of an entity's order, and are found from its end."""
    answers: dict[int, dict[int, bytes]] = {}
    for key, seq, answer in revised:
        answers.setdefault(key, {})[seq] = answer
    rows: list[tuple[bytes, int]] = []
    for key, wanted in answers.items():
        newest = db.execute(
            "SELECT row, seq FROM log WHERE key = ? ORDER BY time DESC, seq DESC", (key,)
        )
        for row, seq in newest:
            answer = wanted.pop(seq, None)
            if answer is not None:
                rows.append((answer, row))
                if not wanted:
                    break
        newest.close()
    db.executemany("UPDATE log SET revised = ? WHERE row = ?", rows)


def place(key: int, version: int) -> int:
    """Give the row of a state: an entity's versions lie beside each other.

    Examples
    --------
    >>> place(2, 1) - place(1, 1)
    65536
    """
    if not 0 <= version < 1 << VERSION_BITS:
        raise StoreError(
            explain(
                "store",
                f"a version's number is below {1 << VERSION_BITS}",
                str(version),
                "Begin a new store",
            )
        )
    return key << VERSION_BITS | version
