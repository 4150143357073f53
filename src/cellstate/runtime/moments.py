"""When an event happened: read from whatever says it, exactly, as whole microseconds since 1970."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from cellstate.errors import EventError, explain

SECOND = 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LEAST = -62_135_596_800 * SECOND
"""The year 1 begins."""
MOST = 253_402_300_800 * SECOND - 1
"""The year 9999 ends."""
ADVICE = "Give ISO 8601 with a zone, such as 2024-05-01T12:00:00Z, or seconds since 1970"
_ISO = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d([.,](?P<part>\d+))?)?(?P<zone>[Zz]|[+-]\d\d(:?\d\d)?)?",
    re.ASCII,
)


def read_moment(given: Any) -> int:
    """Read a time.

    Parameters
    ----------
    given : datetime, str, numpy.datetime64, int or float
        A datetime or ISO 8601 text must name its zone; a datetime64 is in UTC; a number is of
        seconds, since 1970 or on a clock of the entity's own.

    Returns
    -------
    int
        Microseconds; a float is taken to the nearest one, all else must be a whole number of them.

    Raises
    ------
    EventError
        It is none of these, has no zone, is not finite, is finer than microseconds, or lies outside
        the years 1 to 9999.

    Examples
    --------
    >>> read_moment("2024-05-01T12:00:00.5+02:00")
    1714557600500000
    >>> read_moment(1714557600.5) == read_moment(np.datetime64("2024-05-01T10:00:00.5"))
    True
    """
    if isinstance(given, str):
        micros = _of_text(given)
    elif isinstance(given, datetime):
        micros = _of_datetime(given)
    elif isinstance(given, np.datetime64):
        micros = _of_datetime64(given)
    elif isinstance(given, (bool, np.bool_)) or not isinstance(
        given, (int, float, np.integer, np.floating)
    ):
        raise _refused("a time must be ISO 8601 text or a number", type(given).__name__)
    elif isinstance(given, (int, np.integer)):
        micros = int(given) * SECOND
    else:
        seconds = float(given)
        if not math.isfinite(seconds):
            raise _refused("a time must be finite", "NaN or an infinity")
        whole = math.floor(seconds)
        micros = whole * SECOND + round((seconds - whole) * SECOND)
    if not LEAST <= micros <= MOST:
        raise _refused("a time must lie in the years 1 to 9999", "one outside")
    return micros


def show_moment(micros: int) -> str:
    """Write microseconds since 1970 as ISO 8601 in UTC.

    Examples
    --------
    >>> show_moment(1714557600500000)
    '2024-05-01T10:00:00.500000Z'
    """
    moment = EPOCH + timedelta(microseconds=micros)
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _of_text(given: str) -> int:
    found = _ISO.fullmatch(given)
    if found is None:
        raise _refused("a time as text must be ISO 8601", "another text")
    if found["zone"] is None:
        raise _refused("a time must name its zone", "one without")
    if found["part"] and found["part"][6:].strip("0"):
        raise _refused("a time must be a whole number of microseconds", "a finer one")
    try:
        return _of_datetime(datetime.fromisoformat(given.replace(",", ".").upper()))
    except (ValueError, OverflowError):
        raise _refused("a time must be one that the calendar has", "another") from None


def _of_datetime(given: datetime) -> int:
    if given.utcoffset() is None:
        raise _refused("a time must name its zone", "one without")
    if getattr(given, "nanosecond", 0):  # of a pandas Timestamp
        raise _refused("a time must be a whole number of microseconds", "a finer one")
    # Not by subtraction of aware times: near the years 1 and 9999 it overflows.
    passed = given.replace(tzinfo=None) - EPOCH.replace(tzinfo=None)
    offset = given.utcoffset() or timedelta()
    return (passed - offset) // timedelta(microseconds=1)


def _of_datetime64(given: np.datetime64) -> int:
    if np.isnat(given):
        raise _refused("a time must be known", "NaT")
    unit, count = np.datetime_data(given.dtype)
    micros = given.astype("datetime64[us]")
    # Wider units overflow and finer ones are cut, in silence.
    back = micros.astype(f"datetime64[{count}{unit}]")
    years = int(given.astype("datetime64[Y]").astype(np.int64))
    if back != given or not -1969 <= years < 8030:
        raise _refused(
            "a time must be a whole number of microseconds, in the years 1 to 9999", "another one"
        )
    return int(micros.astype(np.int64))


def _refused(must: str, given: str) -> EventError:
    return EventError(explain("time", must, given, ADVICE))
