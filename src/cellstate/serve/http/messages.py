"""Events as they are sent, and results as they are answered."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cellstate.serve.events import Incoming, Outcome
from cellstate.serve.http.problem import CODES, Problem, malformed
from cellstate.serve.http.reading import INTEGERS, check_keys, read_quickly

ENTITY = r"[A-Za-z0-9._\-:@]{1,200}"
ID_LENGTH = 200
_is_entity = re.compile(ENTITY).fullmatch
_KEYS = frozenset(("id", "time", "data", "begin", "end"))
_MIXED_KEYS = _KEYS | {"entity", "ref"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FLOATS = frozenset((float,))  # they need no check
_FURTHEST_S = 9_000_000_000_000  # int64 microseconds reach a little further
_quote = json.encoder.encode_basestring


def check_entity(name: Any) -> str:
    """Hold an entity's name to the alphabet that is safe in addresses, files and logs."""
    if name.__class__ is str and _is_entity(name):
        return name
    must = "an entity's name must be 1 to 200 letters, digits or . _ - : @"
    raise malformed(must, "another", "Rename it")


def microseconds(time: Any) -> int:
    """Read a time: ISO 8601 with its zone, or a number of seconds.

    Examples
    --------
    >>> microseconds("1970-01-01T00:00:01.5Z"), microseconds(1.5), microseconds(-3)
    (1500000, 1500000, -3000000)
    """
    kind = time.__class__
    if kind is float or kind is int:
        if -_FURTHEST_S < time < _FURTHEST_S:
            whole = int(time)  # apart, for a product would be rounded once more
            return whole * 1_000_000 + round((time - whole) * 1e6)
    elif kind is str and len(time) <= 40:
        try:
            moment = datetime.fromisoformat(time)
        except ValueError:
            moment = None
        if moment is not None and moment.tzinfo is not None:
            return (moment - _EPOCH) // _MICROSECOND
    must = "time must be ISO 8601 with a zone, or seconds"
    raise malformed(must, "neither", "Write 2024-05-01T12:00:00Z, say")


def read_many(
    body: bytes, most: int, entity: str | None = None
) -> tuple[list[Incoming], list[Any], bool]:
    """Read a request of events.

    Parameters
    ----------
    body : bytes
        One event, or ``{"events": [...]}``.
    most : int
        Events that one request may bring.
    entity : str, optional
        Whose events they are; without, each event must name its own.

    Returns
    -------
    events : list of Incoming
    refs : list
        What the sender called each of them, None where it did not.
    is_list : bool
        Whether they came as a list.
    """
    document = read_quickly(body)
    if document.__class__ is not dict:
        raise malformed("the body must be an object", "another value", "Send an event, or events")
    items = document.get("events")
    if items is None:
        events, refs, colons = take([document], entity)
        check_keys(body, colons)
        return events, refs, False
    if items.__class__ is not list or len(document) != 1:
        raise malformed('the body must be {"events": [...]} and nothing else', "more", "Remove it")
    check_count(len(items), most)
    events, refs, colons = take(items, entity)
    check_keys(body, colons + 1)
    return events, refs, True


def read_lines(body: bytes, most: int) -> list[Incoming]:
    """Read events of many entities, one in each line."""
    lines = [line for line in body.split(b"\n") if line.strip()]
    check_count(len(lines), most)
    joined = b"[" + b",".join(lines) + b"]"
    try:
        items = read_quickly(joined)
        if len(items) != len(lines):
            raise malformed("each line must hold one event", "other lines", "Write one a line")
    except Problem:
        _find_line(lines)
        raise
    events, _, colons = take(items, None)
    check_keys(joined, colons)
    return events


def _find_line(lines: Sequence[bytes]) -> None:
    """Tell which line cannot be read."""
    for number, line in enumerate(lines, start=1):
        try:
            read_quickly(line)
        except Problem as problem:
            raise Problem(400, f"{problem} It is line {number}.") from None


def check_count(count: int, most: int) -> None:
    """Hold a request to the number of events that one may bring."""
    if not 1 <= count <= most:
        must, given = f"a request must bring 1 to {most} events", f"{count}"
        raise malformed(must, given, "Send them in several requests")


