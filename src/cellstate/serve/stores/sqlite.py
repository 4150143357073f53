"""The default store: one SQLite file, one writer, every commit flushed to disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cellstate.errors import FencedError, StoreError, explain
from cellstate.serve.stores import sqlite_reading as reading
from cellstate.serve.stores.sqlite_checkpoint import Checkpoints
from cellstate.serve.stores.sqlite_file import FileLock, connect, missing, translated
from cellstate.serve.stores.sqlite_recent import VERSION_BITS, Asked, Recent
from cellstate.serve.stores.sqlite_settling import Settling, read_recent
from cellstate.serve.stores.sqlite_work import write
from cellstate.serve.stores.store import (
    AbstractStore,
    Entity,
    Held,
    Logged,
    Position,
    Snapshot,
    Version,
    Work,
)

KEYS_AT_ONCE = 4096
SLICE = 20_000  # entities that a look for idle ones goes through


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
        self._is_alone = self._lock is not None  # then nobody else writes
        self._is_beside = False  # a reader of one that is
        self._is_lost = False
        self._token = 0
        self._cursor = 0
        self._keys = range(0)
        try:
            self._connect(create=create)
            if self._lock:  # then no earlier owner lives, whatever its lease says
                with self._transaction("void a former lease"):
                    self._db.execute("UPDATE ownership SET until = 0 WHERE until > 0")
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
        with self._transaction("take the shard"):
            db = self._db
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
        with self._transaction("renew the lease"):
            self._check_owned()
            self._db.execute("UPDATE ownership SET until = ?", (_now() + round(lease_s * 1e6),))

    def release(self) -> None:
        """See `AbstractStore.release`."""
        token, self._token = self._token, 0
        if token:
            with self._transaction("release the shard"):
                self._db.execute("UPDATE ownership SET until = 0 WHERE token = ?", (token,))

    def holder(self, shard: int) -> str | None:
        """See `AbstractStore.holder`."""
        _check_shard(shard)
        with translated("read who holds the shard"):
            holder, until = self._db.execute("SELECT holder, until FROM ownership").get
        return holder if until > _now() else None

    def new_keys(self, count: int) -> range:
        """See `AbstractStore.new_keys`."""
        if count > len(self._keys):
            with self._transaction("hand out keys"):
                db = self._db
                first = db.execute("SELECT next_key FROM ownership").get
                end = first + max(count, KEYS_AT_ONCE)
                db.execute("UPDATE ownership SET next_key = ?", (end,))
            self._keys = range(first, end)
        given, self._keys = self._keys[:count], self._keys[count:]
        return given

    def load(self, names: Sequence[tuple[str, str]]) -> list[Held | None]:
        """See `AbstractStore.load`."""
        with self._reading("read entities") as recent:
            return reading.load(self._db, recent, names)

    def answered(self, ids: Sequence[tuple[int, str]]) -> dict[tuple[int, str], Logged]:
        """See `AbstractStore.answered`."""
        with self._reading("look up events") as recent:
            return reading.answered(self._db, recent, ids)

    def commit(self, work: Work) -> None:
        """See `AbstractStore.commit`."""
        with self._transaction("commit", forgets=bool(work.forget)) as then:
            self._check_owned()
            settling, recent = self._settling, self._recent
            settling.write(max(len(work.events), len(work.states)))
            written = write(self._db, work, recent)
            then += [lambda: written.note(recent), settling.wrote]

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
        kind = None if status is None else reading.STATUS.index(status)
        with self._reading("read the log") as recent:
            return reading.log(self._db, recent, key, Asked(after, limit, newest_first, kind))

    def snapshot(self, key: int, version: int, before: Position) -> Snapshot | None:
        """See `AbstractStore.snapshot`."""
        with translated("read a snapshot"):
            return reading.snapshot(self._db, key, version, before)

    def entities(
        self, *, tenant: str | None = None, after: int = 0, limit: int = 1000
    ) -> list[Entity]:
        """See `AbstractStore.entities`."""
        with self._reading("list entities") as recent:
            return reading.entities(self._db, recent, tenant=tenant, after=after, limit=limit)

    def count(self, tenant: str | None = None) -> int:
        """See `AbstractStore.count`."""
        with translated("count entities"):
            return self._db.execute(
                "SELECT count(*) FROM entities WHERE ?1 IS NULL OR tenant = ?1", (tenant,)
            ).get

    def idle(self, before: int, limit: int) -> list[Entity]:
        """See `AbstractStore.idle`."""
        with self._reading("list entities") as recent:
            found, self._cursor = reading.idle(
                self._db, recent, after=self._cursor, size=SLICE, before=before, limit=limit
            )
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
        with self._transaction("write the models") as then:
            if self._token:
                self._check_owned()
            db = self._db
            absent = {number for (number,) in db.execute("SELECT number FROM versions")}
            absent -= {version.number for version in versions}
            db.execute("DELETE FROM versions")
            db.executemany("INSERT INTO versions VALUES (?, ?, ?, ?)", versions)
            if absent:
                self._settling.write_all()
                then.append(self._settling.wrote_all)
            for number in absent:
                mask = (1 << VERSION_BITS) - 1
                db.execute(f"DELETE FROM states WHERE place & {mask} = ?", (number,))
                db.execute("DELETE FROM snapshots WHERE version = ?", (number,))

    def reader(self) -> SqliteStore:
        """See `AbstractStore.reader`."""
        other = SqliteStore(self._path, create=False, read_only=True, vfs=self._vfs)
        if self._is_alone:
            other._recent, other._is_beside = self._recent, True
        return other

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

    def _connect(self, *, create: bool = False) -> None:
        self._db: Any = connect(self._path, create=create, read_only=self._read_only, vfs=self._vfs)
        self._seen = -1
        if not self._read_only:
            with translated("open the file"):
                self._checkpoints = Checkpoints(self._db, self._path, self._vfs)
                self._follow()

    def _follow(self) -> None:
        """Find out what others have written, where others may write."""
        if self._is_alone and self._seen != -1:
            return
        seen = self._db.pragma("data_version")
        if seen != self._seen:
            self._recent = read_recent(self._db)
            self._settling = Settling(self._db, self._recent)
            self._seen = seen

    @contextmanager
    def _reading(self, doing: str) -> Iterator[Recent]:
        """Give what was written lately, of the moment at which the file is read."""
        with translated(doing):
            if self._is_beside:
                with self._recent.lock:
                    yield self._recent
            elif self._is_alone:
                yield self._recent
            else:
                self._db.execute("BEGIN")
                try:
                    self._db.execute("SELECT token FROM ownership").fetchall()  # from here on
                    self._follow()
                    yield self._recent
                finally:
                    self._db.execute("COMMIT")

    @contextmanager
    def _transaction(
        self, doing: str, *, forgets: bool = False
    ) -> Iterator[list[Callable[[], None]]]:
        """Write all that is written inside, flushed, or nothing of it; then call what is given."""
        if self._read_only:
            raise StoreError(
                explain("store", f"to {doing} needs the writer", "a reader", "Use the store itself")
            )
        then: list[Callable[[], None]] = []
        with translated(doing):
            if self._is_lost:
                self._connect()
                self._is_lost = False
            db = self._db
            db.execute("BEGIN IMMEDIATE")
            try:
                self._follow()
                yield then
                if forgets:
                    self._checkpoints.promise()
                with self._recent.lock:
                    db.execute("COMMIT")
                    for call in then:
                        call()
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


def _now() -> int:
    return time.time_ns() // 1000
