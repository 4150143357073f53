"""What the arguments of a job must be, each checked in one way."""

from __future__ import annotations

from collections.abc import Collection
from numbers import Integral, Real
from typing import Any

from cellstate.errors import ArgumentTypeError, InputError, did_you_mean, explain
from cellstate.train.config import TrainConfig


def check_whole(where: str, name: str, given: Any, *, least: int = 1) -> int:
    """Require a whole number of at least `least`.

    Raises
    ------
    InputError
        It is none, or smaller.

    Examples
    --------
    >>> check_whole("doctest", "networks", 0)
    Traceback (most recent call last):
    cellstate.errors.InputError: doctest: networks must be a whole number of at least 1; got 0. \
Give 1 or more.
    """
    if isinstance(given, bool) or not isinstance(given, Integral) or int(given) < least:
        must = f"{name} must be a whole number of at least {least}"
        raise InputError(explain(where, must, repr(given), f"Give {least} or more"))
    return int(given)


def check_seed(where: str, given: Any) -> int:
    """Require `random_state` to be a whole number of at least 0; None is 0."""
    return 0 if given is None else check_whole(where, "random_state", given, least=0)


def check_number(where: str, name: str, given: Any, *, most: float, is_open: bool = False) -> float:
    """Require a number from 0 to `most`; below it where the range is open.

    Raises
    ------
    InputError
        It is none, or outside.

    Examples
    --------
    >>> check_number("doctest", "held_out", 1.0, most=1.0, is_open=True)
    Traceback (most recent call last):
    cellstate.errors.InputError: doctest: held_out must be a number of at least 0 and below 1; got \
1.0. Give for example held_out=0.1.
    """
    is_number = isinstance(given, Real) and not isinstance(given, bool)
    if not is_number or not 0 <= float(given) <= most or (is_open and float(given) == most):
        of = f"of at least 0 and below {most:g}" if is_open else f"from 0 to {most:g}"
        do = f"Give for example {name}={0.1 * most:g}"
        raise InputError(explain(where, f"{name} must be a number {of}", repr(given), do))
    return float(given)


def check_choice(where: str, name: str, given: Any, choices: Collection[str]) -> str:
    """Require one of some names.

    Raises
    ------
    InputError
        It is another.

    Examples
    --------
    >>> check_choice("doctest", "size", "smal", ("small", "medium", "large"))
    Traceback (most recent call last):
    cellstate.errors.InputError: doctest: size must be 'small', 'medium' or 'large'; got 'smal'. \
Did you mean 'small'?
    """
    if not isinstance(given, str) or given not in choices:
        *others, last = map(repr, choices)
        must = f"{name} must be {', '.join(others)} or {last}"
        raise InputError(explain(where, must, repr(given), did_you_mean(str(given), choices)))
    return given


def check_config(where: str, given: Any) -> TrainConfig:
    """Require a `TrainConfig`; None is one that leaves everything open.

    Raises
    ------
    ArgumentTypeError
        It is something else.
    """
    if given is not None and not isinstance(given, TrainConfig):
        must, do = "train must be a TrainConfig", "For example train=TrainConfig(epochs=30)"
        raise ArgumentTypeError(explain(where, must, type(given).__name__, do))
    return given or TrainConfig()


def check_together(where: str, X: Any, y: Any, without: str) -> None:
    """Require both of X and y, or neither.

    Parameters
    ----------
    where : str
    X, y : Any
    without : str
        What is taken where neither is given, such as "the rows that fit held out".

    Raises
    ------
    InputError
        One is given alone.
    """
    if (X is None) != (y is None):
        given = "X alone" if y is None else "y alone"
        do = f"Give both, or neither for {without}"
        raise InputError(explain(where, "X and y must be given together", given, do))
