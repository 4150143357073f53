"""What a supervisor asks: alive, ready, and how much there is to do."""

from __future__ import annotations

import json
from typing import Any

from cellstate.extras import require
from cellstate.serve.http import schemas
from cellstate.serve.http.call import JSON, Call, Reply
from cellstate.serve.http.meter import EngineMeter
from cellstate.serve.http.route import Route
from cellstate.serve.http.service import Service

_TEXT = b"text/plain; version=0.0.4; charset=utf-8"
_JSON = JSON.decode()


async def live(service: Service, call: Call) -> Reply:
    """Say that the process answers."""
    call.query()
    return Reply(b'{"live":true}')


async def ready(service: Service, call: Call) -> Reply:
    """Say whether events are being taken."""
    call.query()
    why = "the server is stopping" if service.is_draining else service.engine.why_not_ready
    if why:
        return Reply(json.dumps({"ready": False, "reason": why}).encode(), 503)
    return Reply(b'{"ready":true}')


async def metrics(service: Service, call: Call) -> Reply:
    """Give the counters for Prometheus."""
    call.query()
    return Reply(await service.read(_collect, service), type=_TEXT)


def _collect(service: Service) -> bytes:
    client: Any = require("prometheus_client", extra="serve")
    registry = client.CollectorRegistry(auto_describe=False)
    engine = EngineMeter(service.engine)

    class Collector:
        def collect(self) -> Any:
            yield from service.meter.families()
            yield from engine.families()
            core: Any = require("prometheus_client.core", extra="serve")
            about = "WebSockets and live streams."
            yield core.GaugeMetricFamily("cellstate_sockets", about, value=service.seats.taken)

    registry.register(Collector())
    return client.generate_latest(registry)


ROUTES = (
    Route(
        "GET",
        "/livez",
        live,
        "",
        "Whether the process answers",
        answers={200: {_JSON: schemas.ref("Live")}},
    ),
    Route(
        "GET",
        "/readyz",
        ready,
        "",
        "Whether events are being taken",
        answers={200: {_JSON: schemas.ref("Ready")}, 503: {_JSON: schemas.ref("Ready")}},
    ),
    Route(
        "GET",
        "/metrics",
        metrics,
        "read",
        "Counters for Prometheus",
        answers={200: {"text/plain": {"type": "string"}}},
        problems=(503,),
    ),
)
