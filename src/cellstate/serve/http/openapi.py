"""The description of the whole interface, made from its routes and the model's fields."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from cellstate.serve.http import schemas
from cellstate.serve.http.call import JSON
from cellstate.serve.http.problem import CODES
from cellstate.serve.http.route import Route
from cellstate.serve.http.service import Service

_MEANINGS = {
    400: "The request cannot be read.",
    401: "No key was sent, or one that is not known.",
    403: "Another Host or Origin, or a key whose role does not suffice.",
    404: "There is no such entity, or it is another tenant's.",
    409: "The event came too late, or the entity has ended.",
    413: "The body is too large.",
    415: "The body is of another type, or compressed.",
    421: "The entity belongs to another process; `error.owner` is its address.",
    422: "The event was not applied: it is quarantined, or refused.",
    429: "Too much at once; come back after Retry-After seconds.",
    503: "Nothing can be taken in now; come back after Retry-After seconds.",
}
_ABOUT = """One small state of each entity, kept durably; every event is answered in constant time.

An event is answered once the entity's new state, the answer, the event's id and the event itself
are on disk. WebSocket: `/v1/stream` takes `MixedEvent` and `MixedEvents` as messages, and answers
with `Result` and `Results`, a `ref` among them if one was sent; `{"subscribe": "entity"}` has the
answers to others' events sent, too, and `"*"` those of all entities."""


def describe(service: Service, routes: Iterable[Route]) -> dict[str, Any]:
    """Write the OpenAPI description.

    Parameters
    ----------
    service : Service
    routes : iterable of Route

    Returns
    -------
    dict
        OpenAPI 3.1, JSON-ready.
    """
    from cellstate import __version__

    asks_for_keys = service.doorkeeper.keys is not None
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        operations = paths.setdefault(route.path, {})
        operations[route.method.lower()] = _operation(route, asks_for_keys)
    components: dict[str, Any] = {
        "schemas": schemas.schemas_of(service.stream, service.settings.max_events)
    }
    if asks_for_keys:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "cellstate", "version": __version__, "description": _ABOUT},
        "paths": paths,
        "components": components,
    }


def _operation(route: Route, asks_for_keys: bool) -> dict[str, Any]:
    has_key = asks_for_keys and bool(route.role)
    operation: dict[str, Any] = {
        "operationId": f"{route.handle.__module__.rpartition('.')[2]}_{route.handle.__name__}",
        "summary": route.summary,
        "parameters": [*_path(route.path), *_query(route.query)],
        "responses": _responses(route, has_key),
    }
    if route.about:
        operation["description"] = route.about
    if route.body:
        operation["requestBody"] = {"required": True, "content": _content(route.body)}
    if has_key:
        operation["security"] = [{"key": []}]
    return operation


def _path(path: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": schemas.ENTITY_SCHEMA if name == "entity" else {"type": "string"},
        }
        for name in re.findall(r"{(\w+)}", path)
    ]


def _query(query: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in query.items()
    ]


def _responses(route: Route, has_key: bool) -> dict[str, Any]:
    statuses = {400, 403, 500, *route.problems}
    if route.body:
        statuses |= {413, 415, 429}
    elif route.role:
        statuses.add(429)
    if has_key:
        statuses.add(401)
    error = schemas.ref("ProtocolError" if route.is_protocol else "Error")
    responses: dict[str, Any] = {}
    for status in sorted(statuses - set(route.answers)):
        responses[str(status)] = {
            "description": _MEANINGS.get(status, CODES[status]),
            "content": {JSON.decode(): {"schema": error}},
        }
    for status, content in route.answers.items():
        responses[str(status)] = {"description": _good(status)}
        if content:
            responses[str(status)]["content"] = _content(content)
    for status in ("429", "503"):
        if status in responses and int(status) not in route.answers:
            header = {"schema": {"type": "integer", "minimum": 1}, "description": "Seconds."}
            responses[status]["headers"] = {"Retry-After": header}
    return dict(sorted(responses.items()))


def _good(status: int) -> str:
    return {200: "Done.", 204: "Done, and nothing is left.", 307: "Ask its owner."}.get(
        status, _MEANINGS.get(status, "Done.")
    )


def _content(body: Mapping[str, Any]) -> dict[str, Any]:
    return {kind: {"schema": schema} for kind, schema in body.items()}
