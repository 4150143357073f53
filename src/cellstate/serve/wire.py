"""JSON as the log and the answers hold it."""

from __future__ import annotations

import json
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


def from_json(data: bytes) -> Any:
    """Read JSON that `to_json` wrote."""
    return json.loads(data)
