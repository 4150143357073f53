"""Stays with labels at their steps, from a wide table or from events beside a table of labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from cellstate.data.health.events import Events
from cellstate.data.health.table import as_table, read_hours, read_ids, read_numbers
from cellstate.data.health.timelines import Layout, Timelines, lay_out
from cellstate.data.health.wide import read_wide
from cellstate.data.health.windows import places_of, windows_of
from cellstate.errors import FrameError, InputError, explain
from cellstate.tasks.health.cohort import SUBJECT, as_events, warn_of_rows
from cellstate.tasks.health.unread import tell_unread
from cellstate.tasks.health.vitals.task import Watched

TIME = "time"


def read_watched(
    where: str,
    data: Any,
    labels: Any,
    *,
    target: str | None,
    static: tuple[str, ...],
    layout: Layout | None = None,
    answers: bool = True,
) -> tuple[Watched, Layout]:
    """Read stays and what is so at their steps.

    Every row of a wide table is a step, also one in which nothing was measured; so is every row of
    a table of labels.

    Parameters
    ----------
    where : str
        Begins each message.
    data : Events or DataFrame
    labels : DataFrame, optional
        ``subject_id``, ``time`` and the target, 0 or 1; the target may also be a column of a wide
        table.
    target : str or None
    static : tuple of str
        Columns of a wide table that do not change during a stay.
    layout : Layout, optional
        That of a fit; chosen from the data when not given.
    answers : bool
        Whether labels are read.

    Raises
    ------
    FrameError
        A column is missing or holds something else, or two rows of one time have other labels.

    Warns
    -----
    CohortWarning
        Labels have a subject without events, or no time; they are left out.
    UnreadCodesWarning
        There are codes that the model does not read.
    """
    events, asked, truth = _parts(where, data, labels, target, static, answers=answers)
    layout = Layout.of(events, None) if layout is None else layout
    tell_unread(where, events, layout)
    windows = windows_of(events, events.subjects, where=where)
    if asked is not None:
        # A stay begins with its first row, whether or not anything was measured in it.
        start, end = windows.start.copy(), windows.end.copy()
        np.minimum.at(start, asked[0], asked[1])
        np.maximum.at(end, asked[0], asked[1])
        windows = windows_of(events, events.subjects, start=start, end=end, where=where)
    timelines = lay_out(events, windows, layout, asked=asked)
    if truth is None or asked is None:
        return Watched(timelines, None), layout
    at = _steps_of(timelines, windows.start, asked)
    told = np.full(len(timelines.hours), np.nan, dtype=np.float32)
    told[at] = truth
    return Watched(timelines, told), layout


def _parts(
    where: str,
    data: Any,
    labels: Any,
    target: str | None,
    static: tuple[str, ...],
    *,
    answers: bool,
) -> tuple[Events, tuple[np.ndarray, np.ndarray] | None, np.ndarray | None]:
    """Give events, the steps that are asked for, and the labels there."""
    if isinstance(data, Events):
        events, table = data, None
    else:
        table = as_table(data, (SUBJECT, TIME), where=where)
        if "code" in table.columns:
            events, table = as_events(where, data), None
        else:
            kept = [name for name in table.columns if name != target]
            events = read_wide(table.select(kept), static=static, where=where)
    asked_for = target if answers else None
    if labels is not None:
        table = as_table(labels, (SUBJECT, TIME), where=where)
    if table is None:
        return events, None, None
    if asked_for is not None:
        table = as_table(table.to_native(), (SUBJECT, TIME, asked_for), where=where)
    place, ids = read_ids(table.get_column(SUBJECT), where=where)
    hours, is_absolute = read_hours(table.get_column(TIME), where=where)
    if is_absolute != events.is_absolute:
        must = "times of labels and events must both be time stamps, or both hours"
        raise FrameError(explain(where, must, "one of each", "Give both in one form"))
    subject = places_of(events.subjects, np.array([*ids, None], dtype=object)[place])
    good = (subject >= 0) & np.isfinite(hours)
    warn_of_rows(where, subject < 0, "of steps whose subject has no events")
    warn_of_rows(where, (subject >= 0) & ~good, "of steps without a time")
    truth = None
    if asked_for is not None:
        truth = read_numbers(table.get_column(asked_for), where=where)
        wrong = np.flatnonzero(~np.isnan(truth) & (truth != 0) & (truth != 1))
        if len(wrong):
            must = f"the column {target!r} must hold 0 and 1"
            given = f"another value in row {wrong[0] + 1:,}"
            raise FrameError(explain(where, must, given, "Leave it empty where it is not known"))
        _check_agreed(where, subject, hours, truth, np.flatnonzero(good))
        truth = truth[good]
    return events, (subject[good], hours[good]), truth


def _check_agreed(
    where: str, subject: np.ndarray, hours: np.ndarray, truth: np.ndarray, rows: np.ndarray
) -> None:
    """Require that rows of one subject and time have one label."""
    told = rows[~np.isnan(truth[rows])]
    order = told[np.lexsort((told, hours[told], subject[told]))]
    before, after = order[:-1], order[1:]
    is_again = (subject[before] == subject[after]) & (hours[before] == hours[after])
    wrong = np.flatnonzero(is_again & (truth[before] != truth[after]))
    if len(wrong):
        must = "rows of one subject and time must have the same label"
        given = f"others in rows {before[wrong[0]] + 1:,} and {after[wrong[0]] + 1:,}"
        raise FrameError(explain(where, must, given, "Keep the one that is right"))


def _steps_of(
    timelines: Timelines, start: np.ndarray, asked: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Find the step of each row that was asked for; all of them are there."""
    owner = np.repeat(np.arange(len(timelines)), timelines.steps)
    steps = np.lexsort((timelines.hours, owner))
    span = 1.0 + float(timelines.hours.max(initial=0.0))
    known = owner[steps] * 2 * span + timelines.hours[steps]
    wanted = asked[0] * 2 * span + (asked[1] - start[asked[0]])
    return steps[np.searchsorted(known, wanted - 1e-7)]


def check_labels(where: str, target: str, watched: Watched) -> None:
    """Require steps with and without the outcome.

    Raises
    ------
    InputError
        There are no labels, or all are equal.
    """
    truth = watched.truth
    known = np.zeros(0) if truth is None else truth[~np.isnan(truth)]
    if not len(known) or known.min() == known.max():
        must = f"{target!r} must be 0 in some steps and 1 in others"
        given = "no labels" if not len(known) else f"{len(known):,} steps that are all equal"
        do = "Give a column of the table, or labels, with both; or target=None for surprise"
        raise InputError(explain(where, must, given, do))


def check_surprises(where: str, timelines: Timelines) -> None:
    """Require measurements that something went before.

    Raises
    ------
    InputError
        Nothing was measured after the first step of any stay.
    """
    is_first = np.zeros(len(timelines.hours), dtype=bool)
    is_first[timelines.offsets[:-1][timelines.steps > 0]] = True
    if np.isnan(np.asarray(timelines.values)[~is_first]).all():
        must = "something must be measured after the first step of a stay, to be foretold"
        given = f"nothing in {len(timelines):,} stays"
        raise InputError(explain(where, must, given, "Give longer stays, or a target"))
