"""JSON without its loopholes: no duplicate keys, no NaN, no value that comes back different."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn, cast


def parse(data: bytes) -> Any:
    """Read one JSON document.

    Raises
    ------
    ValueError
        Not UTF-8, not JSON, a key that occurs twice, a number that is not finite, or nesting
        too deep to read.

    Examples
    --------
    >>> parse(b'{"a": [1, 2.5, null]}')
    {'a': [1, 2.5, None]}
    >>> parse(b'{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ValueError: the key 'a' twice
    """
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_not_finite,
            parse_float=_finite,
        )
    except RecursionError:
        raise ValueError("nesting that is too deep") from None


def canonical(value: Any) -> bytes:
    """Write a JSON document in the one form that equal documents share.

    Examples
    --------
    >>> canonical({"b": 1, "a": [True]})
    b'{"a":[true],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def plain(value: Any, where: str) -> Any:
    """Return `value` as `parse` would read it back; tuples become lists.

    Raises
    ------
    ValueError
        Something in `value` cannot be written as JSON; the message names the place.

    Examples
    --------
    >>> plain({"levels": (80, 95)}, "arguments")
    {'levels': [80, 95]}
    >>> plain({"loss": [1.0, float("nan")]}, "record")
    Traceback (most recent call last):
    ValueError: record.loss[1] = nan
    """
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float and math.isfinite(value):
        return value
    if isinstance(value, dict):
        items = cast("dict[object, object]", value)
        for key in items:
            if type(key) is not str:
                raise ValueError(f"the key {key!r} in {where}")
        return {str(key): plain(item, f"{where}.{key}") for key, item in items.items()}
    if isinstance(value, list | tuple):
        sequence = cast("list[object] | tuple[object, ...]", value)
        return [plain(item, f"{where}[{place}]") for place, item in enumerate(sequence)]
    if type(value) is float:
        raise ValueError(f"{where} = {value!r}")
    raise ValueError(f"{where} of type {type(value).__name__}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    items = dict(pairs)
    if len(items) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {key!r} twice")
            seen.add(key)
    return items


def _not_finite(literal: str) -> NoReturn:
    raise ValueError(f"the number {literal}")


def _finite(literal: str) -> float:
    number = float(literal)
    if not math.isfinite(number):
        raise ValueError(f"the number {literal}, beyond float64")
    return number
