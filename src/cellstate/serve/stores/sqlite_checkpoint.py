"""When the write-ahead log is moved into the file, and what else is done then."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cellstate.serve.stores.sqlite_file import BUSY_MS, PAGE_BYTES
from cellstate.serve.stores.sqlite_scrub import empty_gaps, pages_in_wal

if TYPE_CHECKING:
    import apsw

PAGES = 4000  # in the log, from which it is moved
SCRUB_MS = 20  # to wait for readers


class Checkpoints:
    """Keeps the log short, and makes sure that what was forgotten is gone from the disk.

    Parameters
    ----------
    db : apsw.Connection
        The writer's.
    path : Path
    vfs : str or None
    """

    def __init__(self, db: apsw.Connection, path: Path, vfs: str | None) -> None:
        self._db, self._path, self._vfs = db, path, vfs
        self._waiting = 0
        # Pages that were moved since their gaps were last emptied; None for any
        self._moved: set[int] | None = None
        self._owes = bool(db.execute("SELECT must_scrub FROM ownership").get)
        db.wal_autocheckpoint(0)
        db.set_wal_hook(self._note)

    def promise(self) -> None:
        """Say, inside the transaction that forgets, that its traces are still to be removed."""
        self._db.execute("UPDATE ownership SET must_scrub = 1 WHERE NOT must_scrub")

    def after_commit(self, *, forgot: bool = False) -> None:
        """Do what is due. The commit is done: what fails here is tried again after the next."""
        import apsw

        self._owes |= forgot
        if not self._owes and self._waiting < PAGES:
            return
        try:
            if self._owes:
                self._scrub()
            else:
                self._note_moved()
                self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except (apsw.Error, OSError):
            return

    def _note(self, db: apsw.Connection, name: str, pages: int) -> int:
        self._waiting = pages
        return 0

    def _note_moved(self) -> None:
        if self._moved is not None:
            self._moved |= pages_in_wal(self._path, PAGE_BYTES)

    def _scrub(self) -> None:
        """Empty the log, and the gaps of all pages that went through it.

        A reader in the midst of reading may hold the log, and another writer may have come in
        between; then it is for the next time.
        """
        import apsw

        self._note_moved()
        self._db.set_busy_timeout(SCRUB_MS)
        try:
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            self._db.execute("BEGIN IMMEDIATE")  # nobody writes from here on
        finally:
            self._db.set_busy_timeout(BUSY_MS)
        try:
            log = self._path.with_name(self._path.name + "-wal")
            if log.exists() and log.stat().st_size:
                return
            flags = [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READWRITE, 0]
            file = apsw.VFSFile(self._vfs or "", str(self._path), flags)
            try:
                empty_gaps(file, self._moved, PAGE_BYTES)
            finally:
                file.xClose()
            self._db.execute("UPDATE ownership SET must_scrub = 0")
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        self._db.release_memory()  # pages in memory have their gaps still
        self._moved = set()
        self._owes = False
