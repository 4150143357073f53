"""JSON as the log and the answers hold it."""

from __future__ import annotations

import json
import math
from typing import Any

_encode = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), check_circular=False
).encode


def to_json(value: Any) -> bytes:
    """Write JSON without spaces.

    Raises
    ------
    ValueError
        A number is not finite.

    Examples
    --------
    >>> to_json({"y": [1.5, None]})
    b'{"y":[1.5,null]}'
    """
    return _encode(value).encode()


def to_logged(data: Any) -> bytes:
    """Write an event's data down; a number that is not finite is missing, as null is.

    Examples
    --------
    >>> to_logged({"x": [1.0, float("nan")]})
    b'{"x":[1.0,null]}'
    """
    try:
        return to_json(data)
    except ValueError:
        return to_json(_finite(data))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def from_json(data: bytes) -> Any:
    """Read JSON that `to_json` wrote."""
    return json.loads(data)
