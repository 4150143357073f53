"""A disk that fails on demand: full, broken, torn writes, failed flushes, and power cuts.

SQLite reaches the disk through a VFS; this one passes everything on to the real one, counts what
changes a file, and at a chosen count lets it go wrong. After a power cut nothing works any more,
and what was written but not flushed is on the disk or not, by chance.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

FAULTS = ("ENOSPC", "EIO", "short write", "failed flush", "power cut")
_numbers = itertools.count()


@dataclass
class Change:
    """One write or cut of a file that was not flushed since."""

    path: str
    offset: int
    data: bytes | None  # None for a cut at the offset


@dataclass
class Plan:
    """What goes wrong, and when.

    Attributes
    ----------
    fault : str
        One of `FAULTS`, or empty for a disk that works.
    at : int
        The change at which it happens, counted from 1 after `arm`.
    times : int
        Changes that fail in a row.
    """

    fault: str = ""
    at: int = 0
    times: int = 1
    count: int = 0
    struck: int = 0
    is_dead: bool = False
    unflushed: list[Change] = field(default_factory=list)
    flushed: dict[str, bytes] = field(default_factory=dict)

    def arm(self, fault: str, at: int, times: int = 1) -> None:
        self.fault, self.at, self.times, self.count, self.struck = fault, at, times, 0, 0

    def disarm(self) -> None:
        self.fault = ""

    def strike(self, kind: str) -> str:
        """Count a change and give the fault that it meets."""
        if self.is_dead:
            raise apsw.IOError("the power is off")
        self.count += 1
        if not self.fault or not self.at <= self.count < self.at + self.times:
            return ""
        if self.fault == "failed flush" and kind != "flush":
            self.at += 1  # the next flush
            return ""
        self.struck += 1
        if self.fault == "power cut":
            self.is_dead = True
            raise apsw.IOError("the power is off")
        return self.fault

    def note(self, change: Change) -> None:
        """Remember what was not flushed, and how the file was before it."""
        if change.path not in self.flushed:
            self.flushed[change.path] = Path(change.path).read_bytes()
        self.unflushed.append(change)

    def flush(self, path: str) -> None:
        self.flushed.pop(path, None)
        self.unflushed = [change for change in self.unflushed if change.path != path]

    def lose(self, chance: random.Random) -> None:
        """Leave files as a power cut may leave them: any of the unflushed changes, or parts."""
        for path, content in self.flushed.items():
            whole = bytearray(content)
            for change in self.unflushed:
                if change.path != path or chance.random() < 0.5:
                    continue
                if change.data is None:
                    del whole[change.offset :]
                    continue
                data = change.data
                if chance.random() < 0.2:  # torn between two sectors
                    data = data[: 512 * chance.randint(0, len(data) // 512)]
                whole.extend(bytes(max(0, change.offset - len(whole))))
                whole[change.offset : change.offset + len(data)] = data
            if Path(path).exists():
                Path(path).write_bytes(whole)
        self.flushed.clear()
        self.unflushed.clear()


class FaultyVFS(apsw.VFS):
    """A file system that follows a plan. Use it by its name."""

    def __init__(self, plan: Plan, *, remembers: bool = False) -> None:
        self.vfs_name = f"faulty-{next(_numbers)}"
        self.plan, self.remembers = plan, remembers
        super().__init__(self.vfs_name, "")

    def xOpen(self, name: Any, flags: list[int]) -> Any:  # noqa: N802 - SQLite's name
        return FaultyFile(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        self.plan.strike("delete")
        super().xDelete(filename, syncdir)


class FaultyFile(apsw.VFSFile):
    """A file whose changes may fail."""

    def __init__(self, vfs: FaultyVFS, name: Any, flags: list[int]) -> None:
        self._vfs, self._plan = vfs, vfs.plan
        if isinstance(name, apsw.URIFilename):
            self._path = name.filename()
        else:
            self._path = name or ""
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        fault = self._plan.strike("write")
        if fault == "short write":
            super().xWrite(data[: len(data) // 2], offset)
            raise apsw.FullError("a short write")
        if fault == "ENOSPC":
            raise apsw.FullError("no space left on device")
        if fault:
            raise apsw.IOError("input/output error")
        self._note(offset, data)
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        if self._plan.strike("truncate"):
            raise apsw.IOError("input/output error")
        self._note(newsize, None)
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        if self._plan.strike("flush"):
            raise apsw.IOError("a failed flush")
        super().xSync(flags)
        if self._vfs.remembers:
            self._plan.flush(self._path)

    def _note(self, offset: int, data: bytes | None) -> None:
        if self._vfs.remembers and self._path:
            self._plan.note(Change(self._path, offset, data))
