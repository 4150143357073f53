"""Who is asked about, up to which hour, and what came of it: a table of outcomes beside events."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np

from cellstate.data.health.events import Events, read_events
from cellstate.data.health.table import as_table, read_hours, read_ids
from cellstate.data.health.wide import read_wide
from cellstate.data.health.windows import Windows, places_of, windows_of
from cellstate.errors import FrameError, InputError, explain
from cellstate.tasks.health.outcome.targets import (
    OBSERVED,
    TIME,
    Target,
    encode,
    missing,
    recognized,
)

SUBJECT, START, PREDICTION = "subject_id", "start", "prediction_time"
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
    columns = [_values(table, name) for name in names] if answers else []
    found = places_of(events.subjects, ids) >= 0
    told = np.zeros(len(ids), dtype=bool) if columns else np.ones(len(ids), dtype=bool)
    for column in columns:
        told |= ~missing(column)
    _warn(where, ~found, "whose subject has no events")
    _warn(where, found & ~told, "without any outcome")
    rows = np.flatnonzero(found & told)
    if not len(rows):
        must = "the outcomes must have subjects of the events"
        do = f"Check that {SUBJECT!r} means the same in both tables"
        raise InputError(explain(where, must, f"none in {len(ids)} rows", do))
    windows = windows_of(
        events,
        ids[rows],
        start=None if start is None else start[rows],
        end=None if end is None else end[rows],
        length_h=window_h,
        where=where,
    )
    _check_once(where, windows, rows)
    observed = table.get_column(OBSERVED).to_numpy() if TIME in names and answers else None
    targets, truths = [], []
    for place, (name, column) in enumerate(zip(names, columns, strict=True) if columns else ()):
        target = known[place] if known else _target(where, name, column[rows])
        seen = None if observed is None else observed[rows]
        targets.append(target)
        truths.append(encode(target, column[rows], seen))
    return Cohort(windows, tuple(targets), tuple(truths), rows, ids)


def _target(where: str, name: str, values: np.ndarray) -> Target:
    if name != TIME:
        return recognized(where, name, values)
    times = values[~missing(values)].astype(np.float64)
    if not (times > 0).all():
        wrong = int((~(times > 0)).sum())
        must, do = f"{TIME!r} must be above 0", "Count it from the prediction time"
        raise InputError(explain(where, must, f"{wrong} other times", do))
    return Target(name, "time")


def _values(table: nw.DataFrame[Any], name: str) -> np.ndarray:
    column = table.get_column(name)
    values = column.to_numpy()
    return values if values.dtype.kind in "fiub" else np.array(column.to_list(), dtype=object)


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


def _warn(where: str, mask: np.ndarray, what: str) -> None:
    rows = np.flatnonzero(mask) + 1
    if len(rows):
        named = ", ".join(map(str, rows[:FEW_NAMED]))
        more = f" and {len(rows) - FEW_NAMED} more" if len(rows) > FEW_NAMED else ""
        noun = "row" if len(rows) == 1 else "rows"
        message = f"{where}: left out {len(rows)} {noun} of outcomes {what}: {named}{more}."
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
