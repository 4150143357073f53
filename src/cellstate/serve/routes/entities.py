"""What is remembered of entities, and how it is forgotten."""

from __future__ import annotations

import json
from typing import Any

from cellstate.errors import explain
from cellstate.serve.http import schemas
from cellstate.serve.http.call import JSON, Call, Reply
from cellstate.serve.http.problem import Problem, malformed, not_found, unavailable
from cellstate.serve.http.route import Route
from cellstate.serve.http.service import Service
from cellstate.serve.stores.store import Entity, Logged, Position

MOST = 1000  # entities or events in one answer
_LIMIT = {"type": "integer", "minimum": 1, "maximum": MOST, "default": 100}
_BIGGEST = (1 << 63) - 1


async def names(service: Service, call: Call) -> Reply:
    """List entities."""
    query = call.query("after", "limit")
    after, limit = _number(query, "after", 0, _BIGGEST, 0), _number(query, "limit", 1, MOST, 100)
    found = await service.read(service.engine.names, call.caller.tenant, after, limit)
    entities = [_shown(one) for one in found]
    next_key = found[-1].key if len(found) == limit else None
    return _json({"entities": entities, "next": next_key})


async def state(service: Service, call: Call) -> Reply:
    """Tell what is known of an entity."""
    call.query()
    name = call.params["entity"]
    facts = await service.read(service.engine.describe, call.caller.tenant, name)
    if facts is None:
        raise not_found()
    return _json({**facts, "time": facts["time"] / 1e6})


async def history(service: Service, call: Call) -> Reply:
    """List an entity's events with their answers."""
    query = call.query("after", "limit", "order")
    order = query.get("order", "oldest")
    if order not in ("oldest", "newest"):
        raise malformed("order must be oldest or newest", "another", "See /openapi.json")
    limit = _number(query, "limit", 1, MOST, 100)
    logged = await service.read(
        service.engine.history,
        call.caller.tenant,
        call.params["entity"],
        after=_position(query.get("after")),
        limit=limit,
        newest_first=order == "newest",
    )
    if logged is None:
        raise not_found()
    last = logged[-1] if len(logged) == limit else None
    cursor = "null" if last is None else f'"{last.time}.{last.seq}"'
    body = b'{"events":[%b],"next":%b}' % (b",".join(map(_written, logged)), cursor.encode())
    return Reply(body)


async def forget(service: Service, call: Call) -> Reply:
    """Forget an entity wholly."""
    call.query()
    name = call.params["entity"]
    if not service.engine.ownership.has(call.caller.tenant, name):
        answer = await service.read(service.elsewhere, call, name)
        if isinstance(answer, Problem):
            raise answer
        return answer
    done = await service.forget(call.caller.tenant, name)
    if done is None:
        must, given = "the store must be writable", "one that is not"
        message = explain("serve", must, given, "Send it again in a moment")
        raise unavailable(message, "outcome_unknown")
    if not done:
        raise not_found()
    return Reply(status=204)


def _shown(entity: Entity) -> dict[str, Any]:
    return {
        "entity": entity.name,
        "phase": entity.phase,
        "events": entity.seq,
        "time": entity.time / 1e6,
        "version": entity.version,
        "touched": entity.touched / 1e6,
    }


def _written(event: Logged) -> bytes:
    """Write an event of the log; data and answers are the bytes that the log has."""
    id = "null" if event.id is None else schemas.quote(event.id)
    begins = "true" if event.begins else "false"
    head = (
        f'{{"seq":{event.seq},"id":{id},"time":{event.time / 1e6!r},"status":"{event.status}"'
        f',"begin":{begins},"data":'
    )
    return b'%b%b,"answer":%b,"revised":%b}' % (
        head.encode(),
        event.data,
        event.answer or b"null",
        event.revised or b"null",
    )


def _position(text: str | None) -> Position | None:
    if text is None:
        return None
    time, _, seq = text.partition(".")
    digits = time.removeprefix("-")
    if all(part.isascii() and part.isdigit() and len(part) < 19 for part in (digits, seq)):
        return Position(int(time), int(seq))
    raise malformed(
        "after must be what next was in an answer before", "another", "Start without it"
    )


def _number(query: dict[str, str], name: str, least: int, most: int, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most:
        return int(text)
    must = f"{name} must be an integer from {least} to {most}"
    raise malformed(must, "another value", "See /openapi.json")


def _json(document: Any) -> Reply:
    return Reply(json.dumps(document, separators=(",", ":"), allow_nan=False).encode())


_JSON = JSON.decode()
ROUTES = (
    Route(
        "GET",
        "/v1/entities",
        names,
        "read",
        "List the tenant's entities",
        query={
            "after": {"type": "integer", "minimum": 0, "maximum": _BIGGEST},
            "limit": _LIMIT,
        },
        answers={200: {_JSON: schemas.ref("Entities")}},
        problems=(503,),
        action="list",
    ),
    Route(
        "GET",
        "/v1/entities/{entity}/state",
        state,
        "read",
        "What is known of an entity",
        answers={200: {_JSON: schemas.ref("State")}},
        problems=(404, 503),
        action="state",
    ),
    Route(
        "GET",
        "/v1/entities/{entity}/history",
        history,
        "read",
        "An entity's events with their answers",
        about="`answer` is what was answered first, `revised` what would be since a late event.",
        query={
            "after": {"type": "string", "pattern": r"^-?[0-9]{1,18}\.[0-9]{1,18}$"},
            "limit": _LIMIT,
            "order": {"type": "string", "enum": ["oldest", "newest"], "default": "oldest"},
        },
        answers={200: {_JSON: schemas.ref("History")}},
        problems=(404, 503),
        action="history",
    ),
    Route(
        "DELETE",
        "/v1/entities/{entity}",
        forget,
        "write",
        "Forget an entity",
        about="State, log, ids and kept states: afterwards nothing of it is left.",
        answers={204: {}, 307: {_JSON: schemas.ref("Error")}},
        problems=(404, 421, 503),
        action="forget",
    ),
)
