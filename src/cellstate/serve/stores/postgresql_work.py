"""One transaction's statements for PostgreSQL: a table's rows travel as a few arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from cellstate.serve.stores.checksum import checksum
from cellstate.serve.stores.store import Entity, Work, shard_of

Columns = list[list[Any]]


def written(
    work: Work, places: Sequence[tuple[int, int, int, bytes]], shards: int
) -> Iterator[tuple[str, Columns]]:
    """Give the statements of a piece of work with their columns, in order.

    Parameters
    ----------
    work : Work
    places : sequence of (key, time, seq, answer)
        `Work.revised` with the events' times, see `places_of`.
    shards : int
    """
    if work.forget:
        for table in ("states", "log", "snapshots", "entities"):
            yield f"DELETE FROM {table} WHERE key = ANY(%b::bigint[])", [work.forget]
    if work.entities:
        yield (
            _ENTITIES,
            _columns(
                _entity_row(entity, shards)
                for entity in sorted(work.entities, key=lambda entity: entity.key)
            ),
        )
    if work.events:
        yield (
            _EVENTS,
            _columns(
                (key, seq, id, at, status == "quarantined", begins, data, answer, revised)
                for key, seq, id, at, status, begins, data, answer, revised in work.events
            ),
        )
    if places:
        yield _REVISED, _columns(places)
    if work.undone:
        yield _UNDONE, _columns((key, *position) for key, position in work.undone)
    if work.snapshots:
        yield (
            _SNAPSHOTS,
            _columns(
                (key, version, at, seq, checksum(key, version, seq, state), state)
                for key, version, (at, seq), state in {s[:3]: s for s in work.snapshots}.values()
            ),
        )
    if work.states:
        yield (
            _STATES,
            _columns(
                (key, version, seq, checksum(key, version, seq, state), state)
                for key, version, seq, state in sorted({s[:2]: s for s in work.states}.values())
            ),
        )
    if work.trimmed:
        for table in ("log", "snapshots"):
            yield _TRIMMED.format(table=table), _columns((k, *place) for k, place in work.trimmed)


def keys_without_entity(work: Work) -> list[int]:
    """Give the keys of which the work does not tell the entity, and so not the shard."""
    keys = {row[0] for rows in (work.events, work.states, work.snapshots) for row in rows}
    keys |= {row[0] for rows in (work.revised, work.undone, work.trimmed) for row in rows}
    return list((keys | set(work.forget)) - {entity.key for entity in work.entities})


def places_of(db: Any, work: Work) -> list[tuple[int, int, int, bytes]]:
    """Find the events of later answers. They are the last of an entity's order."""
    times = {(row.key, row.seq): row.time for row in work.events}
    answers: dict[int, dict[int, bytes]] = {}
    found: dict[tuple[int, int], tuple[int, int, int, bytes]] = {}
    for key, seq, answer in work.revised:
        if (key, seq) in times:
            found[key, seq] = (key, times[key, seq], seq, answer)
        else:
            answers.setdefault(key, {})[seq] = answer
    for key, wanted in answers.items():
        limit = 2 * len(wanted) + 10
        while True:
            newest = db.execute(
                "SELECT time, seq FROM log WHERE key = %s ORDER BY time DESC, seq DESC LIMIT %s",
                [key, limit],
            ).fetchall()
            rows = [(key, at, seq, wanted[seq]) for at, seq in newest if seq in wanted]
            if len(rows) == len(wanted) or len(newest) < limit:
                break
            limit *= 4
        found.update({(key, row[2]): row for row in rows})
    return list(found.values())


def _entity_row(e: Entity, shards: int) -> tuple[Any, ...]:
    shard = shard_of(e.tenant, e.name, shards)
    ended = e.phase == "ended"
    return e.key, e.tenant, e.name, shard, ended, e.version, e.seq, e.time, e.touched


def _columns(rows: Iterable[Sequence[Any]]) -> Columns:
    return [list(column) for column in zip(*rows, strict=True)]


_ENTITIES = """
INSERT INTO entities(key, tenant, name, shard, ended, version, seq, time, touched)
SELECT * FROM unnest(%b::bigint[], %b::text[], %b::text[], %b::integer[], %b::boolean[],
    %b::integer[], %b::bigint[], %b::bigint[], %b::bigint[])
ON CONFLICT (key) DO UPDATE SET ended = excluded.ended, version = excluded.version,
    seq = excluded.seq, time = excluded.time, touched = excluded.touched
"""

_EVENTS = """
INSERT INTO log(key, seq, id, time, quarantined, begins, data, answer, revised)
SELECT * FROM unnest(%b::bigint[], %b::bigint[], %b::text[], %b::bigint[], %b::boolean[],
    %b::boolean[], %b::bytea[], %b::bytea[], %b::bytea[])
"""

_REVISED = """
UPDATE log SET revised = news.answer
FROM unnest(%b::bigint[], %b::bigint[], %b::bigint[], %b::bytea[]) AS news(key, time, seq, answer)
WHERE log.key = news.key AND log.time = news.time AND log.seq = news.seq
"""

_UNDONE = """
DELETE FROM snapshots USING unnest(%b::bigint[], %b::bigint[], %b::bigint[]) AS last(key, time, seq)
WHERE snapshots.key = last.key AND (snapshots.time, snapshots.seq) > (last.time, last.seq)
"""

_SNAPSHOTS = """
INSERT INTO snapshots(key, version, time, seq, crc, state)
SELECT * FROM unnest(%b::bigint[], %b::integer[], %b::bigint[], %b::bigint[], %b::bigint[],
    %b::bytea[])
ON CONFLICT (key, time, seq, version) DO UPDATE SET crc = excluded.crc, state = excluded.state
"""

_STATES = """
INSERT INTO states(key, version, seq, crc, state)
SELECT * FROM unnest(%b::bigint[], %b::integer[], %b::bigint[], %b::bigint[], %b::bytea[])
ON CONFLICT (key, version)
    DO UPDATE SET seq = excluded.seq, crc = excluded.crc, state = excluded.state
"""

_TRIMMED = """
DELETE FROM {table} USING unnest(%b::bigint[], %b::bigint[], %b::bigint[]) AS last(key, time, seq)
WHERE {table}.key = last.key AND ({table}.time, {table}.seq) <= (last.time, last.seq)
"""
