"""Who is asked about, up to which hour, and what came of it: a table of outcomes beside events."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np

from cellstate.data.health.events import Events, read_events
from cellstate.data.health.table import (
    as_table,
    read_cells,
    read_hours,
    read_ids,
    read_numbers,
)
from cellstate.data.health.wide import read_wide
from cellstate.data.health.windows import Windows, places_of, windows_of
from cellstate.errors import FrameError, InputError, explain
from cellstate.tasks.health.outcome.targets import (
    OBSERVED,
    TIME,
    Target,
    as_word,
    encode,
    missing,
    recognized,
)

SUBJECT, START, PREDICTION = "subject_id", "start", "prediction_time"
COLUMNS = (SUBJECT, START, PREDICTION)
"""Of a table of outcomes, those that are none."""
FEW_NAMED = 5
"""Rows that a message names; the rest it counts."""


class CohortWarning(UserWarning):
    """Rows of the outcomes could not be used."""


@dataclass(frozen=True)
class Cohort:
    """Rows of outcomes that have events, each with its window.

    Attributes
    ----------
    windows : Windows
    targets : tuple of Target
    truths : tuple of np.ndarray
        For each target (n, 1) or (n, 2), as `targets.encode` gives them; none where no outcomes
        were asked for.
    rows : np.ndarray
        (n,) places in the table of outcomes.
    asked : np.ndarray
        (N,) the subjects of all rows of that table.
    """

    windows: Windows
    targets: tuple[Target, ...]
    truths: tuple[np.ndarray, ...]
    rows: np.ndarray
    asked: np.ndarray


def as_events(where: str, data: Any, **wide: Any) -> Events:
    """Take events as they are, or read a frame: long where it has a column ``code``, else wide.

    Parameters
    ----------
    where : str
        Begins each message.
    data : Events or DataFrame
    **wide
        What `read_wide` takes.

    Raises
    ------
    FrameError
        It is no frame with rows, or its columns are others.
    """
    if isinstance(data, Events):
        return data
    table = as_table(data, (SUBJECT,), where=where)
    if "code" in table.columns:
        return read_events(table, where=where)
    return read_wide(table, where=where, **wide)


def read_targets(where: str, given: Any) -> list[str]:
    """Take the name of a target, or several.

    Raises
    ------
    InputError
        It is something else, or they do not go together.

    Examples
    --------
    >>> read_targets("doctest", "died"), read_targets("doctest", ("died", "days"))
    (['died'], ['died', 'days'])
    """
    names = [*given] if isinstance(given, tuple | list) else [given]
    if not names or not all(isinstance(name, str) and name for name in names):
        must = "target must be the name of a column, or several names"
        raise InputError(explain(where, must, repr(given), "For example target='died'"))
    if len(set(names)) < len(names) or set(names) & {*COLUMNS, OBSERVED}:
        must = f"targets must be different columns, and none of {', '.join(COLUMNS)}"
        raise InputError(explain(where, must, repr(given), "Name outcomes alone"))
    if TIME in names and len(names) > 1:
        must, do = f"{TIME!r} must be the only target", "Fit a second model for the others"
        raise InputError(explain(where, must, f"{len(names)} targets", do))
    return names


def read_cohort(
    where: str,
    events: Events,
    outcomes: Any,
    names: Sequence[str],
    *,
    window_h: float | None,
    known: Sequence[Target] = (),
    answers: bool = True,
) -> Cohort:
    """Read the table of outcomes.

    Parameters
    ----------
    where : str
        Begins each message.
    events : Events
    outcomes : DataFrame
        A row for each question: ``subject_id``; ``start`` and ``prediction_time`` where they are
        not the first and last event; and the outcomes. Times are hours, or time stamps as those
        of the events are.
    names : sequence of str
        Columns of the outcomes; ``time_to_event`` goes with ``event_observed``.
    window_h : float, optional
        Hours that are read, from the start.
    known : sequence of Target
        Those of a fit; their kinds are recognised from the values where they are not given.
    answers : bool
        Whether the outcomes are read.

    Raises
    ------
    FrameError
        A column is missing, or rows ask the same question twice.

    Warns
    -----
    CohortWarning
        Some rows have a subject without events, or no outcome; they are left out.
    """
    needed = (SUBJECT, *names, *([OBSERVED] if TIME in names else [])) if answers else (SUBJECT,)
    table = as_table(outcomes, needed, where=where)
    place, listed = read_ids(table.get_column(SUBJECT), where=where)
    ids = np.array([*listed, None], dtype=object)[place]
    start, end = (_hours(table, name, events, where) for name in (START, PREDICTION))
    columns = [_values(table, name, where) for name in names] if answers else []
    found = places_of(events.subjects, ids) >= 0
    told = np.zeros(len(ids), dtype=bool) if columns else np.ones(len(ids), dtype=bool)
    for column in columns:
        told |= ~missing(column)
    warn_of_rows(where, ~found, "of outcomes whose subject has no events")
    warn_of_rows(where, found & ~told, "of outcomes without any outcome")
    rows = np.flatnonzero(found & told)
    if not len(rows) and found.any():
        must, do = "some outcome must be known", "Fill the column of outcomes"
        raise InputError(explain(where, must, f"none in {len(ids):,} rows", do))
    if not len(rows):
        must = "the outcomes must have subjects of the events"
        do = f"Check that {SUBJECT!r} means the same in both tables"
        raise InputError(explain(where, must, f"none in {len(ids):,} rows", do))
    windows = windows_of(
        events,
        ids[rows],
        start=None if start is None else start[rows],
        end=None if end is None else end[rows],
        length_h=window_h,
        where=where,
        rows=rows,
    )
    _check_once(where, windows, rows)
    observed = None
    if TIME in names and answers:
        observed = _observed(table, columns[names.index(TIME)], rows, where)
    targets, truths = [], []
    for place, (name, column) in enumerate(zip(names, columns, strict=True) if columns else ()):
        target = known[place] if known else _target(where, name, column, rows)
        seen = None if observed is None else observed[rows]
        _check_known(where, target, column, rows)
        targets.append(target)
        truths.append(encode(target, column[rows], seen))
    return Cohort(windows, tuple(targets), tuple(truths), rows, ids)


def check_patients(where: str, subjects: np.ndarray, least: int) -> None:
    """Require so many patients that each network can leave out some.

    Raises
    ------
    InputError
        There are fewer.
    """
    count = len(set(subjects.tolist()))
    if count < least:
        must = f"there must be {least} patients or more, of whom each network leaves out some"
        raise InputError(explain(where, must, f"{count}", "Give more patients"))


def _target(where: str, name: str, column: np.ndarray, rows: np.ndarray) -> Target:
    if name != TIME:
        return recognized(where, name, column[rows])
    wrong = rows[~missing(column[rows]) & ~(column[rows] > 0)]
    if len(wrong):
        must, do = f"{name!r} must be above 0", "Count it from the prediction time"
        raise InputError(explain(where, must, f"another time in row {wrong[0] + 1:,}", do))
    return Target(name, "time")


def _observed(
    table: nw.DataFrame[Any], times: np.ndarray, rows: np.ndarray, where: str
) -> np.ndarray:
    """Read whether the end of each time was seen: (N,) of 0 and 1 where a time is known."""
    observed = read_numbers(table.get_column(OBSERVED), where=where)
    wrong = rows[~missing(times[rows]) & ~np.isin(observed[rows], (0.0, 1.0))]
    if len(wrong):
        must = f"{OBSERVED!r} must be 0 or 1 where {TIME!r} is known"
        do = "Give 1 where the event was seen, else 0"
        raise InputError(explain(where, must, f"another cell in row {wrong[0] + 1:,}", do))
    return observed


def _check_known(where: str, target: Target, column: np.ndarray, rows: np.ndarray) -> None:
    """Require outcomes of the kind that the target has."""
    values = column[rows]
    if target.kind in ("binary", "classes"):
        fits = np.isin(
            [as_word(value) for value in values], [as_word(one) for one in target.classes]
        )
        must = f"{target.name!r} must be one of the {len(target.classes)} classes of the fit"
    else:
        fits = np.array([_is_number(value) for value in values], dtype=bool)
        must = f"{target.name!r} must be a number"
    wrong = rows[~missing(values) & ~fits]
    if len(wrong):
        do = "Correct it, or leave it empty"
        raise InputError(explain(where, must, f"something else in row {wrong[0] + 1:,}", do))


def _is_number(value: Any) -> bool:
    return isinstance(value, bool | int | float | np.generic)


def _values(table: nw.DataFrame[Any], name: str, where: str) -> np.ndarray:
    column = table.get_column(name)
    if name == TIME:
        return read_numbers(column, where=where)
    values = column.to_numpy()
    return values if values.dtype.kind in "fiub" else np.array(read_cells(column), dtype=object)


def _hours(table: nw.DataFrame[Any], name: str, events: Events, where: str) -> np.ndarray | None:
    if name not in table.columns:
        return None
    hours, is_absolute = read_hours(table.get_column(name), where=where)
    if is_absolute != events.is_absolute:
        kinds = ("hours as numbers", "time stamps")
        must = f"{name!r} must be {kinds[events.is_absolute]}, as the events' times are"
        do = "Give both in one form"
        raise FrameError(explain(where, must, kinds[is_absolute], do))
    return hours


def warn_of_rows(where: str, mask: np.ndarray, what: str) -> None:
    """Warn of rows that are left out, by their numbers.

    Warns
    -----
    CohortWarning
        There are some.
    """
    rows = np.flatnonzero(mask) + 1
    if len(rows):
        named = ", ".join(f"{row:,}" for row in rows[:FEW_NAMED])
        more = f" and {len(rows) - FEW_NAMED:,} more" if len(rows) > FEW_NAMED else ""
        noun = "row" if len(rows) == 1 else "rows"
        message = f"{where}: left out {len(rows):,} {noun} {what}: {named}{more}."
        warnings.warn(message, CohortWarning, stacklevel=4)


def _check_once(where: str, windows: Windows, rows: np.ndarray) -> None:
    """Require that no two rows ask about the same hour of the same subject."""
    seen: dict[tuple[Any, float, float], int] = {}
    for row, key in zip(
        rows.tolist(),
        zip(windows.subjects.tolist(), windows.start.tolist(), windows.end.tolist(), strict=True),
        strict=True,
    ):
        if key in seen:
            must = "each subject and prediction time must have one row of outcomes"
            given = f"rows {seen[key] + 1} and {row + 1} for the same"
            raise FrameError(explain(where, must, given, "Keep the one that is right"))
        seen[key] = row
