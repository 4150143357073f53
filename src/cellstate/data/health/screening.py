"""Events that cannot be true: found, numbered, and given a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cellstate.data.health.left_out import LeftOut
from cellstate.data.health.ranges import LARGEST, limits_of

BIRTH, DEATH = "MEDS_BIRTH", "MEDS_DEATH"
DUPLICATE = "duplicate event"
_DAY_HOURS = 24.0


def sort_and_screen(
    subject: np.ndarray,
    hours: np.ndarray,
    code: np.ndarray,
    value: np.ndarray,
    rows: np.ndarray,
    *,
    codes: Sequence[str],
    is_absolute: bool,
    ranges: Mapping[str, Any] | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, LeftOut]:
    """Sort events by subject, hours and code; keep those that can be true.

    Parameters
    ----------
    rows : numpy.ndarray
        (N,) row numbers, rising: what is otherwise alike keeps their order.

    Returns
    -------
    subject, hours, code, value : numpy.ndarray
    left_out : LeftOut
    """
    order = np.lexsort((code, hours, subject))
    subject, hours, code, value = subject[order], hours[order], code[order], value[order]
    kept, left_out = screen(
        subject,
        hours,
        code,
        value,
        rows[order],
        codes=codes,
        is_absolute=is_absolute,
        ranges=ranges,
    )
    return subject[kept], hours[kept], code[kept], value[kept], left_out


def screen(
    subject: np.ndarray,
    hours: np.ndarray,
    code: np.ndarray,
    value: np.ndarray,
    rows: np.ndarray,
    *,
    codes: Sequence[str],
    is_absolute: bool,
    ranges: Mapping[str, Any] | None,
) -> tuple[np.ndarray, LeftOut]:
    """Tell which events are kept, and why the others are not.

    Parameters
    ----------
    subject, hours, code, value, rows : numpy.ndarray
        (N,) sorted by subject, hours, code and row; a place of -1 is an empty cell, hours are −∞
        for static events and NaN where infinite.
    codes : sequence of str
    is_absolute : bool
        Whether hours count from 1970: a death stamped at midnight then stands for its whole day.
    ranges : mapping or None
        As for `check_ranges`.

    Returns
    -------
    kept : numpy.ndarray
        (N,) bool.
    left_out : LeftOut
    """
    low, high, units = limits_of(codes, ranges)
    first_seen, last_seen = _lives(subject, hours, code, codes, is_absolute)
    reason = np.full(len(rows), -1, dtype=np.int32)
    reasons = [
        "no subject",
        "no code",
        "infinite time",
        "infinite value",
        "before birth",
        "after death",
        DUPLICATE,
        *(
            f"{name} outside {low[k]:g} to {high[k]:g} {units[k]}".rstrip()
            for k, name in enumerate(codes)
        ),
        f"value beyond {LARGEST:g}",
    ]

    def leave_out(is_wrong: np.ndarray, place: int | np.ndarray) -> None:
        is_new = is_wrong & (reason < 0)
        reason[is_new] = place if isinstance(place, int) else place[is_new]

    leave_out(subject < 0, 0)
    leave_out(code < 0, 1)
    leave_out(np.isnan(hours), 2)
    leave_out(np.isinf(value), 3)
    leave_out(np.abs(value) > LARGEST, len(reasons) - 1)
    if len(codes):
        is_outside = (value < low[code]) | (value > high[code])
        leave_out(is_outside, code + 7)
    if len(first_seen):
        is_timed = np.isfinite(hours)
        leave_out(is_timed & (hours < first_seen[subject]), 4)
        leave_out(is_timed & (hours > last_seen[subject]), 5)
    leave_out(_repeats(subject, hours, code, value), 6)
    kept = reason < 0
    return kept, LeftOut.by_reason(rows[~kept], reason[~kept], tuple(reasons))


def _lives(
    subject: np.ndarray,
    hours: np.ndarray,
    code: np.ndarray,
    codes: Sequence[str],
    is_absolute: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Give each subject's hours of birth and death, −∞ and ∞ where they are not known."""
    count = int(subject.max(initial=-1)) + 1
    known = np.isfinite(hours) & (subject >= 0)
    births = known & np.isin(code, [k for k, name in enumerate(codes) if _is(name, BIRTH)])
    deaths = known & np.isin(code, [k for k, name in enumerate(codes) if _is(name, DEATH)])
    born = np.full(count, np.inf)
    np.minimum.at(born, subject[births], hours[births])
    died = np.full(count, -np.inf)
    end = hours[deaths]
    if is_absolute:
        end = np.where(end % _DAY_HOURS == 0, end + _DAY_HOURS, end)
    np.maximum.at(died, subject[deaths], end)
    return np.where(born == np.inf, -np.inf, born), np.where(died == -np.inf, np.inf, died)


def _is(name: str, code: str) -> bool:
    return name == code or name.startswith(f"{code}//")


def _repeats(
    subject: np.ndarray, hours: np.ndarray, code: np.ndarray, value: np.ndarray
) -> np.ndarray:
    """Mark each event that has occurred before with the same value, or without one again."""
    is_again = np.zeros(len(subject), dtype=bool)
    alike = (subject[1:] == subject[:-1]) & (hours[1:] == hours[:-1]) & (code[1:] == code[:-1])
    if not alike.any():
        return is_again
    touched = np.append(alike, False)
    touched[1:] |= alike
    places = np.flatnonzero(touched)
    group = np.cumsum(np.append(True, ~alike))[places]
    order = np.lexsort((value[places], group))  # stable: the earliest row comes first
    ordered, groups = value[places][order], group[order]
    is_same = (ordered[1:] == ordered[:-1]) | (np.isnan(ordered[1:]) & np.isnan(ordered[:-1]))
    is_again[places[order[1:]]] = is_same & (groups[1:] == groups[:-1])
    return is_again
