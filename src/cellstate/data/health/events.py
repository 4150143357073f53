"""Clinical events: who, when, what, how much. The form that every reader of records gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from cellstate.data.health.left_out import LeftOut
from cellstate.data.health.screening import sort_and_screen
from cellstate.data.health.table import (
    STATIC,
    US_PER_HOUR,
    as_table,
    read_codes,
    read_hours,
    read_ids,
    read_numbers,
)
from cellstate.errors import InputError, explain
from cellstate.extras import require


@dataclass(frozen=True, eq=False, repr=False)
class Events:
    """Events of subjects, sorted by subject, time and code; arrays may be mapped from files.

    Attributes
    ----------
    subjects : numpy.ndarray
        (S,) identifiers, int or str, sorted, each once; some may have no event.
    offsets : numpy.ndarray
        (S + 1,) int64: the events of subject s are those from ``offsets[s]`` to
        ``offsets[s + 1]``.
    hours : numpy.ndarray
        (N,) float64, since 1970-01-01 00:00 UTC or since the table's own zero; −∞ for static
        events, which have no time.
    code : numpy.ndarray
        (N,) int32 places in `codes`.
    value : numpy.ndarray
        (N,) float64, NaN where the event has no number.
    codes : tuple of str
        Sorted.
    is_absolute : bool
        Whether hours count from 1970.
    left_out : LeftOut
        What was left out of the table that they come from.

    Examples
    --------
    >>> events = Events.from_parts([0, 0, 1], [2.0, 1.0, 0.5], [0, 0, 0], [81, 80, 75.0],
    ...                            subjects=[7, 3], codes=["HR"])
    >>> events
    Events(2 subjects, 3 events, 1 codes, hours of their own zero)
    >>> events.subjects.tolist(), events.value.tolist()
    ([3, 7], [75.0, 80.0, 81.0])
    """

    subjects: np.ndarray
    offsets: np.ndarray
    hours: np.ndarray
    code: np.ndarray
    value: np.ndarray
    codes: tuple[str, ...]
    is_absolute: bool = False
    left_out: LeftOut = field(default_factory=LeftOut.nothing)

    @classmethod
    def from_parts(
        cls,
        subject: Any,
        hours: Any,
        code: Any,
        value: Any,
        *,
        subjects: Sequence[Any],
        codes: Sequence[str],
        is_absolute: bool = False,
        ranges: Mapping[str, Any] | None = None,
        rows: np.ndarray | None = None,
    ) -> Events:
        """Sort events and leave out those that cannot be true.

        Parameters
        ----------
        subject, code : array of int
            (N,) places in `subjects` and `codes`, -1 where there is none.
        hours, value : array of float
            (N,) hours, −∞ for static events; values, NaN where there is none.
        subjects, codes : sequence
            Each once, in any order. Every subject is kept, also without events; codes without
            events are not.
        ranges : mapping, optional
            Plausible ranges, see `cellstate.data.health.ranges.check_ranges`.
        rows : array of int, optional
            (N,) row numbers for `left_out`, rising; 1 to N if not given.
        """
        by_id = sorted(range(len(subjects)), key=subjects.__getitem__)
        by_name = sorted(range(len(codes)), key=codes.__getitem__)
        names = [codes[k] for k in by_name]
        subject = moved_places(by_id)[np.asarray(subject, dtype=np.int64)]
        code = moved_places(by_name)[np.asarray(code, dtype=np.int64)]
        hours, value = np.asarray(hours, dtype=np.float64), np.asarray(value, dtype=np.float64)
        subject, hours, code, value, left_out = sort_and_screen(
            subject,
            hours,
            code,
            value,
            np.arange(1, len(subject) + 1) if rows is None else np.asarray(rows),
            codes=names,
            is_absolute=is_absolute,
            ranges=ranges,
        )
        used, place = np.unique(code, return_inverse=True)
        return cls(
            subjects=id_array(subjects[k] for k in by_id),
            offsets=offsets_of(subject, len(subjects)),
            hours=hours,
            code=place.astype(np.int32),
            value=value,
            codes=tuple(names[k] for k in used),
            is_absolute=is_absolute,
            left_out=left_out,
        )

    def __len__(self) -> int:
        return len(self.subjects)

    def __repr__(self) -> str:
        zero = "since 1970" if self.is_absolute else "of their own zero"
        return (
            f"Events({len(self):,} subjects, {len(self.hours):,} events, "
            f"{len(self.codes):,} codes, hours {zero})"
        )

    @property
    def subject(self) -> np.ndarray:
        """(N,) the place of each event's subject in `subjects`."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    @property
    def is_static(self) -> np.ndarray:
        """(N,) whether an event has no time."""
        return np.asarray(self.hours == STATIC)

    def of_subject(self, place: int) -> slice:
        """Give where the events of one subject lie.

        Examples
        --------
        >>> events = Events.from_parts([0, 1, 1], [1, 2, 3], [0, 0, 0], [4, 5, 6],
        ...                            subjects=["a", "b"], codes=["HR"])
        >>> events.value[events.of_subject(1)].tolist()
        [5.0, 6.0]
        """
        return slice(int(self.offsets[place]), int(self.offsets[place + 1]))

    def take(self, places: Any) -> Events:
        """Give the events of some subjects; `codes` and `left_out` stay as they are.

        Parameters
        ----------
        places : array of int or of bool
            Rising places in `subjects`, or a mark for each subject.

        Raises
        ------
        InputError
            A place is out of bounds or does not rise.
        """
        chosen = np.asarray(places)
        if chosen.dtype == bool:
            chosen = np.flatnonzero(chosen) if len(chosen) == len(self) else np.array([-1])
        chosen = chosen.astype(np.int64)
        is_fit = not len(chosen) or (chosen[0] >= 0 and chosen[-1] < len(self))
        if not is_fit or (np.diff(chosen) <= 0).any():
            must = f"places must rise from 0 to {len(self) - 1:,} at most, each once"
            do = "Sort them with numpy.unique"
            raise InputError(explain("Events.take", must, "others", do))
        counts = np.diff(self.offsets)[chosen]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        rows = np.arange(offsets[-1]) + np.repeat(self.offsets[:-1][chosen] - offsets[:-1], counts)
        return replace(
            self,
            subjects=self.subjects[chosen],
            offsets=offsets,
            hours=self.hours[rows],
            code=self.code[rows],
            value=self.value[rows],
        )


