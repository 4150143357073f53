"""From a long frame, one row a visit and code, to visits; and outcomes of visits from a frame."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np

from cellstate.data.health.left_out import LeftOut
from cellstate.data.health.table import as_table, read_codes, read_hours, read_ids, read_numbers
from cellstate.data.health.visits import Visits, assemble
from cellstate.errors import FrameError, explain


def read_visits(frame: Any, *, where: str = "read_visits") -> Visits:
    """Read a long frame: a row for each code of each visit.

    Parameters
    ----------
    frame : DataFrame of pandas, polars or pyarrow
        Columns ``subject_id``, ``start`` and ``code``; may have ``end`` (else a visit ends when it
        starts), ``visit_id`` (else equal times of a subject are one visit), ``age`` in years,
        ``death``, and ``observed_until``, until when a further visit would have been seen (else
        the latest time of the whole frame). Times are timestamps, or numbers of hours. An empty
        code is a visit without codes.
    where : str
        Who asks, for messages.

    Returns
    -------
    Visits
        What could not be used is in its `left_out`.

    Raises
    ------
    FrameError
        It is no frame with rows, lacks a column, has one of another type, or no row can be used.

    Warns
    -----
    LeftOutWarning
        Rows were left out: without a subject or a time, ending before they start, before birth or
        after death, repeated, or with other times than the first row of their visit.

    Examples
    --------
    >>> import polars
    >>> frame = polars.DataFrame({"subject_id": [7, 7, 7], "start": [0, 0, 50],
    ...                           "end": [24, 24, 60], "code": ["DX10:I10", "RX:aspirin", None]})
    >>> read_visits(frame)
    Visits(1 patients, 2 visits, 2 codes, 0 variables)
    """
    table = as_table(frame, ("subject_id", "start", "code"), where=where)
    subject, subjects = read_ids(table.get_column("subject_id"), where=where)
    start, end = _times(table, where)
    code, codes = read_codes(table.get_column("code"), where=where)
    age = np.full(len(table), np.nan)
    if "age" in table.columns:
        age = read_numbers(table.get_column("age"), where=where)
    _check_kinds(table, where)
    death = _deaths(table, subject, len(subjects), where)
    rows = np.arange(1, len(table) + 1)
    left, kept = LeftOut.nothing(), np.ones(len(table), dtype=bool)
    for reason, is_wrong in (
        ("no subject_id", subject < 0),
        ("no start", ~np.isfinite(start)),
        ("no end", ~np.isfinite(end)),
        ("end before start", end < start),
        ("before birth", age < 0),
        ("after death", start > death[subject]),
    ):
        left += LeftOut.of(reason, rows[is_wrong & kept])
        kept &= ~is_wrong
    visit = _visits(table, subject, start, end, kept, where)
    first = _first_rows(visit, kept)
    torn = kept & ((start != start[first]) | (end != end[first]))
    left += LeftOut.of("times that are not those of its visit's first row", rows[torn])
    kept &= ~torn
    repeated = kept & _repeats(visit, code, kept)
    left += LeftOut.of("duplicate row", rows[repeated])
    kept &= ~repeated
    if not kept.any():
        raise FrameError(explain(where, "some row must hold a visit", str(left), "Check the table"))
    firsts = np.unique(first[kept])
    named = kept & (code >= 0)
    names = np.empty(len(subjects), dtype=object)
    names[:] = subjects
    visits = assemble(
        names[subject[firsts]],
        start[firsts],
        end[firsts],
        np.searchsorted(firsts, first[named]),
        [codes[k] for k in code[named]],
        age=age[firsts],
        observed_until=_observed(table, names, subject, end, kept, where),
        death={names[k]: float(death[k]) for k in np.flatnonzero(np.isfinite(death[:-1]))},
        left_out=left,
    )
    left.announce(where, stacklevel=2)
    return visits


def align(visits: Visits, frame: Any, name: str, *, where: str = "align") -> np.ndarray:
    """Read an outcome of each visit, in the order of `visits`: (N,) float64, NaN where unknown.

    Parameters
    ----------
    visits : Visits
    frame : DataFrame of pandas, polars or pyarrow
        Columns ``subject_id``, ``start`` and `name`, which holds 0 and 1, or truth values.
    name : str
    where : str
        Who asks, for messages.

    Raises
    ------
    FrameError
        The frame lacks a column, a row is of no visit or of one that had an outcome before, or an
        outcome is neither 0 nor 1.

    Examples
    --------
    >>> import polars
    >>> frame = polars.DataFrame({"subject_id": [7, 7], "start": [0, 50], "code": ["a", "b"]})
    >>> outcomes = polars.DataFrame({"subject_id": [7], "start": [50], "died": [True]})
    >>> align(read_visits(frame), outcomes, "died")
    array([nan,  1.])
    """
    table = as_table(frame, ("subject_id", "start", name), where=where)
    subject, subjects = read_ids(table.get_column("subject_id"), where=where)
    start, _ = read_hours(table.get_column("start"), where=where)
    outcome = read_numbers(table.get_column(name), where=where)
    own = visits.subjects[visits.subject_of].tolist()
    places = {key: n for n, key in enumerate(zip(own, visits.start.tolist(), strict=True))}
    found = np.full(len(visits), np.nan)
    for row, (who, when, value) in enumerate(zip(subject, start, outcome, strict=True), start=1):
        place = places.get((subjects[who], float(when))) if who >= 0 else None
        wrong = ""
        if place is None:
            wrong = "one of no visit"
        elif not np.isnan(found[place]):
            wrong = "a second one of a visit"
        elif not (np.isnan(value) or value in (0.0, 1.0)):
            wrong = "an outcome that is neither 0 nor 1"
        if wrong or place is None:
            must = "each row must give one visit its outcome"
            do = "Check subject_id and start (rows count from 1)"
            raise FrameError(explain(where, must, f"{wrong} in row {row:,}", do))
        found[place] = value
    return found


def _times(table: nw.DataFrame[Any], where: str) -> tuple[np.ndarray, np.ndarray]:
    start, _ = read_hours(table.get_column("start"), where=where)
    if "end" not in table.columns:
        return start, start
    return start, read_hours(table.get_column("end"), where=where)[0]


def _check_kinds(table: nw.DataFrame[Any], where: str) -> None:
    """Require that all times of a frame are time stamps, or all hours."""
    _, is_absolute = read_hours(table.get_column("start"), where=where)
    for name in ("end", "death", "observed_until"):
        if name in table.columns and not table.get_column(name).is_null().all():
            _, is_also = read_hours(table.get_column(name), where=where)
            if is_also != is_absolute:
                must = f"start and {name} must both be timestamps or both numbers"
                do = "Convert one of the columns"
                raise FrameError(explain(where, must, "one of each", do))


def _deaths(table: nw.DataFrame[Any], subject: np.ndarray, count: int, where: str) -> np.ndarray:
    """Find the hour of each subject's death, NaN where none is told, also behind the last."""
    death = np.full(count + 1, np.inf)  # a row without a subject looks up the last
    if "death" in table.columns:
        given, _ = read_hours(table.get_column("death"), where=where)
        told = np.isfinite(given) & (subject >= 0)
        np.minimum.at(death, subject[told], given[told])
    return np.where(np.isfinite(death), death, np.nan)


