"""What is foretold after each visit, and of which visits that is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.data.health.visit_frames import align
from cellstate.data.health.visits import Visits
from cellstate.errors import InputError, ShapeError, did_you_mean, explain

NEXT, READMISSION, LABS = "next", "readmission", "labs"
DAY_HOURS = 24.0


@dataclass(frozen=True)
class Targets:
    """What came true after each visit.

    Attributes
    ----------
    kind : str
        "codes", "risk" or "values".
    known : np.ndarray
        (N,) bool: visits after which something is known to have come true or not.
    values : np.ndarray
        (N,) 1.0 and 0.0 of a risk; (N, V) numbers of the next visit, NaN where there is none;
        empty for codes, which are read from the visits when they are needed.
    counts : dict of str to int
        Visits that are not known, by reason.
    """

    kind: str
    known: np.ndarray
    values: np.ndarray
    counts: dict[str, int]


def kind_of(target: str) -> str:
    """Say what kind of answer a target has."""
    return {NEXT: "codes", LABS: "values"}.get(target, "risk")


def find_targets(
    where: str, target: str, visits: Visits, *, horizon_days: float, labels: Any = None
) -> Targets:
    """Find what came true after each visit.

    Parameters
    ----------
    where : str
        Begins each message.
    target : str
        "next", "readmission", "labs", the name of an outcome where there are labels, or the
        beginning of codes whose onset is foretold.
    visits : Visits
    horizon_days : float
        Of a readmission.
    labels : optional
        (N,) outcomes, NaN where unknown, or a frame that `align` reads.

    Raises
    ------
    InputError
        The target is none of these, or labels are given that it does not take.
    """
    if labels is not None:
        if target in (NEXT, READMISSION, LABS):
            must = f"labels go with an outcome of your own, not with target={target!r}"
            do = "Name the outcome, or leave labels out"
            raise InputError(explain(where, must, "labels", do))
        return _labelled(where, target, visits, labels)
    if target == READMISSION:
        return _readmission(visits, horizon_days * DAY_HOURS)
    known, counts = followed(visits)
    if target == NEXT:
        return Targets("codes", known, np.zeros(0), counts)
    if target == LABS:
        values = np.full(visits.values.shape, np.nan)
        values[:-1] = visits.values[1:]
        values[~known] = np.nan
        without = known & ~np.isfinite(values).any(1)
        counts |= {"no value at the next visit": int(without.sum())} if without.any() else {}
        return Targets("values", known & ~without, values, counts)
    return _onset(where, target, visits, known, counts)


def followed(visits: Visits) -> tuple[np.ndarray, dict[str, int]]:
    """Tell which visits have a next one that begins when they are over, and count the others.

    Examples
    --------
    >>> from cellstate.data.health.visits import make_visits
    >>> followed(make_visits({"a": [(0, 9, ["x"]), (5, 12, ["x"]), (20, 21, ["x"])]}))
    (array([False,  True, False]), {'no later visit': 1, 'the next visit began before': 1})
    """
    is_last = np.zeros(len(visits), dtype=bool)
    is_last[visits.offsets[1:][visits.counts > 0] - 1] = True
    following = np.append(visits.start[1:], np.inf)
    overlaps = ~is_last & (following < visits.end)
    counts = {"no later visit": int(is_last.sum())}
    if overlaps.any():
        counts["the next visit began before"] = int(overlaps.sum())
    return ~is_last & ~overlaps, counts


def _readmission(visits: Visits, horizon: float) -> Targets:
    """Tell which visits another follows within the horizon, and of which that is known."""
    known, counts = followed(visits)
    overlaps = counts.get("the next visit began before", 0)
    following = np.append(visits.start[1:], np.inf)
    who = visits.subject_of
    comes = known & (following <= visits.end + horizon)
    is_last = np.ones(len(visits), dtype=bool)
    is_last[:-1] = who[1:] != who[:-1]
    death = visits.death[who]
    dead = death <= visits.end
    # Who dies at home, or is seen for long enough, is known not to have come back.
    seen = (visits.observed_until[who] >= visits.end + horizon) | (death <= visits.end + horizon)
    observed = (known | (is_last & seen)) & ~dead
    counts = {
        "died in the visit": int(dead.sum()),
        "not observed for long enough": int((is_last & ~seen & ~dead).sum()),
        "the next visit began before": overlaps,
    }
    shown = {name: count for name, count in counts.items() if count}
    return Targets("risk", observed, comes.astype(np.float64), shown)


def _onset(
    where: str, target: str, visits: Visits, known: np.ndarray, counts: dict[str, int]
) -> Targets:
    """Tell which visits are followed by one that first has a code, among who has not had it."""
    fits = np.array([code.startswith(target) for code in visits.codes], dtype=bool)
    if not target or not fits.any():
        must = (
            f"target must be {NEXT!r}, {READMISSION!r}, {LABS!r}, the beginning of codes that the "
            "visits have, or the name of an outcome that labels are given for"
        )
        do = did_you_mean(target, (NEXT, READMISSION, LABS, *visits.codes[:50]))
        raise InputError(explain(where, must, repr(target), do))
    has = np.zeros(len(visits), dtype=bool)
    has[visits.visit_of[fits[visits.code]]] = True
    had = np.zeros(len(visits), dtype=bool)
    for start, end in zip(visits.offsets[:-1], visits.offsets[1:], strict=True):
        had[start:end] = np.maximum.accumulate(has[start:end])
    comes = np.append(has[1:], False) & known & ~had
    first = visits.offsets[:-1][visits.counts > 0]
    counts = dict(counts)
    if (known & had).any():
        counts["of patients who had it by then"] = int((known & had).sum())
    if had[first].any():
        counts["patients who had it from their first visit"] = int(had[first].sum())
    return Targets("risk", known & ~had, comes.astype(np.float64), counts)


def _labelled(where: str, target: str, visits: Visits, labels: Any) -> Targets:
    if hasattr(labels, "columns"):
        outcome = align(visits, labels, target, where=where)
    else:
        outcome = _outcomes(where, labels)
    if outcome.shape != (len(visits),):
        must = f"labels must give an outcome for each of the {len(visits):,} visits"
        given = f"shape {outcome.shape}"
        do = "Give NaN where it is unknown, or a frame with subject_id and start"
        raise ShapeError(explain(where, must, given, do))
    known = np.isfinite(outcome)
    wrong = known & ~np.isin(outcome, (0.0, 1.0))
    if wrong.any():
        must = "an outcome must be 0, 1 or NaN"
        given = f"something else at visit {int(np.argmax(wrong)):,}"
        raise InputError(explain(where, must, given, "Correct the labels (visits count from 0)"))
    counts = {"no outcome": int((~known).sum())} if not known.all() else {}
    return Targets("risk", known, np.where(known, outcome, 0.0), counts)


def _outcomes(where: str, labels: Sequence[Any]) -> np.ndarray:
    try:
        return np.asarray(labels, dtype=np.float64)
    except (TypeError, ValueError):
        must, do = "labels must be numbers, 0, 1 or NaN", "Convert them"
        raise InputError(explain(where, must, "something else", do)) from None
