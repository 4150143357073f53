"""Rows shared among files by subject, then sorted and checked a file at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cellstate.data.health.events import moved_places, read_columns
from cellstate.data.health.left_out import LeftOut
from cellstate.data.health.screening import sort_and_screen
from cellstate.errors import FrameError, explain

_ROW = np.dtype(
    [("subject", "<i8"), ("hours", "<f8"), ("code", "<i4"), ("value", "<f8"), ("row", "<i8")]
)


@dataclass(frozen=True)
class Partition:
    """Sorted rows in files, no subject in two of them.

    Attributes
    ----------
    subjects : list of int or list of str
        (S,) sorted.
    counts : numpy.ndarray
        (S,) events of each.
    codes : list of str
        (C,) sorted.
    is_used : numpy.ndarray
        (C,) whether a code has an event.
    is_absolute : bool
    left_out : LeftOut
    files : tuple of Path
    """

    subjects: list[Any]
    counts: np.ndarray
    codes: list[str]
    is_used: np.ndarray
    is_absolute: bool
    left_out: LeftOut
    files: tuple[Path, ...]

    def parts(self) -> Iterator[np.ndarray]:
        """Give the rows of each file that has any, sorted by subject, hours and code."""
        for file in self.files:
            rows = np.fromfile(file, dtype=_ROW)
            if len(rows):
                yield rows


class Spill:
    """Takes frames one after the other and shares their rows among files by subject.

    Parameters
    ----------
    folder : Path
        Is made.
    parts : int
    """

    def __init__(self, folder: Path, parts: int) -> None:
        folder.mkdir()
        self.files = tuple(folder / f"{part}.rows" for part in range(parts))
        for file in self.files:
            file.touch()
        self.rows = 0
        self._subjects: dict[Any, int] = {}
        self._codes: dict[str, int] = {}
        self._is_absolute: bool | None = None

    def add(self, frame: Any, *, where: str) -> None:
        """Add the rows of a frame.

        Raises
        ------
        FrameError
            It is no frame in MEDS' long form, or its types differ from those before.
        """
        if getattr(frame, "shape", (1,))[0] == 0:
            return  # a filter may leave no row of a part
        parts = read_columns(frame, where=where)
        self._check_types(parts, where)
        rows = np.empty(len(parts["hours"]), dtype=_ROW)
        rows["subject"] = _joined(self._subjects, parts["subjects"])[parts["subject"]]
        rows["code"] = _joined(self._codes, parts["codes"])[parts["code"]]
        rows["hours"], rows["value"] = parts["hours"], parts["value"]
        rows["row"] = self.rows + 1 + np.arange(len(rows))
        self.rows += len(rows)
        home = rows["subject"] % len(self.files)
        order = np.argsort(home, kind="stable")
        ends = np.cumsum(np.bincount(home, minlength=len(self.files)))
        for file, some in zip(self.files, np.split(rows[order], ends[:-1]), strict=True):
            if len(some):
                with file.open("ab") as target:
                    target.write(some.tobytes())

    def finish(self, ranges: Mapping[str, Any] | None) -> Partition:
        """Sort and check each file."""
        ids, names = list(self._subjects), list(self._codes)
        by_id = sorted(range(len(ids)), key=ids.__getitem__)
        by_name = sorted(range(len(names)), key=names.__getitem__)
        to_id, to_code = moved_places(by_id), moved_places(by_name)
        codes = [names[k] for k in by_name]
        counts = np.zeros(len(ids), dtype=np.int64)
        is_used = np.zeros(len(names), dtype=bool)
        left_out = LeftOut.nothing()
        for file in self.files:
            rows = np.fromfile(file, dtype=_ROW)
            subject, hours, code, value, out = sort_and_screen(
                to_id[rows["subject"]],
                rows["hours"],
                to_code[rows["code"]],
                rows["value"],
                rows["row"],
                codes=codes,
                is_absolute=bool(self._is_absolute),
                ranges=ranges,
            )
            kept = np.zeros(len(subject), dtype=_ROW)
            kept["subject"], kept["hours"], kept["code"], kept["value"] = (
                subject,
                hours,
                code,
                value,
            )
            file.write_bytes(kept.tobytes())
            counts += np.bincount(subject, minlength=len(ids))
            is_used[code] = True
            left_out += out
        return Partition(
            [ids[k] for k in by_id],
            counts,
            codes,
            is_used,
            bool(self._is_absolute),
            left_out,
            self.files,
        )

    def _check_types(self, parts: dict[str, Any], where: str) -> None:
        must = "all tables must have columns of the same types"
        if (parts["hours"] > -np.inf).any():
            if self._is_absolute not in (None, parts["is_absolute"]):
                given = "timestamps in one and numbers in another"
                raise FrameError(explain(where, must, given, "Convert the column 'time'"))
            self._is_absolute = parts["is_absolute"]
        known = next(iter(self._subjects), None)
        new = next(iter(parts["subjects"]), None)
        if known is not None and new is not None and type(known) is not type(new):
            given = "whole numbers in one and text in another"
            raise FrameError(explain(where, must, given, "Convert the column 'subject_id'"))


def _joined(known: dict[Any, int], names: list[Any]) -> np.ndarray:
    """Number names, new ones too; the last entry keeps -1 where it is."""
    places = [known.setdefault(name, len(known)) for name in names]
    return np.array([*places, -1], dtype=np.int64)
