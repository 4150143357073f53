"""The file of a SQLite store: opened by one process, checked, errors in our words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from cellstate.errors import FencedError, StoreError, explain
from cellstate.extras import require

if TYPE_CHECKING:
    import apsw

APPLICATION = int.from_bytes(b"cstt", "big")  # tells our files from anyone else's
FORMAT = 1
PAGE_BYTES = 4096
CACHE_KIB = 32 * 1024
BUSY_MS = 5000

SCHEMA = """
CREATE TABLE entities(
    key INTEGER PRIMARY KEY, tenant TEXT NOT NULL, name TEXT NOT NULL, ended INTEGER NOT NULL,
    version INTEGER NOT NULL, seq INTEGER NOT NULL, time INTEGER NOT NULL, touched INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX entities_by_name ON entities(tenant, name);

-- place: key * 65536 + version, so that an entity's states lie beside each other
CREATE TABLE states(
    place INTEGER PRIMARY KEY, seq INTEGER NOT NULL, crc INTEGER NOT NULL, state BLOB NOT NULL
) STRICT;

CREATE TABLE log(
    row INTEGER PRIMARY KEY, key INTEGER NOT NULL, seq INTEGER NOT NULL, id TEXT,
    time INTEGER NOT NULL, quarantined INTEGER NOT NULL, begins INTEGER NOT NULL,
    data BLOB NOT NULL, answer BLOB NOT NULL, revised BLOB
) STRICT;
CREATE UNIQUE INDEX log_in_order ON log(key, time, seq);
CREATE UNIQUE INDEX log_by_id ON log(key, id) WHERE id IS NOT NULL;

CREATE TABLE snapshots(
    row INTEGER PRIMARY KEY, key INTEGER NOT NULL, version INTEGER NOT NULL,
    time INTEGER NOT NULL, seq INTEGER NOT NULL, crc INTEGER NOT NULL, state BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX snapshots_in_order ON snapshots(key, time, seq, version);

CREATE TABLE versions(
    number INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, folder TEXT NOT NULL, role TEXT NOT NULL
) STRICT;

-- one row: the fencing token, who holds the file until when, the next key that is free, and
-- whether traces of what was forgotten may still be in the file
CREATE TABLE ownership(
    token INTEGER NOT NULL, holder TEXT NOT NULL, until INTEGER NOT NULL,
    next_key INTEGER NOT NULL, must_scrub INTEGER NOT NULL
) STRICT;
INSERT INTO ownership VALUES (0, '', 0, 1, 0);
"""


def connect(
    path: Path, *, create: bool = False, read_only: bool = False, vfs: str | None = None
) -> apsw.Connection:
    """Open the file, make it if it may be made, and check that it is a store of this format.

    Raises
    ------
    StoreError
        The file is missing, is something else, is of a newer format, or SQLite is an affected one.
    """
    sqlite = require("apsw", extra="serve")
    _check_library(sqlite.sqlite_lib_version())
    is_new = not path.exists()
    if is_new and (read_only or not create):
        raise missing(path)
    flags = sqlite.SQLITE_OPEN_READONLY if read_only else sqlite.SQLITE_OPEN_READWRITE
    if create and not read_only:
        flags |= sqlite.SQLITE_OPEN_CREATE
    with translated(f"open {path.name!r}"):
        connection: apsw.Connection = sqlite.Connection(str(path), flags=flags, vfs=vfs)
    try:
        with translated(f"open {path.name!r}"):
            connection.set_busy_timeout(BUSY_MS)
            _check_content(connection, path, create=create and not read_only)
            connection.pragma("cache_size", -CACHE_KIB)
            if read_only:
                connection.pragma("query_only", 1)
            else:
                connection.pragma("synchronous", "FULL")
                # What is deleted or changed leaves zeros, so that a forgotten entity is gone.
                connection.pragma("secure_delete", 1)
        if is_new:
            flush_folder(path.parent)
    except BaseException:
        connection.close()
        raise
    return connection


def missing(path: Path) -> StoreError:
    """Say that there is no file."""
    return StoreError(
        explain("store", "the file must exist", f"no file {path.name!r}", "Check the path")
    )


def _check_library(version: str) -> None:
    numbers = tuple(int(part) for part in version.split("."))
    if (3, 7, 0) <= numbers <= (3, 51, 2):
        raise StoreError(
            explain(
                "store",
                "SQLite must be newer than 3.51.2, as older ones can lose committed events",
                version,
                "Install a current apsw: pip install --upgrade apsw",
            )
        )


def _check_content(connection: apsw.Connection, path: Path, *, create: bool) -> None:
    application = connection.pragma("application_id")
    number = connection.pragma("user_version")
    if application == APPLICATION:
        if number > FORMAT:
            raise StoreError(
                explain(
                    "store",
                    f"{path.name!r} must be of format {FORMAT} or older",
                    f"format {number}, written by a newer release",
                    "Upgrade cellstate to read it",
                )
            )
        return
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
    if application != 0 or number != 0 or tables or not create:
        raise StoreError(
            explain(
                "store",
                f"{path.name!r} must be a store of cellstate",
                "a database of another application",
                "Choose another path",
            )
        )
    connection.pragma("page_size", PAGE_BYTES)
    connection.pragma("journal_mode", "WAL")
    connection.pragma("synchronous", "FULL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(SCHEMA)
        connection.pragma("application_id", APPLICATION)
        connection.pragma("user_version", FORMAT)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise what SQLite says as a `StoreError`; values that a message may hold are left out."""
    import apsw

    try:
        yield
    except StoreError:
        raise
    except apsw.NotADBError as problem:
        raise StoreError(
            explain(
                "store",
                "the file must be a store of cellstate",
                "a file that is no database",
                "Choose another path",
            )
        ) from problem
    except apsw.ConstraintError as problem:  # its text names columns only
        raise StoreError(
            explain("store", f"could not {doing}", str(problem), "This is a bug of the caller")
        ) from problem
    except (apsw.Error, OSError) as problem:
        raise StoreError(
            explain(
                "store",
                f"could not {doing}",
                f"{type(problem).__name__}: {problem}",
                "Check the disk: its space, its health, who may write there",
            )
        ) from problem


class FileLock:
    """Keeps a second live process from the file; gone with the process, however it ends.

    The lock lies beside the file: closing any descriptor of the file itself would drop the locks
    that SQLite holds there.
    """

    def __init__(self, path: Path) -> None:
        import fcntl

        name = path.with_name(path.name + ".lock")
        try:
            self._file: TextIO = os.fdopen(os.open(name, os.O_RDWR | os.O_CREAT, 0o600), "r+")
        except OSError as problem:
            raise StoreError(
                explain(
                    "store",
                    "the store's folder must be writable",
                    f"{type(problem).__name__}: {problem.strerror}",
                    "Check the path and who may write there",
                )
            ) from problem
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise FencedError(
                explain(
                    "store",
                    f"one process at a time may write to {path.name!r}",
                    f"a file that process {holder} holds",
                    "End that process first, or give this one a file of its own",
                )
            ) from problem
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def release(self) -> None:
        """Let others in."""
        with suppress(OSError):
            self._file.truncate(0)
        self._file.close()


def flush_folder(folder: Path) -> None:
    """Make sure that the names of new files in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
