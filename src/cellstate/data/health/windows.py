"""Which hours of which subject may be read, and which may not: windows that end at a prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.data.health.events import Events
from cellstate.errors import InputError, explain


@dataclass(frozen=True)
class Windows:
    """For each row, the subject and the hours from `start` to `end`, both included.

    `end` is the prediction time: nothing later is read, whatever the events hold.

    Attributes
    ----------
    subjects : np.ndarray
        (n,) identifiers; a subject may have several windows.
    start, end : np.ndarray
        (n,) float64, hours as in `Events.hours`.
    """

    subjects: np.ndarray
    start: np.ndarray
    end: np.ndarray

    def __len__(self) -> int:
        return len(self.subjects)

    def take(self, rows: np.ndarray) -> Windows:
        """Pick rows."""
        return Windows(self.subjects[rows], self.start[rows], self.end[rows])


def windows_of(
    events: Events,
    subjects: Any,
    *,
    start: Any = None,
    end: Any = None,
    length_h: float | None = None,
    where: str = "windows_of",
    rows: np.ndarray | None = None,
) -> Windows:
    """Make windows for subjects.

    Parameters
    ----------
    events : Events
    subjects : array-like
        (n,) identifiers.
    start : array-like, optional
        (n,) hours; a subject's first event that is not static when not given.
    end : array-like, optional
        (n,) prediction times in hours. When not given, `length_h` after the start, or else the
        subject's last event.
    length_h : float, optional
        Hours that are read at most, counted from the start.
    where : str
        Begins each message.
    rows : np.ndarray, optional
        (n,) places of the subjects in a table, for messages; one after the other when not given.

    Raises
    ------
    InputError
        A window ends before it starts; rows are named.

    Examples
    --------
    >>> events = Events.from_parts([0, 0, 0], [0.0, 5.0, 50.0], [0, 0, 0], [80, 90, 70],
    ...                            subjects=["a"], codes=["HR"])
    >>> windows_of(events, ["a"], length_h=48.0).end.tolist()
    [48.0]
    """
    ids = np.asarray(subjects, dtype=object)
    first, last = _spans(events)
    places = places_of(events.subjects, ids)
    known = places >= 0
    begins = np.where(known, first[places], 0.0) if start is None else _hours(start)
    if end is not None:
        ends = _hours(end)
        if length_h is not None:
            begins = np.maximum(begins, ends - length_h) if start is None else begins
    elif length_h is not None:
        ends = begins + length_h
    else:
        ends = np.where(known, last[places], 0.0)
    wrong = np.flatnonzero(~(ends >= begins))
    if len(wrong):
        must = "each prediction time must be known and not lie before its window's start"
        first_row = wrong[0] if rows is None else rows[wrong[0]]
        more = f" and in {len(wrong) - 1:,} more" if len(wrong) > 1 else ""
        given = f"the contrary in row {first_row + 1:,}{more}"
        do = "Correct these rows or leave them out"
        raise InputError(explain(where, must, given, do))
    return Windows(ids, begins.astype(np.float64), ends.astype(np.float64))


def places_of(subjects: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Find identifiers among those of `Events.subjects`: (n,) int64, -1 where unknown.

    Examples
    --------
    >>> places_of(np.array(["a", "b"], dtype=object), np.array(["b", "z"], dtype=object)).tolist()
    [1, -1]
    """
    table = {subject: place for place, subject in enumerate(subjects.tolist())}
    return np.array([table.get(subject, -1) for subject in wanted.tolist()], dtype=np.int64)


def _spans(events: Events) -> tuple[np.ndarray, np.ndarray]:
    """Give each subject's first and last hour that is not static; 0 where it has none."""
    timed = np.isfinite(events.hours)
    first = np.zeros(len(events.subjects))
    last = np.zeros(len(events.subjects))
    owner = np.repeat(np.arange(len(events.subjects)), np.diff(events.offsets))[timed]
    hours = np.asarray(events.hours)[timed]
    if len(owner):
        begins = np.flatnonzero(np.diff(owner, prepend=-1))
        first[owner[begins]] = hours[begins]
        last[owner[begins]] = hours[np.append(begins[1:], len(hours)) - 1]
    return first, last


def _hours(given: Any) -> np.ndarray:
    """Read hours, or time stamps as hours since 1970."""
    values = np.asarray(given)
    if values.dtype.kind == "M":
        return values.astype("datetime64[us]").astype(np.int64) / 3.6e9
    return values.astype(np.float64)