def _visits(
    table: nw.DataFrame[Any],
    subject: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    kept: np.ndarray,
    where: str,
) -> np.ndarray:
    """Number the visit of each row."""
    if "visit_id" in table.columns:
        named, _ = read_ids(table.get_column("visit_id"), where=where)
    else:
        named = np.full(len(table), -1)
    by_time = named < 0  # such rows are told apart by their times
    keys = np.stack(
        [subject, named, np.where(by_time, start, 0.0), np.where(by_time, end, 0.0)], axis=1
    )
    keys[~kept] = 0.0
    return np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1)


def _first_rows(visit: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Find the first row that is kept of each row's visit: (n,), its own where it is not kept."""
    first = np.arange(len(visit))
    chosen = np.flatnonzero(kept)
    found, index, inverse = np.unique(visit[chosen], return_index=True, return_inverse=True)
    assert len(found) <= len(chosen), "each visit has a first row"
    first[chosen] = chosen[index][inverse]
    return first


def _repeats(visit: np.ndarray, code: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Mark rows whose visit and code came before."""
    chosen = np.flatnonzero(kept)
    pairs = np.stack([visit[chosen], code[chosen]], axis=1)
    is_again = np.zeros(len(visit), dtype=bool)
    is_again[chosen] = True
    is_again[chosen[np.unique(pairs, axis=0, return_index=True)[1]]] = False
    return is_again


def _observed(
    table: nw.DataFrame[Any],
    names: np.ndarray,
    subject: np.ndarray,
    end: np.ndarray,
    kept: np.ndarray,
    where: str,
) -> dict[Any, float]:
    latest = np.full(len(names), -np.inf)
    until = np.full(len(table), float(end[kept].max()))
    if "observed_until" in table.columns:
        given, _ = read_hours(table.get_column("observed_until"), where=where)
        until = np.where(np.isfinite(given), given, until)
    np.maximum.at(latest, subject[kept], until[kept])
    return {names[k]: float(latest[k]) for k in np.unique(subject[kept])}
