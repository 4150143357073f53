"""Round dates for a time axis: whole years, quarters, months, weeks, days, hours and less."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from cellstate.inspector.plot import formats

DAY = 86_400
# (unit that counts, how many of it, roughly how many seconds that is)
STEPS: tuple[tuple[str, int, float], ...] = (
    *(("s", n, n) for n in (1, 2, 5, 10, 15, 30)),
    *(("m", n, n * 60) for n in (1, 2, 5, 10, 15, 30)),
    *(("h", n, n * 3600) for n in (1, 2, 3, 6, 12)),
    *(("D", n, n * DAY) for n in (1, 2)),
    ("W", 1, 7 * DAY),
    ("W", 2, 14 * DAY),
    *(("M", n, n * 30.44 * DAY) for n in (1, 2, 3, 6)),
    *(("Y", n * 10**e, n * 10**e * 365.25 * DAY) for e in range(5) for n in (1, 2, 5)),
)
FIRST_MONDAY = 4  # 1970-01-05, in days
REACH = 3e11  # seconds either way that NumPy's calendar is asked about: ten thousand years


def round_times(low: float, high: float, count: int) -> list[tuple[float, str, str]]:
    """Round dates between two bounds in seconds since 1970, about `count` of them.

    Returns
    -------
    list of (float, str, str)
        Seconds since 1970, the label, and the larger unit it lies in (empty where that has not
        changed since the tick before).

    Examples
    --------
    >>> for tick in round_times(0, 100 * 86400, 4):
    ...     print(tick)
    (0.0, 'Jan', '1970')
    (2678400.0, 'Feb', '')
    (5097600.0, 'Mar', '')
    (7776000.0, 'Apr', '')
    """
    low, high = max(low, -REACH), min(high, REACH)
    if high <= low:
        return []
    unit, step, _ = next(
        (choice for choice in STEPS if (high - low) / choice[2] <= count), STEPS[-1]
    )
    moments = _moments(low, high, unit, step)
    ticks: list[tuple[float, str, str]] = []
    before = ""
    for moment in moments:
        label, context = LABELS[unit](moment)
        ticks.append((float(moment.astype(np.int64)), label, "" if context == before else context))
        before = context
    return ticks


def _moments(low: float, high: float, unit: str, step: int) -> list[np.datetime64]:
    first = np.datetime64(math.ceil(low), "s")
    last = np.datetime64(math.floor(high), "s")
    counted = "D" if unit == "W" else unit
    width = 7 * step if unit == "W" else step
    # years count from 0, not from 1970, so that decades are round; weeks start on Mondays
    origin = {"Y": -1970, "W": FIRST_MONDAY}.get(unit, 0)
    dtype = np.dtype(f"datetime64[{counted}]")
    ends = np.array([first, last]).astype(dtype).astype(np.int64) - origin
    counts = np.arange(ends[0] // width * width, ends[1] + 1, width) + origin
    moments = counts.astype(dtype).astype("datetime64[s]")
    return list(moments[(moments >= first) & (moments <= last)])


def _year(moment: np.datetime64) -> tuple[str, str]:
    return str(formats.date_parts(moment)[0]), ""


def _month(moment: np.datetime64) -> tuple[str, str]:
    year, month, _ = formats.date_parts(moment)
    return formats.MONTHS[month - 1], str(year)


def _day(moment: np.datetime64) -> tuple[str, str]:
    year, month, date = formats.date_parts(moment)
    return f"{date} {formats.MONTHS[month - 1]}", str(year)


def _clock(moment: np.datetime64) -> tuple[str, str]:
    date, year = _day(moment)
    return str(moment).split("T")[1][:5], f"{date} {year}"


def _second(moment: np.datetime64) -> tuple[str, str]:
    date, year = _day(moment)
    return str(moment).split("T")[1], f"{date} {year}"


LABELS: dict[str, Callable[[np.datetime64], tuple[str, str]]] = {
    "Y": _year,
    "M": _month,
    "W": _day,
    "D": _day,
    "h": _clock,
    "m": _clock,
    "s": _second,
}
