"""What the model takes and gives."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from cellstate.runtime.stream import AbstractStream, Field
from cellstate.serve.http import schemas
from cellstate.serve.http.call import JSON, Call, Reply
from cellstate.serve.http.route import Route
from cellstate.serve.http.service import Service


async def describe(service: Service, call: Call) -> Reply:
    """Describe the model in force."""
    call.query()
    return Reply(json.dumps(facts_of(service.stream, service.settings.model)).encode())


def facts_of(stream: AbstractStream, name: str) -> dict[str, Any]:
    """Give what callers may want to know of a model, JSON-ready."""
    return {
        "model": name,
        "task": stream.task,
        "fingerprint": stream.fingerprint,
        "needs_time": stream.needs_time,
        "state_bytes": stream.state_dtype.itemsize,
        "inputs": [_shown(one) for one in stream.inputs],
        "outputs": [_shown(one) for one in stream.outputs],
    }


def _shown(field: Field) -> dict[str, Any]:
    return dataclasses.asdict(field)


ROUTES = (
    Route(
        "GET",
        "/v1/model",
        describe,
        "read",
        "What the model takes and gives",
        answers={200: {JSON.decode(): schemas.ref("Model")}},
    ),
)
