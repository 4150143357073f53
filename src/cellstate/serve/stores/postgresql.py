"""The store for growth: a PostgreSQL database that several server processes share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from cellstate.errors import FencedError, StoreError, explain
from cellstate.serve.stores.checksum import check_state
from cellstate.serve.stores.postgresql_link import Link, fenced
from cellstate.serve.stores.postgresql_schema import prepare
from cellstate.serve.stores.postgresql_work import keys_without_entity, places_of, written
from cellstate.serve.stores.store import (
    AbstractStore,
    Entity,
    Held,
    Logged,
    Position,
    Snapshot,
    StateRow,
    Version,
    Work,
    shard_of,
)

SHARDS = 64
KEYS_AT_ONCE = 4096
SLICE = 20_000

_CHECK = "SELECT check_tokens(%b::integer[], %b::bigint[])"
_ENTITY = "e.key, e.tenant, e.name, e.ended, e.version, e.seq, e.time, e.touched"
_LOGGED = "l.key, l.seq, l.id, l.time, l.quarantined, l.begins, l.data, l.answer, l.revised"


class PostgresqlStore(AbstractStore):
    """A store in a schema of a PostgreSQL database.

    Parameters
    ----------
    url : str
        ``postgresql://user:password@host/database``
    create : bool
        Whether to make the tables if they are missing.
    shards : int
        Into how many parts entities fall, where the tables are made now.
    schema : str

    Raises
    ------
    StoreError
        The server cannot be reached, is too old, or the tables are of a newer format.

    Notes
    -----
    A commit locks the rows of its shards ``FOR SHARE`` while it compares their tokens: commits to a
    shard do not wait for each other, but who takes the shard waits for those that have begun, and
    those that begin later see its token. The session's ``synchronous_commit`` is on, whatever the
    server's is; whether the server flushes at all (``fsync``) is up to it.
    """

    def __init__(
        self,
        url: str,
        *,
        create: bool = True,
        shards: int = SHARDS,
        schema: str = "cellstate",
    ) -> None:
        self._url, self._schema = url, schema
        self._link = Link(url, schema)
        self._tokens: dict[int, int] = {}
        self._keys = range(0)
        self._cursor = 0
        self._is_reader = False
        try:
            with self._link.use("prepare the tables") as db:
                self.shards = prepare(db, schema, shards=shards, create=create)
        except BaseException:
            self._link.close()
            raise

    def own(self, shard: int, holder: str, *, lease_s: float, take_over: bool = False) -> int:
        """See `AbstractStore.own`."""
        self._check_shard(shard)
        with self._write("take the shard") as db:
            row = db.execute(
                "UPDATE shards SET token = token + 1, holder = %s,"
                " until = clock_timestamp() + make_interval(secs => %s) WHERE shard = %s"
                " AND (%s OR holder = %s OR until <= clock_timestamp()) RETURNING token",
                [holder, lease_s, shard, take_over, holder],
            ).fetchone()
            if row is None:
                row = db.execute("SELECT holder FROM shards WHERE shard = %s", [shard]).fetchone()
                raise FencedError(
                    explain(
                        "store",
                        "a shard has one owner",
                        f"one that {row[0]} holds",
                        "Send events there, or wait until its lease is over",
                    )
                )
        self._tokens[shard] = row[0]
        return row[0]

    def renew(self, lease_s: float) -> None:
        """See `AbstractStore.renew`."""
        with self._write("renew the leases") as db:
            rows = db.execute(
                "UPDATE shards SET until = clock_timestamp() + make_interval(secs => %s)"
                " FROM unnest(%s::integer[], %s::bigint[]) AS mine(shard, token)"
                " WHERE shards.shard = mine.shard AND shards.token = mine.token"
                " RETURNING shards.shard",
                [lease_s, list(self._tokens), list(self._tokens.values())],
            ).fetchall()
        lost = set(self._tokens) - {shard for (shard,) in rows}
        for shard in lost:
            del self._tokens[shard]
        if lost:
            raise fenced(self.holder(min(lost)) or "")

    def release(self) -> None:
        """See `AbstractStore.release`."""
        tokens, self._tokens = self._tokens, {}
        if tokens:
            with self._write("release the shards") as db:
                db.execute(
                    "UPDATE shards SET until = '-infinity'"
                    " FROM unnest(%s::integer[], %s::bigint[]) AS mine(shard, token)"
                    " WHERE shards.shard = mine.shard AND shards.token = mine.token",
                    [list(tokens), list(tokens.values())],
                )

    def holder(self, shard: int) -> str | None:
        """See `AbstractStore.holder`."""
        self._check_shard(shard)
        with self._link.use("read who holds the shard") as db:
            row = db.execute(
                "SELECT holder FROM shards WHERE shard = %s AND until > clock_timestamp()", [shard]
            ).fetchone()
        return row[0] if row else None

    def new_keys(self, count: int) -> range:
        """See `AbstractStore.new_keys`."""
        if count > len(self._keys):
            block = max(count, KEYS_AT_ONCE)
            with self._write("hand out keys") as db:
                (end,) = db.execute(
                    "UPDATE store SET next_key = next_key + %s RETURNING next_key", [block]
                ).fetchone()
            self._keys = range(end - block, end)
        given, self._keys = self._keys[:count], self._keys[count:]
        return given

    def load(self, names: Sequence[tuple[str, str]]) -> list[Held | None]:
        """See `AbstractStore.load`."""
        found: dict[tuple[str, str], Held] = {}
        with self._link.use("read entities") as db:
            rows = db.execute(
                f"SELECT {_ENTITY}, s.version, s.seq, s.crc, s.state"
                " FROM unnest(%b::text[], %b::text[]) AS asked(tenant, name)"
                " JOIN entities AS e USING (tenant, name) LEFT JOIN states AS s USING (key)",
                [[tenant for tenant, _ in names], [name for _, name in names]],
                binary=True,
            ).fetchall()
        for *entity, version, seq, crc, state in rows:
            name = entity[1], entity[2]
            if name not in found:
                found[name] = Held(_entity(entity), {})
            if version is not None:
                key = entity[0]
                check_state(key, version, seq, state, crc)
                found[name].states[version] = StateRow(key, version, seq, state)
        return [found.get(name) for name in names]

    def answered(self, ids: Sequence[tuple[int, str]]) -> dict[tuple[int, str], Logged]:
        """See `AbstractStore.answered`."""
        with self._link.use("look up events") as db:
            rows = db.execute(
                f"SELECT {_LOGGED} FROM unnest(%b::bigint[], %b::text[]) AS asked(key, id)"
                " JOIN log AS l USING (key, id)",
                [[key for key, _ in ids], [id for _, id in ids]],
                binary=True,
            ).fetchall()
        return {(row[0], row[2]): _logged(row) for row in rows}

    def commit(self, work: Work) -> None:
        """See `AbstractStore.commit`."""
        with self._write("commit") as db:
            tokens = self._tokens_of(db, work)
            places = places_of(db, work) if work.revised else []
            # One message each way: the transaction is never open while this process waits.
            with db.pipeline(), db.transaction():
                db.execute(_CHECK, tokens)
                for statement, columns in written(work, places, self.shards):
                    db.execute(statement, columns)

    def log(
        self,
        key: int,
        *,
        after: Position | None = None,
        limit: int | None = None,
        newest_first: bool = False,
        status: str | None = None,
    ) -> list[Logged]:
        """See `AbstractStore.log`."""
        statement = f"SELECT {_LOGGED} FROM log AS l WHERE key = %s"
        values: list[Any] = [key]
        if after is not None:
            statement += f" AND (time, seq) {'<' if newest_first else '>'} (%s, %s)"
            values += after
        if status is not None:
            statement += " AND quarantined = %s"
            values.append(status == "quarantined")
        statement += " ORDER BY time DESC, seq DESC" if newest_first else " ORDER BY time, seq"
        with self._link.use("read the log") as db:
            rows = db.execute(statement + " LIMIT %s", [*values, limit], binary=True).fetchall()
        return [_logged(row) for row in rows]

    def snapshot(self, key: int, version: int, before: Position) -> Snapshot | None:
        """See `AbstractStore.snapshot`."""
        with self._link.use("read a snapshot") as db:
            row = db.execute(
                "SELECT time, seq, crc, state FROM snapshots WHERE key = %s AND version = %s"
                " AND (time, seq) < (%s, %s) ORDER BY time DESC, seq DESC LIMIT 1",
                [key, version, *before],
                binary=True,
            ).fetchone()
        if row is None:
            return None
        at, seq, crc, state = row
        check_state(key, version, seq, state, crc)
        return Snapshot(key, version, Position(at, seq), state)

    def entities(
        self, *, tenant: str | None = None, after: int = 0, limit: int = 1000
    ) -> list[Entity]:
        """See `AbstractStore.entities`."""
        with self._link.use("list entities") as db:
            rows = db.execute(
                f"SELECT {_ENTITY} FROM entities AS e WHERE key > %s"
                " AND (%s::text IS NULL OR tenant = %s) ORDER BY key LIMIT %s",
                [after, tenant, tenant, limit],
            ).fetchall()
        return [_entity(row) for row in rows]

    def count(self, tenant: str | None = None) -> int:
        """See `AbstractStore.count`."""
        with self._link.use("count entities") as db:
            (count,) = db.execute(
                "SELECT count(*) FROM entities WHERE %s::text IS NULL OR tenant = %s",
                [tenant, tenant],
            ).fetchone()
        return count

    def idle(self, before: int, limit: int) -> list[Entity]:
        """See `AbstractStore.idle`."""
        with self._link.use("list entities") as db:
            rows = db.execute(
                f"WITH part AS (SELECT * FROM entities WHERE key > %s ORDER BY key LIMIT %s)"
                f" SELECT {_ENTITY}, (SELECT max(key) FROM part), (SELECT count(*) FROM part)"
                " FROM (SELECT 1) AS one LEFT JOIN (SELECT * FROM part WHERE touched < %s"
                " AND shard = ANY(%s) ORDER BY key LIMIT %s) AS e ON true",
                [self._cursor, SLICE, before, list(self._tokens), limit],
            ).fetchall()
        found = [_entity(row[:8]) for row in rows if row[0] is not None]
        last, seen = rows[0][8:]
        if len(found) == limit:
            self._cursor = found[-1].key if found else self._cursor
        else:
            self._cursor = last if seen == SLICE else 0
        return found

    def versions(self) -> list[Version]:
        """See `AbstractStore.versions`."""
        with self._link.use("read the models") as db:
            rows = db.execute(
                "SELECT number, fingerprint, folder, role FROM versions ORDER BY number"
            ).fetchall()
        return [Version(*row) for row in rows]

    def set_versions(self, versions: Sequence[Version]) -> None:
        """See `AbstractStore.set_versions`."""
        kept = [version.number for version in versions]
        with self._write("write the models") as db, db.transaction():
            if self._tokens:
                db.execute(_CHECK, self._all_tokens())
            db.execute("LOCK TABLE versions IN SHARE ROW EXCLUSIVE MODE")
            db.execute("DELETE FROM versions")
            with db.cursor() as cursor:
                cursor.executemany("INSERT INTO versions VALUES (%s, %s, %s, %s)", versions)
            for table in ("states", "snapshots"):
                db.execute(f"DELETE FROM {table} WHERE NOT version = ANY(%s)", [kept])

    def reader(self) -> PostgresqlStore:
        """See `AbstractStore.reader`."""
        other = object.__new__(PostgresqlStore)
        other._url, other._schema, other.shards = self._url, self._schema, self.shards
        other._link = Link(self._url, self._schema, read_only=True)
        other._tokens, other._keys, other._cursor = self._tokens, range(0), 0
        other._is_reader = True
        return other

    def close(self) -> None:
        """See `AbstractStore.close`."""
        try:
            if not self._is_reader:
                with suppress(StoreError):  # a lease ends by itself
                    self.release()
        finally:
            self._link.close()

    @contextmanager
    def _write(self, doing: str) -> Iterator[Any]:
        if self._is_reader:
            raise StoreError(
                explain("store", f"to {doing} needs the writer", "a reader", "Use the store itself")
            )
        with self._link.use(doing) as db:
            yield db

    def _tokens_of(self, db: Any, work: Work) -> tuple[list[int], list[int]]:
        """Give the shards of a piece of work, all owned ones if it is empty, with their tokens."""
        shards = {shard_of(e.tenant, e.name, self.shards) for e in work.entities}
        if others := keys_without_entity(work):
            rows = db.execute(
                "SELECT DISTINCT shard FROM entities WHERE key = ANY(%b::bigint[])", [others]
            )
            shards |= {shard for (shard,) in rows.fetchall()}
        shards = shards or self._tokens.keys() or {0}
        for shard in sorted(shards):
            if shard not in self._tokens:
                raise fenced(self.holder(shard) or "")
        return list(shards), [self._tokens[shard] for shard in shards]

    def _all_tokens(self) -> tuple[list[int], list[int]]:
        return list(self._tokens), list(self._tokens.values())

    def _check_shard(self, shard: int) -> None:
        if not 0 <= shard < self.shards:
            raise StoreError(
                explain("store", f"a shard is below {self.shards}", str(shard), "Ask for another")
            )


def _entity(row: Sequence[Any]) -> Entity:
    key, tenant, name, ended, version, seq, at, touched = row
    return Entity(key, tenant, name, "ended" if ended else "live", version, seq, at, touched)


def _logged(row: Sequence[Any]) -> Logged:
    key, seq, name, at, quarantined, begins, data, answer, revised = row
    status = "quarantined" if quarantined else "applied"
    return Logged(key, seq, name, at, status, begins, data, answer, revised)
