"""Numbers and times as a reader wants them: few digits, aligned, one resolution per column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

MISSING = "–"
MINUS = "\N{MINUS SIGN}"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def number(value: float, digits: int = 4) -> str:
    """One number on its own, to `digits` significant digits.

    Examples
    --------
    >>> number(0.123456), number(12345.678), number(7), number(float("nan"))
    ('0.1235', '12,346', '7', '–')
    >>> number(1.5e300), number(-2)
    ('1.5e300', '−2')
    """
    value = float(value)
    if not math.isfinite(value):
        return MISSING if math.isnan(value) else _signed("∞", value < 0)
    size = abs(value)
    if size and not 1e-4 <= size < 1e9:
        return _scientific(value, digits - 1)
    if value == int(value):
        return fixed(value, 0)
    return fixed(value, max(0, digits - 1 - math.floor(math.log10(size))))


def fixed(value: float, decimals: int) -> str:
    """A number with a set count of decimals, grouped by thousands.

    Examples
    --------
    >>> fixed(-1234.5, 2), fixed(-0.001, 1)
    ('−1,234.50', '0.0')
    """
    text = f"{abs(value):,.{decimals}f}"
    return _signed(text, value < 0 and any(figure in text for figure in "123456789"))


def signed(value: float, digits: int = 2) -> str:
    """One number with its sign, as of what is added.

    Examples
    --------
    >>> signed(0.25), signed(-0.25)
    ('+0.25', '−0.25')
    """
    return f"{'+' if value > 0 else ''}{number(value, digits)}"


def column(values: Sequence[Any], digits: int = 4) -> list[str]:
    """A column of cells that align: numbers share their decimals, other things are shown as text.

    Examples
    --------
    >>> column([0.5, 12.25, None]), column([3, 1200]), column(["naive", True])
    (['0.50', '12.25', '–'], ['3', '1,200'], ['naive', 'yes'])
    """
    numbers = [float(value) for value in values if is_number(value)]
    finite = [abs(value) for value in numbers if math.isfinite(value) and value]
    if not finite or not 1e-4 <= min(finite) <= max(finite) < 1e9:
        return [cell(value, digits) for value in values]
    if all(value == int(value) for value in finite):
        decimals = 0
    else:
        middle = sorted(finite)[len(finite) // 2]
        decimals = min(6, max(0, digits - 1 - math.floor(math.log10(middle))))
        while decimals and all(
            round(value, decimals) == round(value, decimals - 1) for value in finite
        ):
            decimals -= 1
    return [
        fixed(float(value), decimals)
        if is_number(value) and math.isfinite(float(value))
        else cell(value, digits)
        for value in values
    ]


def cell(value: Any, digits: int = 4) -> str:
    """Anything that may stand in a table."""
    if value is None:
        return MISSING
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, np.datetime64):
        return stamps(np.array([value]))[0]
    return number(float(value), digits) if is_number(value) else str(value)


def is_number(value: Any) -> bool:
    """Whether a cell holds a number (a truth value is none)."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def stamps(times: np.ndarray) -> list[str]:
    """Every time in words, all at the resolution that the array as a whole needs.

    Examples
    --------
    >>> stamps(np.array(["2004-03-01", "2004-04-01"], "datetime64[D]"))
    ['Mar 2004', 'Apr 2004']
    >>> stamps(np.array(["2004-03-01T13", "2004-03-01T14"], "datetime64[h]"))
    ['Mon 1 Mar 2004, 13:00', 'Mon 1 Mar 2004, 14:00']
    >>> stamps(np.array([7, 8]))
    ['7', '8']
    """
    times = np.asarray(times)
    if times.dtype.kind != "M":
        return column([float(value) for value in times], digits=6)
    moments = times.astype("datetime64[s]")
    known = moments[~np.isnat(moments)]
    days = known.astype("datetime64[D]")
    if known.size and (known != days).any():
        resolution = "time" if (known.astype("datetime64[m]") == known).all() else "second"
    elif known.size and (days == days.astype("datetime64[M]")).all():
        resolution = "year" if (days == days.astype("datetime64[Y]")).all() else "month"
    else:
        resolution = "day"
    return [_stamp(moment, resolution) for moment in moments]


def _stamp(moment: np.datetime64, resolution: str) -> str:
    if np.isnat(moment):
        return MISSING
    day = moment.astype("datetime64[D]")
    year, month, date = date_parts(day)
    if resolution == "year":
        return str(year)
    if resolution == "month":
        return f"{MONTHS[month - 1]} {year}"
    words = f"{weekday(day)} {date} {MONTHS[month - 1]} {year}"
    if resolution == "day":
        return words
    clock = str(moment).split("T")[1]
    return f"{words}, {clock if resolution == 'second' else clock[:5]}"


def date_parts(day: np.datetime64) -> tuple[int, int, int]:
    """Year, month 1 to 12 and day of the month, for any year that NumPy can hold."""
    months = int(day.astype("datetime64[M]").astype(np.int64))
    first = np.datetime64(months, "M").astype("datetime64[D]")
    date = int((day.astype("datetime64[D]") - first).astype(np.int64)) + 1
    return 1970 + months // 12, months % 12 + 1, date


def weekday(day: np.datetime64) -> str:
    """The day of the week: 1970-01-01 was a Thursday."""
    return WEEKDAYS[(int(day.astype("datetime64[D]").astype(np.int64)) + 3) % 7]


def _scientific(value: float, decimals: int) -> str:
    mantissa, exponent = f"{abs(value):.{decimals}e}".split("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return _signed(f"{mantissa}e{int(exponent)}", value < 0)


def _signed(text: str, negative: bool) -> str:
    return MINUS + text if negative else text
