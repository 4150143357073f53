"""The way of every call: from the server's socket to what answers it, and back."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import secrets
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

from cellstate.errors import explain
from cellstate.serve.http.call import (
    SAFE_HEADERS,
    Call,
    GoneError,
    Receive,
    Reply,
    Scope,
    Send,
    StreamReply,
)
from cellstate.serve.http.messages import check_entity
from cellstate.serve.http.problem import Problem
from cellstate.serve.http.route import Route
from cellstate.serve.http.service import Service
from cellstate.serve.keys import ROLES

_log = logging.getLogger("cellstate.serve")
_CLOSING_S = 1.0
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
SocketHandler = Callable[[Call, Receive, Send], Awaitable[None]]


class Endpoint:
    """What answers at a route.

    Parameters
    ----------
    service : Service
    route : Route
    """

    __slots__ = ("_handle", "_rank", "_service", "route")

    def __init__(self, service: Service, route: Route) -> None:
        self._service = service
        self.route = route
        self._rank = ROLES.index(route.role) if route.role else -1
        self._handle = route.handle

    async def answer(self, call: Call, send: Send) -> None:
        """Answer a call whose path was taken apart already."""
        began = time.perf_counter()
        service, route = self._service, self.route
        try:
            if self._rank >= 0:
                service.admit(call, self._rank)
            if "entity" in call.params:
                check_entity(call.params["entity"])
            reply = await self._handle(service, call)
        except Problem as problem:
            reply = reply_of(problem, route.is_protocol)
        except GoneError:
            return
        except Exception as problem:  # noqa: BLE001 - logged by its number
            reply = reply_of(accident(problem, route), route.is_protocol)
        if route.action:
            try:
                service.note(call, route.action, reply.status)
            except Problem as problem:
                if isinstance(reply, StreamReply):
                    reply.end()
                reply = reply_of(problem, route.is_protocol)
        service.meter.count(route.path, reply.status, time.perf_counter() - began)
        await reply.send(send, call.scope["scheme"] == "https")


class Gate:
    """The outermost of the server's layers, as ASGI.

    Looks at where a call comes from before anything else does, finds what answers it, and turns
    what goes wrong into an answer.

    Parameters
    ----------
    service : Service
    endpoints : iterable of Endpoint
    socket_path : str
    socket : callable
        What serves a WebSocket there: ``(call, receive, send)``.
    others : callable
        ASGI application for everything else.
    """

    def __init__(
        self,
        service: Service,
        endpoints: Iterable[Endpoint],
        socket_path: str,
        socket: SocketHandler,
        others: Application,
    ) -> None:
        self._service, self._others = service, others
        self._socket_path, self._socket = socket_path, socket
        self._fixed: dict[str, dict[str, Endpoint]] = {}
        self._named: dict[str, dict[str, Endpoint]] = {}
        for one in endpoints:
            table = self._named if "{" in one.route.path else self._fixed
            table.setdefault(one.route.path, {})[one.route.method] = one
        self._push = self._named["/v1/entities/{entity}/events"]
        self._patterns = [
            (re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path)).fullmatch, methods)
            for path, methods in self._named.items()
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call, a WebSocket, or the server's beginning and end."""
        kind = scope["type"]
        if kind == "http":
            await self._answer(scope, receive, send)
        elif kind == "websocket":
            await self._open_socket(scope, receive, send)
        else:
            await self._others(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = Call(scope, receive)
        try:
            self._service.doorkeeper.check_source(call)
            methods, call.params = self._find(scope["path"])
            if methods is None:
                await self._others(scope, receive, _safely(send))
                return
            endpoint = methods.get(scope["method"])
            if endpoint is None:
                raise _wrong_method(methods)
            await endpoint.answer(call, send)
        except Problem as problem:
            self._service.meter.count("", problem.status, 0.0)
            reply = reply_of(problem, scope["path"].startswith("/v2"))
            await reply.send(send, scope["scheme"] == "https")

    def _find(self, path: str) -> tuple[Mapping[str, Endpoint] | None, dict[str, str]]:
        """Find what answers at a path, by method, and what its names stand for."""
        if path.startswith("/v1/entities/") and path.endswith("/events"):
            name = path[13:-7]
            if name and "/" not in name:  # the most frequent of all
                return self._push, {"entity": name}
        if path in self._fixed:
            return self._fixed[path], {}
        for match, methods in self._patterns:
            if found := match(path):
                return methods, found.groupdict()
        return None, {}

    async def _open_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            call = Call(scope, receive)
            self._service.doorkeeper.check_source(call)
            if scope["path"] == self._socket_path:
                await self._socket(call, receive, send)
            else:
                await self._others(scope, receive, send)
        except Problem as problem:
            await refuse_socket(problem, scope, receive, send)


def _safely(send: Send) -> Send:
    """Give answers that are not the gate's the headers that all have."""

    async def safely(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            given = list(message.get("headers", []))
            names = {name.lower() for name, _ in given}
            given += [header for header in SAFE_HEADERS if header[0] not in names]
            message = {**message, "headers": given}
        await send(message)

    return safely


def unknown_address() -> Problem:
    """Say that nothing answers there."""
    must, given = "the address must be known", "another"
    return Problem(404, explain("request", must, given, "See /openapi.json"))


def _wrong_method(methods: Iterable[str]) -> Problem:
    allowed = ", ".join(sorted(methods))
    message = explain("request", f"the method must be {allowed}", "another", "See /openapi.json")
    return Problem(405, message, headers=[(b"allow", allowed.encode())])


def reply_of(problem: Problem, is_protocol: bool) -> Reply:
    """Write an error in the form of the protocol that was spoken."""
    body = json.dumps({"error": str(problem)}).encode() if is_protocol else problem.body()
    return Reply(body, problem.status, headers=list(problem.headers))


def accident(problem: Exception, route: Route | None) -> Problem:
    """Log where something broke, without what it was about; give the caller its number."""
    id = secrets.token_hex(6)
    frames = traceback.extract_tb(problem.__traceback__)
    where = " < ".join(f"{one.name}:{one.lineno}" for one in reversed(frames))
    place = f"{route.method} {route.path}" if route is not None else "an address"
    _log.error("error %s at %s: %s in %s", id, place, type(problem).__name__, where)
    must, given = "a call must be answered", f"an accident, number {id}"
    return Problem(500, explain("serve", must, given, "Report it with the server's log"))


async def refuse_socket(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a WebSocket's first request with an error, where the server can."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = [(b"content-type", b"application/json"), *problem.headers]
    start = {"type": "websocket.http.response.start", "status": problem.status, "headers": headers}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": problem.body()})
    # Leaving before the connection is closed counts as an accident to uvicorn, which tells of the
    # refusal and of the close each by a message.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_CLOSING_S):
            for _ in range(2):
                while (await receive())["type"] != "websocket.disconnect":
                    pass