def read_events(
    frame: Any, *, ranges: Mapping[str, Any] | None = None, where: str = "Events"
) -> Events:
    """Read MEDS' long form: a row an event.

    Left out, counted and listed by row number, are rows without subject or code, infinite times
    and values, values outside the plausible range of their code, events before ``MEDS_BIRTH`` or
    after ``MEDS_DEATH``, and exact repetitions. A death stamped at midnight stands for its day.

    Parameters
    ----------
    frame : DataFrame of pandas, polars or pyarrow
        Columns ``subject_id`` (integers or text), ``time`` (timestamps, or hours as numbers;
        empty for static events), ``code`` (text) and, where there are numbers,
        ``numeric_value``. Timestamps with a zone are taken to UTC.
    ranges : mapping, optional
        Plausible ranges, see `cellstate.data.health.ranges.check_ranges`.
    where : str
        Who asks, for messages.

    Returns
    -------
    Events

    Raises
    ------
    FrameError
        It is no frame with rows, a column is missing or has another type.
    InputError
        A range is none.

    Warns
    -----
    LeftOutWarning
        Rows were left out.

    References
    ----------
    .. [1] Arnrich et al., Medical Event Data Standard (MEDS), ICLR 2024 workshop on health.

    Examples
    --------
    >>> import polars
    >>> frame = polars.DataFrame({
    ...     "subject_id": [2, 1, 1], "time": [0.5, 1.5, None],
    ...     "code": ["HR", "HR", "Age"], "numeric_value": [90.0, 71.0, 64.0]})
    >>> events = read_events(frame)
    >>> events.subjects.tolist(), events.offsets.tolist(), events.codes
    ([1, 2], [0, 2, 3], ('Age', 'HR'))
    >>> events.hours.tolist()
    [-inf, 1.5, 0.5]
    """
    parts = read_columns(frame, where=where)
    events = Events.from_parts(**parts, ranges=ranges)
    events.left_out.announce(where)
    return events


def read_columns(frame: Any, *, where: str) -> dict[str, Any]:
    """Read the columns of MEDS' long form as the parts that `Events.from_parts` takes."""
    table = as_table(frame, ("subject_id", "time", "code"), where=where)
    subject, subjects = read_ids(table.get_column("subject_id"), where=where)
    hours, is_absolute = read_hours(table.get_column("time"), where=where)
    code, codes = read_codes(table.get_column("code"), where=where)
    value = np.full(len(table), np.nan)
    if "numeric_value" in table.columns:
        value = read_numbers(table.get_column("numeric_value"), where=where)
    return {
        "subject": subject,
        "hours": hours,
        "code": code,
        "value": value,
        "subjects": subjects,
        "codes": codes,
        "is_absolute": is_absolute,
    }


def to_frame(events: Events) -> Any:
    """Give events in MEDS' long form, as a polars frame; subjects without events are not in it.

    Examples
    --------
    >>> events = Events.from_parts([0], [1.5], [0], [71], subjects=["a"], codes=["HR"])
    >>> to_frame(events).rows()
    [('a', 1.5, 'HR', 71.0)]
    """
    polars = require("polars", extra="health")
    hours = np.asarray(events.hours)
    is_static = events.is_static
    if events.is_absolute:
        stamps = np.round(np.where(is_static, 0, hours) * US_PER_HOUR).astype(np.int64)
        stamps = stamps.astype("datetime64[us]")
        stamps[is_static] = np.datetime64("NaT")
        time = polars.Series(stamps)
    else:
        time = polars.Series(np.where(is_static, np.nan, hours)).fill_nan(None)
    ids = events.subjects[events.subject].tolist()
    codes = np.array(events.codes, dtype=object)
    return polars.DataFrame(
        {
            "subject_id": polars.Series(ids, dtype=_dtype_of_ids(polars, events)),
            "time": time,
            "code": polars.Series(codes[events.code].tolist(), dtype=polars.String),
            "numeric_value": polars.Series(np.asarray(events.value)).fill_nan(None),
        }
    )


def _dtype_of_ids(polars: Any, events: Events) -> Any:
    return polars.String if len(events) and isinstance(events.subjects[0], str) else polars.Int64


def moved_places(order: Sequence[int]) -> np.ndarray:
    """Give the new place of each old one; the last entry keeps -1 where it is."""
    moved = np.full(len(order) + 1, -1, dtype=np.int64)
    moved[np.asarray(order, dtype=np.int64)] = np.arange(len(order))
    return moved


def id_array(ids: Iterable[Any]) -> np.ndarray:
    """Give identifiers as an array of objects."""
    listed = list(ids)
    array = np.empty(len(listed), dtype=object)
    array[:] = listed
    return array


def offsets_of(subject: np.ndarray, count: int) -> np.ndarray:
    """Give where the events of each subject begin and end."""
    return np.concatenate([[0], np.cumsum(np.bincount(subject, minlength=count))]).astype(np.int64)
