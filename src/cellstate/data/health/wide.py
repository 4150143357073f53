"""Wide time tables: a row a subject and time, a column a variable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cellstate.data.health.events import Events
from cellstate.data.health.left_out import LeftOut
from cellstate.data.health.table import STATIC, as_table, read_hours, read_ids, read_numbers
from cellstate.errors import FrameError, explain


def read_wide(
    frame: Any,
    *,
    subject: str = "subject_id",
    time: str = "time",
    static: Sequence[str] = (),
    ranges: Mapping[str, Any] | None = None,
    where: str = "Wide table",
) -> Events:
    """Read a table with a row for each subject and time, and a column for each variable.

    An empty cell, or NaN, was not measured and gives no event. Events that cannot be true are left
    out as `cellstate.data.health.events.read_events` does, as are values of a static column that
    differ from their subject's first, and measurements in rows without a time.

    Parameters
    ----------
    frame : DataFrame of pandas, polars or pyarrow
        All columns but `subject` and `time` hold numbers and are variables.
    subject, time : str
        Columns of identifiers, and of timestamps or hours.
    static : sequence of str
        Columns that do not change with time; their events have none.
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

    Warns
    -----
    LeftOutWarning
        Values were left out.

    Examples
    --------
    >>> import polars
    >>> frame = polars.DataFrame({
    ...     "stay": ["a", "a"], "hour": [0, 1], "HR": [81.0, None], "Temp": [36.9, 37.0],
    ...     "Age": [64, 64]})
    >>> events = read_wide(frame, subject="stay", time="hour", static=["Age"])
    >>> events.codes, events.value.tolist()
    (('Age', 'HR', 'Temp'), [64.0, 81.0, 36.9, 37.0])
    """
    fixed = (static,) if isinstance(static, str) else tuple(static)
    table = as_table(frame, (subject, time, *fixed), where=where)
    names = [name for name in table.columns if name not in (subject, time, *fixed)]
    if not names and not fixed:
        must = f"the frame must have variables beside {subject!r} and {time!r}"
        raise FrameError(explain(where, must, "no other column", "Add a column for each variable"))
    places, subjects = read_ids(table.get_column(subject), where=where)
    hours, is_absolute = read_hours(table.get_column(time), where=where)
    values = [read_numbers(table.get_column(name), where=where) for name in (*names, *fixed)]
    events = events_of_wide(
        places,
        hours,
        values[: len(names)],
        names,
        subjects=subjects,
        static=values[len(names) :],
        static_names=fixed,
        is_absolute=is_absolute,
        ranges=ranges,
    )
    events.left_out.announce(where)
    return events


def events_of_wide(
    subject: np.ndarray,
    hours: np.ndarray,
    values: Sequence[np.ndarray],
    names: Sequence[str],
    *,
    subjects: Sequence[Any],
    static: Sequence[np.ndarray] = (),
    static_names: Sequence[str] = (),
    is_absolute: bool = False,
    ranges: Mapping[str, Any] | None = None,
) -> Events:
    """Give the events of a wide table's columns.

    Parameters
    ----------
    subject : numpy.ndarray
        (R,) places in `subjects`.
    hours : numpy.ndarray
        (R,) −∞ where a row has no time.
    values, static : sequence of numpy.ndarray
        A column (R,) for each of `names` and `static_names`; NaN where nothing was measured.
    """
    left_out = LeftOut.nothing()
    parts: list[tuple[np.ndarray, int, np.ndarray, bool]] = []  # rows, code, values, is static
    has_time = hours != STATIC
    for code, column in enumerate(values):
        is_there = ~np.isnan(column)
        left_out += LeftOut.of(
            f"{names[code]} without a time", np.flatnonzero(is_there & ~has_time) + 1
        )
        rows = np.flatnonzero(is_there & has_time)
        parts.append((rows, code, column[rows], False))
    for k, column in enumerate(static):
        rows, changed = _first_of_each(subject, column)
        left_out += LeftOut.of(f"{static_names[k]} that differs within a subject", changed + 1)
        parts.append((rows, len(names) + k, column[rows], True))
    row = np.concatenate([rows for rows, *_ in parts])
    order = np.argsort(row, kind="stable")
    row = row[order]
    sizes = [len(rows) for rows, *_ in parts]
    code = np.repeat([code for _, code, *_ in parts], sizes)[order]
    is_static = np.repeat([fixed for *_, fixed in parts], sizes)[order]
    events = Events.from_parts(
        subject[row],
        np.where(is_static, STATIC, hours[row]),
        code,
        np.concatenate([column for _, _, column, _ in parts])[order],
        subjects=subjects,
        codes=[*names, *static_names],
        is_absolute=is_absolute,
        ranges=ranges,
        rows=row + 1,
    )
    return replace(events, left_out=left_out + events.left_out)


def _first_of_each(subject: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give each subject's first row with a value, and the rows with another value."""
    rows = np.flatnonzero(~np.isnan(column))
    _, first, group = np.unique(subject[rows], return_index=True, return_inverse=True)
    differs = column[rows] != column[rows][first][group]
    return rows[first], rows[differs & (subject[rows] >= 0)]
