"""What SQLite leaves behind: bytes of deleted rows in pages that it has rebuilt.

With ``secure_delete`` SQLite overwrites rows as it deletes them. But where it rebuilds a page, to
split it or to merge it with its neighbour, copies of rows stay in the gap between the page's list
of cells and its first cell, and outlive the rows. No statement reaches that gap. It belongs to
nobody by the file format, so it can be emptied in the file itself while nobody else may write.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

_INTERIOR, _LEAVES = (2, 5), (10, 13)  # first byte of a page of a tree
# A page of another kind begins with the number of a page, whose first byte is 0 below this.
_MOST_PAGES = 1 << 24
_PAGES_AT_ONCE = 1024
_WAL_HEADER, _FRAME_HEADER = 32, 24


def pages_in_wal(path: Path, page_bytes: int) -> set[int]:
    """Give the numbers of the pages that a write-ahead log holds, or held before it began anew."""
    log = path.with_name(path.name + "-wal")
    stride = page_bytes + _FRAME_HEADER
    with log.open("rb") as file:
        count = (log.stat().st_size - _WAL_HEADER) // stride
        if count <= 0:
            return set()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            # The first field of each frame's header
            numbers = np.ndarray((count,), ">u4", content, _WAL_HEADER, (stride,))
            found = set(np.unique(numbers).tolist())
            del numbers  # the map cannot be closed while an array looks at it
    return found


def empty_gaps(file: Any, pages: Iterable[int] | None, page_bytes: int) -> int:
    """Overwrite with zeros what no cell of a page holds, and flush.

    Parameters
    ----------
    file : apsw.VFSFile
        The database, all of whose log was moved into it, held against other writers. Through
        SQLite's own files, as closing any other descriptor would drop its locks.
    pages : iterable of int or None
        Which pages, counted from 1; all for None.
    page_bytes : int

    Returns
    -------
    int
        How many pages held something.
    """
    last = min(file.xFileSize() // page_bytes, _MOST_PAGES)
    numbers = range(1, last + 1) if pages is None else sorted(n for n in pages if 1 <= n <= last)
    changed = 0
    for first, count in _runs(numbers):
        content = file.xRead(count * page_bytes, (first - 1) * page_bytes)
        for number in range(first, first + count):
            at = (number - first) * page_bytes
            start, end = _gap(content, at, 100 if number == 1 else 0)
            if start < end and content.count(0, at + start, at + end) != end - start:
                file.xWrite(bytes(end - start), (number - 1) * page_bytes + start)
                changed += 1
    if changed:
        file.xSync(2)  # SQLITE_SYNC_NORMAL
    return changed


def _gap(content: bytes, at: int, header: int) -> tuple[int, int]:
    """Give where the unused middle of a page begins and ends; nothing where it is no tree's page.

    The header of a page: its kind, the first free block (2), the number of cells (2), where the
    cells begin (2), loose bytes (1), and the rightmost child (4) if it has children.
    """
    head = at + header
    kind = content[head]
    if kind not in _INTERIOR and kind not in _LEAVES:
        return 0, 0
    cells = int.from_bytes(content[head + 3 : head + 5], "big")
    end = int.from_bytes(content[head + 5 : head + 7], "big") or 65536
    return header + (12 if kind in _INTERIOR else 8) + 2 * cells, end


def _runs(numbers: Iterable[int]) -> Iterable[tuple[int, int]]:
    """Join neighbours, to read them at once."""
    first, count = 0, 0
    for number in numbers:
        if number == first + count and count < _PAGES_AT_ONCE:
            count += 1
            continue
        if count:
            yield first, count
        first, count = number, 1
    if count:
        yield first, count
