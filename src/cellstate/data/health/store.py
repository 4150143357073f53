"""Events larger than memory: a folder of flat columns, mapped when they are read."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cellstate.data.health.chunks import iterate_frames
from cellstate.data.health.events import Events, id_array
from cellstate.data.health.left_out import LeftOut
from cellstate.data.health.partition import Partition, Spill
from cellstate.errors import FrameError, InputError, explain

FORMAT = 1
DESCRIPTION = "events.json"
PARTS = 32
"""Parts that are sorted one after the other: each must fit into memory."""


def write_store(
    folder: str | os.PathLike[str],
    tables: Any,
    *,
    ranges: Mapping[str, Any] | None = None,
    parts: int = PARTS,
) -> Events:
    """Write events that memory need not hold, all of them or nothing.

    Rows are shared among files by subject, and each of these is sorted and checked in memory, just
    as `cellstate.data.health.events.read_events` does with one frame; the columns of all are then
    put together on the disk. Beside one part, memory holds the subjects, the codes and what is
    left out.

    Parameters
    ----------
    folder : path
        Must not exist.
    tables : path, sequence of paths, or iterable of frames
        MEDS' long form in ``.csv``, ``.csv.gz`` or ``.parquet`` files, or as frames; a generator
        is asked for one frame at a time. Row numbers count over all of them.
    ranges : mapping, optional
        Plausible ranges, see `cellstate.data.health.ranges.check_ranges`.
    parts : int
        How many files the rows are shared among.

    Returns
    -------
    Events
        As `open_store` gives them.

    Raises
    ------
    InputError
        The folder exists, or there is no table.
    FrameError
        A table cannot be read, their columns have different types, or nothing can be written.

    Warns
    -----
    LeftOutWarning
        Rows were left out.
    """
    target, where = Path(folder), "Store"
    if target.exists():
        must = f"{target} must be a new folder"
        raise InputError(explain(where, must, "one that exists", "Choose another name"))
    partial = Path()
    try:
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        spill = Spill(partial / "parts", max(1, parts))
        for frame in iterate_frames(tables, where=where):
            spill.add(frame, where=where)
        if not spill.rows:
            must, do = "there must be tables", "Check where they come from"
            raise InputError(explain(where, must, "none", do))
        _write(partial, spill.finish(ranges))
        shutil.rmtree(partial / "parts")
        partial.chmod(0o755)
        partial.rename(target)
    except OSError as failure:
        must, do = f"{target} must be writable", "Free space or choose another folder"
        reason = failure.strerror or type(failure).__name__
        raise FrameError(explain(where, must, reason, do)) from failure
    finally:
        if partial != Path():
            shutil.rmtree(partial, ignore_errors=True)
    events = open_store(target)
    events.left_out.announce(where)
    return events


def open_store(folder: str | os.PathLike[str]) -> Events:
    """Open what `write_store` wrote; the events stay on the disk until they are looked at.

    Raises
    ------
    FrameError
        The folder is missing, damaged or something else.
    """
    source = Path(folder)
    try:
        described = json.loads((source / DESCRIPTION).read_text("utf-8"))
        if described["format"] != FORMAT:
            raise ValueError(f"format {described['format']}")
        count = described["events"]
        columns = {name: _load(source, name, count) for name in ("hours", "code", "value")}
        subjects = id_array(_load(source, "subjects", 0).tolist())
        offsets = _load(source, "offsets", 0)
        codes = tuple(described["codes"])
        left_out = LeftOut(
            _load(source, "left_out_rows", 0),
            _load(source, "left_out_reason", 0),
            tuple(described["reasons"]),
        )
        is_whole = len(offsets) == len(subjects) + 1 and int(offsets[-1]) == count
        if not is_whole or any(len(column) != count for column in columns.values()):
            raise ValueError("columns of different lengths")
    except (OSError, ValueError, KeyError, TypeError) as problem:
        must, do = f"{source} must be a store of events", "Write it again with write_store"
        reason = getattr(problem, "strerror", None) or str(problem).splitlines()[0]
        raise FrameError(explain("Store", must, reason.rstrip("."), do)) from problem
    return Events(
        subjects=subjects,
        offsets=offsets,
        codes=codes,
        is_absolute=bool(described.get("is_absolute")),
        left_out=left_out,
        **columns,
    )


def _load(folder: Path, name: str, mapped: int) -> np.ndarray:
    mode = "r" if mapped else None  # nothing cannot be mapped
    return np.load(folder / f"{name}.npy", mmap_mode=mode, allow_pickle=False)


def _write(folder: Path, sorted_parts: Partition) -> None:
    """Put the sorted parts together: each event goes to its subject's place."""
    offsets = np.concatenate([[0], np.cumsum(sorted_parts.counts)]).astype(np.int64)
    total = int(offsets[-1])
    used = np.flatnonzero(sorted_parts.is_used)
    moved = np.zeros(len(sorted_parts.codes) + 1, dtype=np.int32)
    moved[used] = np.arange(len(used))
    if total:
        columns = {
            name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, (total,))
            for name, dtype in (("hours", np.float64), ("code", np.int32), ("value", np.float64))
        }
        for part in sorted_parts.parts():
            subject = part["subject"]
            starts = np.flatnonzero(np.append(True, subject[1:] != subject[:-1]))
            since = np.arange(len(subject)) - np.repeat(
                starts, np.diff(np.append(starts, len(subject)))
            )
            place = offsets[subject] + since
            columns["hours"][place] = part["hours"]
            columns["code"][place] = moved[part["code"]]
            columns["value"][place] = part["value"]
        for column in columns.values():
            column.flush()
    else:
        for name, dtype in (("hours", np.float64), ("code", np.int32), ("value", np.float64)):
            np.save(folder / f"{name}.npy", np.zeros(0, dtype))
    np.save(folder / "offsets.npy", offsets)
    np.save(folder / "subjects.npy", np.array(sorted_parts.subjects))
    np.save(folder / "left_out_rows.npy", sorted_parts.left_out.rows)
    np.save(folder / "left_out_reason.npy", sorted_parts.left_out.reason)
    described = {
        "format": FORMAT,
        "events": total,
        "is_absolute": sorted_parts.is_absolute,
        "codes": [sorted_parts.codes[k] for k in used],
        "reasons": list(sorted_parts.left_out.reasons),
    }
    with (folder / DESCRIPTION).open("w", encoding="utf-8") as file:
        json.dump(described, file)
        file.flush()
        os.fsync(file.fileno())
