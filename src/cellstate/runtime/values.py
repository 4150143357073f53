"""Single numbers of events, held to what can be true."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cellstate.errors import EventError, explain

_WHERE = "event"


def read_number(name: str, given: Any, low: float, high: float, unit: str = "") -> float:
    """Read a number that an event brings.

    Parameters
    ----------
    name : str
        Of the value, for messages, which never name the value itself.
    given : Any
        A number; None and NaN are missing.
    low, high : float
        The least and the largest that can be true.
    unit : str

    Returns
    -------
    float
        NaN where missing.

    Raises
    ------
    EventError
        It is no number, or lies outside.

    Examples
    --------
    >>> read_number("HR", 80, 0, 350), read_number("HR", None, 0, 350)
    (80.0, nan)
    """
    if given is None:
        return math.nan
    if isinstance(given, bool) or not isinstance(given, int | float | np.integer | np.floating):
        raise EventError(
            explain(_WHERE, f"{name} must be a number", type(given).__name__, "Convert it")
        )
    if given < low or given > high:
        must = f"{name} must lie between {low:g} and {high:g} {unit}".rstrip()
        do = "Check its unit, or leave it out"
        raise EventError(explain(_WHERE, must, "a value outside", do))
    return float(given)
