"""The disk that a store lies on: its file system, its device, and what a flush costs there."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.harness.record import Recorder

PAGE = 4096
FLUSHES, QUICK_FLUSHES = 500, 50
MEMORY = ("tmpfs", "ramfs")  # a flush to these is no flush
RECORDED = {"median": 50, "p99": 99}  # percentile of each metric


class Disk(NamedTuple):
    """Where a folder lies."""

    system: str  # of files: "ext4"
    device: str  # "/dev/vda"

    def __str__(self) -> str:
        return f"{self.system} on {self.device}"


def disk_of(folder: Path, mounts: str | None = None) -> Disk:
    """Find the file system and device of a folder in the list of mounts.

    Examples
    --------
    >>> mounts = "/dev/vda / ext4 rw 0 0\\n/dev/vdb /data xfs rw 0 0\\n"
    >>> str(disk_of(Path("/data/state"), mounts))
    'xfs on /dev/vdb'
    """
    listed = Path("/proc/mounts").read_text("utf-8") if mounts is None else mounts
    found, length = Disk("unknown", "unknown"), -1
    for line in listed.splitlines():
        device, point, system, *_ = line.split(" ")
        inside = folder == Path(point) or Path(point) in folder.parents
        if inside and len(point) >= length:  # of equal ones the last was mounted on top
            found, length = Disk(system, device), len(point)
    return found


def flush_seconds(folder: Path, count: int) -> np.ndarray:
    """Time the flush of one new page at the end of a file, so many times."""
    taken = np.empty(count)
    path = folder / "flushed"
    with path.open("wb") as file:  # not a nameless one: its flush is cheaper than a real file's
        number = file.fileno()
        for k in range(count):
            os.pwrite(number, os.urandom(PAGE), k * PAGE)
            start = time.perf_counter()
            os.fsync(number)
            taken[k] = time.perf_counter() - start
    path.unlink()
    return taken


def record_disk(recorder: Recorder, folder: Path, *, quick: bool) -> Disk:
    """Add what a flush costs in this folder.

    Raises
    ------
    RuntimeError
        The folder lies in memory.
    """
    disk = disk_of(folder.resolve())
    if disk.system in MEMORY:
        raise RuntimeError(f"{folder} lies in memory ({disk}); set TMPDIR to a folder on a disk")
    record_flushes(recorder, f"disk: {disk}", folder, QUICK_FLUSHES if quick else FLUSHES)
    return disk


def record_flushes(recorder: Recorder, case: str, folder: Path, count: int = QUICK_FLUSHES) -> None:
    """Add what a flush costs now: a disk that is shared is not the same all day."""
    taken = flush_seconds(folder, count)
    for name, share in RECORDED.items():
        value = 1e3 * float(np.percentile(taken, share))
        recorder.add(case, "fsync of one page", f"milliseconds_{name}", value)
