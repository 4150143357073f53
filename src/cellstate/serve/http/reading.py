"""Bodies of requests as JSON values: strictly, and as fast as the standard library can.

`artifact.strict_json` calls back into Python for each object and each number. A bulk of events is
read without: a key that occurs twice shows in the number of colons, and numbers are looked at
where events are checked. Measured on 1,000 events of four values: 4.2 ms before, 2.3 ms so.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from cellstate.artifact import strict_json
from cellstate.serve.http.problem import Problem, malformed

DEPTH = 16  # most levels of a document
INTEGERS = 1 << 63  # integers are int64
_NOT_BRACKETS = bytes(code for code in range(256) if code not in b"[]{}")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def read(body: bytes) -> Any:
    """Read any JSON document.

    Raises
    ------
    Problem
        Status 400: not UTF-8, not JSON, a key twice, a number that is not finite, an integer beyond
        int64, half of a surrogate pair, or more than 16 levels.

    Examples
    --------
    >>> read(b'{"a": [1, 2.5, null]}')
    {'a': [1, 2.5, None]}
    """
    _check_depth(body)
    try:
        document = strict_json.parse(body)
    except ValueError as problem:
        raise _unreadable(problem) from None
    _check_surrogates(body, document)
    _check_integers(document)
    return document


def read_quickly(body: bytes) -> Any:
    """Read JSON but for what the caller makes sure of: keys, finite numbers, integers, depth.

    Raises
    ------
    Problem
        Status 400: not UTF-8, not JSON, NaN or Infinity, half of a surrogate pair.
    """
    try:
        document = _quick.decode(body.decode())
    except (ValueError, RecursionError) as problem:
        raise _unreadable(problem) from None
    _check_surrogates(body, document)
    return document


def check_keys(body: bytes, colons: int) -> None:
    """Make sure that no object of a document has a key twice.

    Parameters
    ----------
    body : bytes
        The document.
    colons : int
        How many keys were read, and colons inside of strings. Where they are as many as the body
        has, no key was lost; where not, the document is read again to find out.
    """
    if body.count(b":") != colons:
        try:
            strict_json.parse(body)
        except ValueError as problem:
            raise _unreadable(problem) from None


def _not_finite(literal: str) -> NoReturn:
    raise ValueError(f"the number {literal}")


_quick = json.JSONDecoder(parse_constant=_not_finite)


def _unreadable(problem: Exception) -> Problem:
    """Say where a document broke off, and nothing of what is in it."""
    must = "the body must be UTF-8 JSON with each key once and finite numbers"
    given = "something else"
    if isinstance(problem, json.JSONDecodeError):
        given = f"something else at character {problem.pos}"
    return malformed(must, given, "Check how it was written")


def _check_depth(body: bytes) -> None:
    """Take innermost brackets away, level by level; those in strings may ask for a closer look."""
    brackets = body.translate(None, _NOT_BRACKETS)
    for _ in range(DEPTH):
        if not brackets:
            return
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
    if brackets and _deepest(body) > DEPTH:
        must, given = f"a document may have {DEPTH} levels", "more"
        raise malformed(must, given, "Send it as the API's description says")


def _deepest(body: bytes) -> int:
    level = deepest = 0
    for token in re.finditer(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', body, re.DOTALL):
        first = token[0][:1]
        if first in b"[{":
            level += 1
            deepest = max(deepest, level)
        elif first in b"]}":
            level -= 1
    return deepest


def _check_surrogates(body: bytes, document: Any) -> None:
    if not _SURROGATE.search(body):
        return
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        must, given = "text must be Unicode", "half of a surrogate pair"
        raise malformed(must, given, "Write characters as UTF-8") from None


def _check_integers(value: Any) -> None:
    kind = value.__class__
    if kind is int:
        if not -INTEGERS <= value < 2 * INTEGERS:  # ids of sequences are uint64
            raise malformed("integers must have 64 bits", "a larger one", "Send it as text")
    elif kind is dict:
        for item in value.values():
            _check_integers(item)
    elif kind is list:
        for item in value:
            _check_integers(item)
