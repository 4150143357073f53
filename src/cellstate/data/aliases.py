"""Frequencies as text: the aliases of pandas and polars."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, Literal

import numpy as np

from cellstate.errors import InputError, did_you_mean, explain

Kind = Literal["integer", "time", "month", "business"]

_TIMES = {  # microseconds, longest first: `name_of` takes the first that divides
    "W": 604_800_000_000,
    "D": 86_400_000_000,
    "h": 3_600_000_000,
    "min": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
    "us": 1,
}
_MONTHS = {"Y": 12, "Q": 3, "M": 1}
_ALIASES: dict[str, tuple[Kind, int, bool]] = {
    **{name: ("time", count, False) for name, count in _TIMES.items()},
    **{f"{name}S": ("month", count, False) for name, count in _MONTHS.items()},
    **{f"{name}E": ("month", count, True) for name, count in _MONTHS.items()},
    "B": ("business", 1, False),
    # Older names of pandas.
    "H": ("time", _TIMES["h"], False),
    "T": ("time", _TIMES["min"], False),
    "S": ("time", _TIMES["s"], False),
    "M": ("month", 1, True),
    "Q": ("month", 3, True),
    "A": ("month", 12, True),
    "Y": ("month", 12, True),
    "AS": ("month", 12, False),
    # Names of polars.
    "w": ("time", _TIMES["W"], False),
    "d": ("time", _TIMES["D"], False),
    "m": ("time", _TIMES["min"], False),
    "mo": ("month", 1, False),
    "q": ("month", 3, False),
    "y": ("month", 12, False),
}
_FORM = re.compile(r"(\d*)([A-Za-z]+)(-[A-Z]{3})?")


def parse(given: Any) -> tuple[Kind, int, bool]:
    """Read a frequency's kind, count and side from text, an integer or a timedelta."""
    if isinstance(given, (dt.timedelta, np.timedelta64)):
        microseconds = int(np.timedelta64(given) / np.timedelta64(1, "us"))
        if microseconds > 0:
            return "time", microseconds, False
    elif isinstance(given, (int, np.integer)) and not isinstance(given, bool) and given > 0:
        return "integer", int(given), False
    if isinstance(given, str):
        if given.isdecimal() and int(given) > 0:
            return "integer", int(given), False
        form = _FORM.fullmatch(given)
        count = int(form[1] or 1) if form else 0
        if form and form[2] in _ALIASES and count > 0:
            kind, unit, end = _ALIASES[form[2]]
            return kind, unit * count, end
    names = [name for name in _ALIASES if not isinstance(given, str) or len(name) <= len(given)]
    near = did_you_mean(str(given), names) if isinstance(given, str) and names else ""
    raise InputError(
        explain(
            "frequency",
            "must be an alias such as 'h', '15min', 'D', 'B', 'W', 'MS', 'ME' or 'QS', "
            "a positive integer step, or a timedelta",
            repr(given),
            (f"{near} " if near.startswith("Did") else "")
            + "Leave it out to infer it from the time stamps",
        )
    )


def name_of(kind: Kind, count: int, end: bool) -> str:
    """Write a frequency as the alias that `parse` reads back."""
    if kind == "integer":
        return str(count)
    units = _TIMES if kind == "time" else _MONTHS if kind == "month" else {"B": 1}
    unit = next(name for name, size in units.items() if count % size == 0)
    times = count // units[unit]
    side = "" if kind != "month" else "E" if end else "S"
    return f"{times if times > 1 else ''}{unit}{side}"
