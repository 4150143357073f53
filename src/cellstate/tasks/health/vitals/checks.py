"""What a monitor's arguments must be."""

from __future__ import annotations

from typing import Any

import numpy as np

from cellstate.errors import InputError, explain
from cellstate.tasks.health.vitals.evaluation import Policy


def check_columns(where: str, target: Any, static: Any) -> None:
    """Require names of columns.

    Raises
    ------
    InputError
        They are something else.
    """
    if target is not None and not (isinstance(target, str) and target):
        must = "target must be the name of a column, or None"
        raise InputError(explain(where, must, repr(target), "For example target='sepsis'"))
    names = (static,) if isinstance(static, str) else static
    if not isinstance(names, tuple | list) or not all(isinstance(name, str) for name in names):
        must = "static must be the name of a column, or several names"
        raise InputError(explain(where, must, repr(static), "For example static=('Age',)"))


def read_policy(where: str, **given: Any) -> Policy:
    """Take the alarms' rate, silence and lead.

    Raises
    ------
    InputError
        One is no number of at least 0.

    Examples
    --------
    >>> read_policy("doctest", alarms_per_day=1, silence_h=6, lead_h=0).silence_h
    6.0
    """
    for name, value in given.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not 0 <= value < np.inf:
            must = f"{name} must be a number of at least 0"
            raise InputError(explain(where, must, repr(value), f"Give for example {name}=0.5"))
    return Policy(**{name: float(value) for name, value in given.items()})
