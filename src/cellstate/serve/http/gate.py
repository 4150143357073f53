"""The way of every call: from the server's socket to what answers it, and back."""

from __future__ import annotations

import json
import logging
import secrets
import time
import traceback
from collections.abc import Iterable
from typing import Any

from cellstate.errors import explain
from cellstate.serve.http.call import Call, GoneError, Receive, Reply, Scope, Send, StreamReply
from cellstate.serve.http.messages import check_entity
from cellstate.serve.http.problem import Problem
from cellstate.serve.http.route import Route
from cellstate.serve.http.service import Service
from cellstate.serve.keys import ROLES

_log = logging.getLogger("cellstate.serve")
CALL = "cellstate.call"  # where the scope holds it


class Endpoint:
    """What answers at a route, as ASGI.

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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call: Call = scope[CALL]
        if "path_params" in scope:
            call.params = scope["path_params"]
        await self.answer(call, send)

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
        except Exception as problem:  # noqa: BLE001: the caller gets an id, the log what it stands for
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
    """The outermost of the server's layers.

    Looks at where a call comes from before anything else does, sends those that come by the
    thousand straight to what answers them, and turns what goes wrong into an answer.

    Parameters
    ----------
    service : Service
    router : ASGI application
        Finds all others.
    endpoints : iterable of Endpoint
    """

    def __init__(self, service: Service, router: Any, endpoints: Iterable[Endpoint]) -> None:
        self._service = service
        self._router = router
        by_place = {(one.route.method, one.route.path): one for one in endpoints}
        self._methods: dict[str, list[str]] = {}
        for method, path in by_place:
            self._methods.setdefault(path, []).append(method)
        self._push = by_place["POST", "/v1/entities/{entity}/events"]
        self._fixed = {path: one for (method, path), one in by_place.items() if method == "POST"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            await self._answer(scope, receive, send)
        elif kind == "websocket":
            await self._open_socket(scope, receive, send)
        else:
            await self._router(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = Call(scope, receive)
        try:
            self._service.doorkeeper.check_source(call)
            path: str = scope["path"]
            if scope["method"] == "POST":
                if path.startswith("/v1/entities/") and path.endswith("/events"):
                    name = path[13:-7]
                    if name and "/" not in name:
                        call.params = {"entity": name}
                        await self._push.answer(call, send)
                        return
                elif path in self._fixed:
                    await self._fixed[path].answer(call, send)
                    return
            scope[CALL] = call
            await self._router(scope, receive, send)
        except Problem as problem:
            await self._refuse(problem, call, send)
        except GoneError:
            return
        except Exception as problem:  # noqa: BLE001: the router's own, 404 and 405 among them
            await self._refuse(self._translate(problem, scope), call, send)

    async def _refuse(self, problem: Problem, call: Call, send: Send) -> None:
        self._service.meter.count("", problem.status, 0.0)
        reply = reply_of(problem, call.scope["path"].startswith("/v2"))
        await reply.send(send, call.scope["scheme"] == "https")

    async def _open_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = scope[CALL] = Call(scope, receive)
        try:
            self._service.doorkeeper.check_source(call)
            await self._router(scope, receive, send)
        except Problem as problem:
            await refuse_socket(problem, scope, send)
        except Exception as problem:  # noqa: BLE001: see above
            await refuse_socket(self._translate(problem, scope), scope, send)

    def _translate(self, problem: Exception, scope: Scope) -> Problem:
        status = getattr(problem, "status_code", 0)
        if status == 404:
            must, given = "the address must be known", "another"
            return Problem(404, explain("request", must, given, "See /openapi.json"))
        if status == 405:
            allowed = ", ".join(sorted(self._allowed(scope["path"])))
            message = explain(
                "request", f"the method must be {allowed}", "another", "See /openapi.json"
            )
            return Problem(405, message, headers=[(b"allow", allowed.encode())])
        return accident(problem, None)

    def _allowed(self, path: str) -> set[str]:
        from starlette.routing import Match

        found: set[str] = set()
        for route in self._router.routes:
            probe = {"type": "http", "path": path, "method": "", "headers": [], "root_path": ""}
            if route.matches(probe)[0] is not Match.NONE:
                found |= set(route.methods or ())
        return found


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


async def refuse_socket(problem: Problem, scope: Scope, send: Send) -> None:
    """Answer a WebSocket's first request with an error, where the server can."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = [(b"content-type", b"application/json"), *problem.headers]
    start = {"type": "websocket.http.response.start", "status": problem.status, "headers": headers}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": problem.body()})
