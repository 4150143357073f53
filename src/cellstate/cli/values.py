"""A word of the command line as a value of the annotated type, and back."""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from cellstate.errors import InputError, did_you_mean, explain

_PLACEHOLDERS = {int: "N", float: "X", str: "TEXT", Path: "PATH"}
# What a word must be, and an example of it: alone, and in a sequence.
_ALONE = {int: ("a whole number", "24"), float: ("a number", "0.5")}
_SEVERAL = {int: ("whole numbers", "80,95"), float: ("numbers", "0.1,0.9")}


def alternatives(hint: Any) -> tuple[Any, ...]:
    """List the members of a union; any other type is its own only one.

    Examples
    --------
    >>> alternatives(int | None)
    (<class 'int'>, <class 'NoneType'>)
    """
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return typing.get_args(hint)
    return (hint,)


def is_flag(hint: Any) -> bool:
    """Tell whether a value is given by ``--name`` or ``--no-name`` alone."""
    return set(alternatives(hint)) <= {bool, types.NoneType}


def placeholder(hint: Any, choices: Sequence[str] = ()) -> str:
    """Show in the help what to write.

    Examples
    --------
    >>> placeholder(float | None), placeholder(str, ("mean", "last"))
    ('X', 'mean|last')
    >>> placeholder(tuple[int, ...])
    'N,N,…'
    """
    shown: list[str] = [*choices]
    kinds = alternatives(hint)
    for kind in kinds:
        if typing.get_origin(kind) is Literal:
            shown += [str(word) for word in typing.get_args(kind)]
        elif (item := _item(kind)) is not None:
            one = placeholder(item)
            shown.append(f"{one},{one},…")
        elif kind in _PLACEHOLDERS and not (kind is str and (choices or Path in kinds)):
            shown.append(_PLACEHOLDERS[kind])
    return "|".join(dict.fromkeys(shown)) or "TEXT"


def parse(text: str, hint: Any, flag: str) -> Any:
    """Read a word as the first of the annotated types that it fits; ``none`` is None.

    Raises
    ------
    InputError
        It fits none of them.

    Examples
    --------
    >>> parse("24", int, "--horizon"), parse("80,95.5", tuple[float, ...], "--levels")
    (24, (80, 95.5))
    >>> parse("many", int, "--horizon")
    Traceback (most recent call last):
    cellstate.errors.InputError: cellstate: --horizon must be a whole number; got 'many'. Write \
for example --horizon 24.
    """
    # Most particular first: every number is also a text, every whole number also a float.
    kinds = sorted(alternatives(hint), key=_rank)
    for kind in kinds:
        try:
            return _read(text, kind)
        except ValueError:
            continue
    forms = [form for kind in kinds for form in _forms(kind)]
    must = " or ".join(must for must, _ in forms)
    words = [example for must, example in forms if must == repr(example)]
    do = did_you_mean(text, words) if words else f"Write for example {flag} {forms[0][1]}"
    raise InputError(explain("cellstate", f"{flag} must be {must}", repr(text), do))


def show(value: Any) -> str:
    """Write a value as it would be given on the command line.

    Examples
    --------
    >>> show((80, 95)), show(0.5), show(None)
    ('80,95', '0.5', 'none')
    """
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return ",".join(map(show, value))
    return str(value)


def _read(text: str, kind: Any) -> Any:
    if kind is types.NoneType:
        if text == "none":
            return None
        raise ValueError
    if typing.get_origin(kind) is Literal:
        by_text = {str(word): word for word in typing.get_args(kind)}
        if text in by_text:
            return by_text[text]
        raise ValueError
    if (item := _item(kind)) is not None:
        parts = [part.strip() for part in text.split(",")] if text else []
        return tuple(_read(part, item) for part in parts)
    if kind is float:
        return _number(text)
    if kind is int:
        return int(text)
    if kind in (str, Any):
        return text
    if kind is Path:
        return Path(text)
    raise ValueError  # a type that has no form on the command line, such as a generator


def _number(text: str) -> float:
    """Keep whole numbers whole: a level of 80 is named 80, not 80.0."""
    try:
        return int(text)
    except ValueError:
        return float(text)


def _item(kind: Any) -> Any | None:
    """Return the items' type of a sequence type; None for any other."""
    origin = typing.get_origin(kind) or kind
    if origin not in (tuple, list, Sequence):
        return None
    inner = [item for item in typing.get_args(kind) if item is not ...]
    return inner[0] if inner else str


def _rank(kind: Any) -> int:
    if kind is types.NoneType or typing.get_origin(kind) is Literal:
        return 0
    if kind is str:
        return 4
    if _item(kind) is not None:
        return 3
    return 1 if kind is int else 2


def _forms(kind: Any) -> list[tuple[str, str]]:
    """Say what a word of this type must be, each with an example."""
    if typing.get_origin(kind) is Literal:
        return [(repr(word), str(word)) for word in typing.get_args(kind)]
    if (item := _item(kind)) in _SEVERAL:
        must, example = _SEVERAL[item]
        return [(f"{must} with commas between", example)]
    return [_ALONE[kind]] if kind in _ALONE else []
