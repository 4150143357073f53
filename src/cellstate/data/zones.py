"""Local time and UTC, vectorised over the standard library's zone data."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo

import numpy as np

from cellstate.errors import FrameError, explain

_FIXED = re.compile(r"(?:UTC|GMT)?([+-])(\d\d):?(\d\d)")


def to_local(utc: np.ndarray, zone: str) -> np.ndarray:
    """Give the local time of UTC stamps, both datetime64[us] without a zone.

    Examples
    --------
    >>> to_local(np.array(["2024-07-01T10:00"], dtype="datetime64[us]"), "Europe/Berlin")[0].item()
    datetime.datetime(2024, 7, 1, 12, 0)
    """
    return utc + _offsets(utc, _zone(zone))


def to_utc(local: np.ndarray, zone: str) -> np.ndarray:
    """Give the UTC stamps of local times; an ambiguous hour is taken as its second passing."""
    known = _zone(zone)
    guess = local - _offsets(local, known)
    return local - _offsets(guess, known)


def _zone(name: str) -> dt.tzinfo:
    if name == "UTC":
        return dt.UTC
    fixed = _FIXED.fullmatch(name)
    if fixed:
        offset = dt.timedelta(hours=int(fixed[2]), minutes=int(fixed[3]))
        return dt.timezone(-offset if fixed[1] == "-" else offset)
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as unknown:
        raise FrameError(
            explain(
                "Columns",
                "the time column's zone must be in the zone database",
                repr(name),
                "Convert the column to UTC, or install the package tzdata",
            )
        ) from unknown


def _offsets(utc: np.ndarray, zone: dt.tzinfo) -> np.ndarray:
    # Zones change their offset at quarter hours only, so that far fewer moments need a look-up.
    quarters, inverse = np.unique(utc.astype("datetime64[15m]"), return_inverse=True)
    seconds = [
        _offset(moment, zone).total_seconds()
        for moment in quarters.astype("datetime64[s]").tolist()
    ]
    offsets = np.array(seconds).astype("timedelta64[s]").astype("timedelta64[us]")
    return offsets[inverse].reshape(utc.shape)


def _offset(moment: dt.datetime, zone: dt.tzinfo) -> dt.timedelta:
    offset = zone.utcoffset(moment.replace(tzinfo=dt.UTC).astimezone(zone))
    return offset or dt.timedelta(0)
