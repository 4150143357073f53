"""The server's application: all addresses, behind one gate."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from cellstate.extras import require
from cellstate.serve.engine import Engine
from cellstate.serve.http.call import Call, Reply
from cellstate.serve.http.gate import Endpoint, Gate
from cellstate.serve.http.openapi import describe
from cellstate.serve.http.route import Route
from cellstate.serve.http.service import Service
from cellstate.serve.http.settings import HttpSettings
from cellstate.serve.routes import (
    entities,
    events,
    forecast,
    health,
    inference,
    live,
    model,
    rollout,
    socket,
)

if TYPE_CHECKING:
    from fastapi import FastAPI


def build_app(engine: Engine, settings: HttpSettings | None = None) -> FastAPI:
    """Build the application that serves an engine.

    Its start starts the engine, and its end answers what waits and closes the store. It is an
    application of FastAPI, so that more addresses can be added to it; its own ones answer without
    FastAPI's work for each call, which takes longer than theirs (97 µs against 6).

    Parameters
    ----------
    engine : Engine
        Not started yet.
    settings : HttpSettings, optional

    Returns
    -------
    fastapi.FastAPI
        `app.state.service` is the `Service` behind it.

    Raises
    ------
    InputError, ArtifactError
        The keys or the audit log cannot be used.
    MissingExtraError
        FastAPI is not installed.
    """
    fastapi: Any = require("fastapi", extra="serve")
    routing: Any = require("starlette.routing", extra="serve")
    service = Service(engine, settings or HttpSettings())
    routes = routes_for(service)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncGenerator[None, None]:
        await service.open()
        yield
        await service.close()

    app = fastapi.FastAPI(
        title="cellstate",
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # It would report exceptions with their messages, which may hold what nobody shall see.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.service = service
    app.openapi = lambda: describe(service, routes)
    endpoints = [Endpoint(service, route) for route in routes]
    for endpoint in endpoints:
        route = endpoint.route
        methods = [route.method]
        app.router.routes.append(routing.Route(route.path, endpoint, methods=methods))
    stream = routing.WebSocketRoute(socket.PATH, socket.SocketEndpoint(service))
    app.router.routes.append(stream)
    # In the place of the framework's layers: errors are the gate's to answer.
    app.middleware_stack = Gate(service, app.router, endpoints)
    return app


def routes_for(service: Service) -> list[Route]:
    """List all operations of a server."""
    description: list[bytes] = []

    async def openapi(service: Service, call: Call) -> Reply:
        call.query()
        if not description:
            description.append(json.dumps(describe(service, routes)).encode())
        return Reply(description[0])

    answers: Any = {200: {"application/json": {"type": "object"}}}
    routes: list[Route] = [
        *events.ROUTES,
        *entities.ROUTES,
        *live.ROUTES,
        *model.ROUTES,
        *health.ROUTES,
        *rollout.ROUTES,
        *inference.routes_for(service),
        *forecast.routes_for(service),
        Route("GET", "/openapi.json", openapi, "read", "This description", answers=answers),
    ]
    return routes