def take(items: Sequence[Any], entity: str | None) -> tuple[list[Incoming], list[Any], int]:
    """Check the form of events; `entity` says whose they are, or each of them does.

    Returns
    -------
    events : list of Incoming
    refs : list
    colons : int
        Keys that were read, and colons in their strings; see `check_keys`.
    """
    allowed = _MIXED_KEYS if entity is None else _KEYS
    events: list[Incoming] = []
    refs: list[Any] = []
    colons = 0
    for place, item in enumerate(items):
        try:
            if item.__class__ is not dict or not item.keys() <= allowed:
                must = f"an event must be an object of {', '.join(sorted(allowed))}"
                raise malformed(must, "something else", "See /openapi.json")
            data = item.get("data")
            if data.__class__ is not dict:
                raise malformed("data must be an object", "another value", "See /v1/model")
            colons += len(item) + len(data) + _check_data(data)
            event = Incoming(entity or "", data)
            if entity is None:
                event.entity = name = check_entity(item.get("entity"))
                colons += name.count(":")
                ref = item.get("ref")
                refs.append(ref)
                if ref is not None:
                    colons += _check_ref(ref)
            if len(item) > 1:
                colons += _rest(event, item)
            events.append(event)
        except Problem as problem:
            if len(items) == 1:
                raise
            raise Problem(400, f"{problem} It is event {place + 1} of {len(items)}.") from None
    return events, refs, colons


def _rest(event: Incoming, item: dict[str, Any]) -> int:
    """Take over what an event need not have; returns the colons in its strings."""
    colons = 0
    id = item.get("id")
    if id is not None:
        if id.__class__ is not str or not 0 < len(id) <= ID_LENGTH or not id.isprintable():
            must = f"an event's id must be 1 to {ID_LENGTH} printable characters"
            raise malformed(must, "another", "Send a UUID, say")
        event.id = id
        colons = id.count(":")
    time = item.get("time")
    if time is not None:
        event.time = microseconds(time)
        if time.__class__ is str:
            colons += time.count(":")
    begins, ends = item.get("begin", False), item.get("end", False)
    if begins.__class__ is not bool or ends.__class__ is not bool:
        raise malformed("begin and end must be true or false", "another value", "Send a boolean")
    event.begins, event.ends = begins, ends
    return colons


def _check_data(data: dict[str, Any]) -> int:
    """Hold values to what a model can be given: single ones or flat lists; counts their colons."""
    colons = 0
    for name, value in data.items():
        kind = value.__class__
        if kind is list:
            if not _FLOATS.issuperset(map(type, value)):
                for one in value:
                    colons += _check_single(one)
        elif kind is not float and value is not None:
            colons += _check_single(value)
        if ":" in name:
            colons += name.count(":")
    return colons


def _check_single(value: Any) -> int:
    kind = value.__class__
    if kind is str:
        return value.count(":")
    if kind is int and not -INTEGERS <= value < INTEGERS:
        must, given = "integers must have 64 bits", "a larger one"
        raise malformed(must, given, "Send it as a number with a point")
    if kind is list or kind is dict:
        must, given = "values must be single ones or lists of them", "a deeper one"
        raise malformed(must, given, "See /v1/model")
    return 0


def _check_ref(ref: Any) -> int:
    if ref.__class__ is str and len(ref) <= ID_LENGTH:
        return ref.count(":")
    if ref.__class__ is float or (ref.__class__ is int and -INTEGERS <= ref < INTEGERS):
        return 0
    must = f"ref must be a number or at most {ID_LENGTH} characters"
    raise malformed(must, "another value", "Number your events, say")


def write_result(event: Incoming, outcome: Outcome, more: str = "") -> bytes:
    """Write what became of an event; the answer's bytes are those that were committed.

    Parameters
    ----------
    event : Incoming
    outcome : Outcome
    more : str
        Further members, each ending in a comma.

    Examples
    --------
    >>> write_result(Incoming("a", {}), Outcome("applied", 1, 1_500_000, 1, answer=b'{"y":2}'))
    b'{"entity":"a","status":"applied","code":200,"id":null,"seq":1,"time":1.5,"version":1,"late":false,"answer":{"y":2}}'
    """
    id = "null" if event.id is None else _quote(event.id)
    head = f'{{{more}"entity":"{event.entity}","status":"{outcome.status}","code":{outcome.code}'
    if outcome.answer:
        late = "true" if outcome.late else "false"
        rest = (
            f',"id":{id},"seq":{outcome.seq},"time":{outcome.time / 1e6!r}'
            f',"version":{outcome.version or "null"},"late":{late},"answer":'
        )
        return (head + rest).encode() + outcome.answer + b"}"
    return f'{head},"id":{id},"message":{_quote(outcome.reason)}}}'.encode()


def write_ref(ref: Any) -> str:
    """Write the member by which a sender knows its event again."""
    return "" if ref is None else f'"ref":{json.dumps(ref, ensure_ascii=False)},'


def problem_of(outcome: Outcome) -> Problem:
    """Make an error of an outcome that is none of success."""
    code = {422: outcome.status, 503: "outcome_unknown"}.get(
        outcome.code, CODES.get(outcome.code, "refused")
    )
    headers = [(b"retry-after", b"1")] if outcome.code in (429, 503) else []
    return Problem(outcome.code, outcome.reason, code, headers)
