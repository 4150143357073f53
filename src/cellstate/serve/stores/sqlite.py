"""The default store: one SQLite file, one writer, every commit flushed to disk."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cellstate.errors import FencedError, StoreError, explain
from cellstate.serve.stores.checksum import check_state
from cellstate.serve.stores.sqlite_checkpoint import Checkpoints
from cellstate.serve.stores.sqlite_file import FileLock, connect, missing, translated
from cellstate.serve.stores.sqlite_work import LOGGED, VERSION_BITS, revise, written
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
)
from cellstate.serve.wire import to_json

KEYS_AT_ONCE = 4096
SLICE = 20_000
STATUS = ("applied", "quarantined")

_ENTITY = "key, tenant, name, ended, version, e.seq, time, touched"
_WANTED = "WITH wanted(a, b) AS MATERIALIZED (SELECT value ->> 0, value ->> 1 FROM json_each(?))"
_HELD = f"""
{_WANTED} SELECT {_ENTITY}, place, s.seq, crc, state
FROM wanted CROSS JOIN entities AS e ON tenant = a AND name = b LEFT JOIN states AS s
ON place >= key << {VERSION_BITS} AND place < (key + 1) << {VERSION_BITS}
"""
_ANSWERED = f"{_WANTED} SELECT {LOGGED} FROM wanted CROSS JOIN log ON key = a AND id = b"


class SqliteStore(AbstractStore):
    """A store in one file.

    Parameters
    ----------
    path : Path
        Beside it lie, while it is open, the files ``-wal``, ``-shm`` and ``.lock``.
    create : bool
        Whether to make the file if it is missing.
    read_only : bool
        Whether only to read; any number of readers may be open beside the writer.
    exclusive : bool
        Whether to keep every other writer out while this one is open. Without, only the fencing
        token protects the file.
    vfs : str, optional
        How SQLite reaches the disk, for tests.

    Raises
    ------
    StoreError
        The file cannot be opened, or is no store of this format.
    FencedError
        Another process holds it.
    """

    def __init__(
        self,
        path: Path,
        *,
        create: bool = True,
        read_only: bool = False,
        exclusive: bool = True,
        vfs: str | None = None,
    ) -> None:
        self.shards = 1
        self._path = path
        self._vfs = vfs
        self._read_only = read_only
        self._folder: TemporaryDirectory[str] | None = None
        if not create and not path.exists():
            raise missing(path)
        self._lock = FileLock(path) if exclusive and not read_only else None
        self._is_lost = False
        self._token = 0
        self._cursor = 0
        self._keys = range(0)
        try:
            self._connect(create=create)
            if self._lock:  # then no earlier owner lives, whatever its lease says
                with self._transaction("void a former lease") as db:
                    db.execute("UPDATE ownership SET until = 0 WHERE until > 0")
        except BaseException:
            if self._lock:
                self._lock.release()
            raise

    @classmethod
    def temporary(cls) -> SqliteStore:
        """Make a store that is gone when it is closed."""
        folder = TemporaryDirectory(prefix="cellstate-")
        store = cls(Path(folder.name) / "store.db")
        store._folder = folder
        return store

    def own(self, shard: int, holder: str, *, lease_s: float, take_over: bool = False) -> int:
        """See `AbstractStore.own`."""
        _check_shard(shard)
        with self._transaction("take the shard") as db:
            token, other, until = db.execute("SELECT token, holder, until FROM ownership").get
            if not take_over and other != holder and until > _now():
                raise FencedError(
                    explain(
                        "store",
                        "a shard has one owner",
                        f"one that {other} holds",
                        "Send events there, or wait until its lease is over",
                    )
                )
            db.execute(
                "UPDATE ownership SET token = ?, holder = ?, until = ?",
                (token + 1, holder, _now() + round(lease_s * 1e6)),
            )
        self._token = token + 1
        return self._token

    def renew(self, lease_s: float) -> None:
        """See `AbstractStore.renew`."""
        with self._transaction("renew the lease") as db:
            self._check_owned()
            db.execute("UPDATE ownership SET until = ?", (_now() + round(lease_s * 1e6),))

    def release(self) -> None:
        """See `AbstractStore.release`."""
        token, self._token = self._token, 0
        if token:
            with self._transaction("release the shard") as db:
                db.execute("UPDATE ownership SET until = 0 WHERE token = ?", (token,))

    def holder(self, shard: int) -> str | None:
        """See `AbstractStore.holder`."""
        _check_shard(shard)
        with translated("read who holds the shard"):
            holder, until = self._db.execute("SELECT holder, until FROM ownership").get
        return holder if until > _now() else None

    def new_keys(self, count: int) -> range:
        """See `AbstractStore.new_keys`."""
        if count > len(self._keys):
            with self._transaction("hand out keys") as db:
                first = db.execute("SELECT next_key FROM ownership").get
                end = first + max(count, KEYS_AT_ONCE)
                db.execute("UPDATE ownership SET next_key = ?", (end,))
            self._keys = range(first, end)
        given, self._keys = self._keys[:count], self._keys[count:]
        return given

    def load(self, names: Sequence[tuple[str, str]]) -> list[Held | None]:
        """See `AbstractStore.load`."""
        found: dict[tuple[str, str], Held] = {}
        with translated("read entities"):
            for *entity, place, seq, crc, state in self._find(_HELD, names):
                held = found.get((entity[1], entity[2]))
                if held is None:
                    held = found[entity[1], entity[2]] = Held(_entity(entity), {})
                if place is not None:
                    version = place & (1 << VERSION_BITS) - 1
                    check_state(held.entity.key, version, seq, state, crc)
                    held.states[version] = StateRow(held.entity.key, version, seq, state)
        return [found.get(name) for name in names]

    def answered(self, ids: Sequence[tuple[int, str]]) -> dict[tuple[int, str], Logged]:
        """See `AbstractStore.answered`."""
        with translated("look up events"):
            return {(row[0], row[2]): _logged(row) for row in self._find(_ANSWERED, ids)}

    def commit(self, work: Work) -> None:
        """See `AbstractStore.commit`."""
        with self._transaction("commit", forgets=bool(work.forget)) as db:
            self._check_owned()
            for statement, rows in written(work):
                db.executemany(statement, rows)
            revise(db, work.revised)

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
        statement = f"SELECT {LOGGED} FROM log WHERE key = ?"
        values: list[Any] = [key]
        if after is not None:
            statement += f" AND (time, seq) {'<' if newest_first else '>'} (?, ?)"
            values += after
        if status is not None:
            statement += " AND quarantined = ?"
            values.append(STATUS.index(status))
        statement += " ORDER BY time DESC, seq DESC" if newest_first else " ORDER BY time, seq"
        values.append(-1 if limit is None else limit)
        with translated("read the log"):
            return [_logged(row) for row in self._db.execute(statement + " LIMIT ?", values)]

    def snapshot(self, key: int, version: int, before: Position) -> Snapshot | None:
        """See `AbstractStore.snapshot`."""
        with translated("read a snapshot"):
            row = self._db.execute(
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
        self, *, tenant: str | None = None, after: int = 0, limit: int = 1000
    ) -> list[Entity]:
        """See `AbstractStore.entities`."""
        with translated("list entities"):
            rows = self._db.execute(
                f"SELECT {_ENTITY} FROM entities AS e WHERE key > ? AND (?2 IS NULL OR tenant = ?2)"
                " ORDER BY key LIMIT ?3",
                (after, tenant, limit),
            )
            return [_entity(row) for row in rows]

    def count(self, tenant: str | None = None) -> int:
        """See `AbstractStore.count`."""
        with translated("count entities"):
            return self._db.execute(
                "SELECT count(*) FROM entities WHERE ?1 IS NULL OR tenant = ?1", (tenant,)
            ).get

    def idle(self, before: int, limit: int) -> list[Entity]:
        """See `AbstractStore.idle`."""
        part = f"(SELECT * FROM entities WHERE key > ? ORDER BY key LIMIT {SLICE})"
        with translated("list entities"):
            last, seen = self._db.execute(
                f"SELECT max(key), count(*) FROM {part}", (self._cursor,)
            ).get
            rows = self._db.execute(
                f"SELECT {_ENTITY} FROM {part} AS e WHERE touched < ? ORDER BY key LIMIT ?",
                (self._cursor, before, limit),
            )
            found = [_entity(row) for row in rows]
        if found and len(found) == limit:
            self._cursor = found[-1].key
        else:
            self._cursor = last if seen == SLICE else 0
        return found

    def versions(self) -> list[Version]:
        """See `AbstractStore.versions`."""
        with translated("read the models"):
            rows = self._db.execute(
                "SELECT number, fingerprint, folder, role FROM versions ORDER BY number"
            )
            return [Version(*row) for row in rows]

    def set_versions(self, versions: Sequence[Version]) -> None:
        """See `AbstractStore.set_versions`."""
        with self._transaction("write the models") as db:
            if self._token:
                self._check_owned()
            absent = {number for (number,) in db.execute("SELECT number FROM versions")}
            absent -= {version.number for version in versions}
            db.execute("DELETE FROM versions")
            db.executemany("INSERT INTO versions VALUES (?, ?, ?, ?)", versions)
            for number in absent:
                db.execute(
                    f"DELETE FROM states WHERE place & {(1 << VERSION_BITS) - 1} = ?", (number,)
                )
                db.execute("DELETE FROM snapshots WHERE version = ?", (number,))

    def reader(self) -> SqliteStore:
        """See `AbstractStore.reader`."""
        return SqliteStore(self._path, create=False, read_only=True, vfs=self._vfs)

    def close(self) -> None:
        """See `AbstractStore.close`. What fails here loses nothing: every commit was flushed."""
        import apsw

        with suppress(StoreError, apsw.Error):
            self.release()
        with suppress(apsw.Error):
            self._db.close(True)
        if self._lock:
            self._lock.release()
        if self._folder:
            self._folder.cleanup()

    def _find(self, query: str, pairs: Sequence[tuple[Any, Any]]) -> list[tuple[Any, ...]]:
        """Ask for many at once: a third of the time of asking for one after the other."""
        return self._db.execute(query, (to_json(pairs).decode(),)).fetchall()

    def _connect(self, *, create: bool = False) -> None:
        self._db: Any = connect(self._path, create=create, read_only=self._read_only, vfs=self._vfs)
        if not self._read_only:
            with translated("open the file"):
                self._checkpoints = Checkpoints(self._db, self._path, self._vfs)

    @contextmanager
    def _transaction(self, doing: str, *, forgets: bool = False) -> Iterator[Any]:
        """Write all that is written inside, flushed, or nothing of it."""
        if self._read_only:
            raise StoreError(
                explain("store", f"to {doing} needs the writer", "a reader", "Use the store itself")
            )
        with translated(doing):
            if self._is_lost:
                self._connect()
                self._is_lost = False
            db = self._db
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                if forgets:
                    self._checkpoints.promise()
                db.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise
        self._checkpoints.after_commit(forgot=forgets)

    def _roll_back(self) -> None:
        """Leave a failed transaction; where even that fails, begin with a new connection."""
        import apsw

        try:
            if self._db.in_transaction:  # SQLite has rolled back by itself where it had to
                self._db.execute("ROLLBACK")
        except apsw.Error:
            self._is_lost = True
            self._db.close(True)

    def _check_owned(self) -> None:
        """Compare tokens inside a transaction, where no other can change them."""
        token, holder = self._db.execute("SELECT token, holder FROM ownership").get
        if not self._token or token != self._token:
            raise FencedError(
                explain(
                    "store",
                    "only a shard's owner may write to it",
                    f"one that {holder or 'nobody'} took",
                    "Send events there",
                )
            )


def _check_shard(shard: int) -> None:
    if shard != 0:
        raise StoreError(
            explain("store", "a file has one shard, number 0", str(shard), "Ask for shard 0")
        )


def _entity(row: Sequence[Any]) -> Entity:
    key, tenant, name, ended, version, seq, at, touched = row
    return Entity(key, tenant, name, "ended" if ended else "live", version, seq, at, touched)


def _logged(row: Sequence[Any]) -> Logged:
    key, seq, name, at, quarantined, begins, data, answer, revised = row
    return Logged(key, seq, name, at, STATUS[quarantined], bool(begins), data, answer, revised)


def _now() -> int:
    return time.time_ns() // 1000
