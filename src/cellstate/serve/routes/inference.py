"""The Open Inference Protocol, version 2, with its extensions for sequences and for binary data.

An entity is a sequence: `sequence_id` names it, `sequence_start` makes its state anew, and
`sequence_end` ends it. Each of an event's fields is a tensor. `time` is one more, or a parameter;
so is `event_id`, which gives the first answer again where an event is sent again. The protocol's
own `id` only comes back with the answer.
"""

from __future__ import annotations

import json
from typing import Any

from cellstate.errors import explain
from cellstate.runtime.stream import Field
from cellstate.serve.events import Incoming
from cellstate.serve.http import schemas, tensors
from cellstate.serve.http.call import BINARY, JSON, Call, Reply
from cellstate.serve.http.messages import check_entity, problem_of, take
from cellstate.serve.http.problem import Problem, malformed
from cellstate.serve.http.reading import read
from cellstate.serve.http.route import Route
from cellstate.serve.http.service import Service
from cellstate.serve.routes.events import GOOD

_JSON = JSON.decode()
_PLATFORM = "cellstate"
_EXTENSIONS = ["sequence", "binary_tensor_data"]
_TIME = Field("time", "number", "Seconds, or ISO 8601 with a zone.")
_HEADER_LENGTH = b"inference-header-content-length"


async def server(service: Service, call: Call) -> Reply:
    """Describe the server."""
    from cellstate import __version__

    call.query()
    return _json({"name": "cellstate", "version": __version__, "extensions": _EXTENSIONS})


async def live(service: Service, call: Call) -> Reply:
    """Say that the process answers."""
    call.query()
    return _json({"live": True})


async def ready(service: Service, call: Call) -> Reply:
    """Say whether events are being taken."""
    call.query()
    is_ready = service.engine.is_ready and not service.is_draining
    return Reply(json.dumps({"ready": is_ready}).encode(), 200 if is_ready else 503)


async def model(service: Service, call: Call) -> Reply:
    """Describe the model's tensors."""
    call.query()
    _check_model(service, call)
    stream = service.stream
    return _json(
        {
            "name": service.settings.model,
            "platform": _PLATFORM,
            "inputs": [tensors.describe(field) for field in stream.inputs],
            "outputs": [tensors.describe(field) for field in stream.outputs],
        }
    )


async def model_ready(service: Service, call: Call) -> Reply:
    """Say whether the model takes events."""
    call.query()
    _check_model(service, call)
    is_ready = service.engine.is_ready and not service.is_draining
    document = {"name": service.settings.model, "ready": is_ready}
    return Reply(json.dumps(document).encode(), 200 if is_ready else 503)


async def infer(service: Service, call: Call) -> Reply:
    """Take in one event of a sequence."""
    call.media_type(JSON, BINARY, b"")  # some clients name no type
    _check_model(service, call)
    body = await call.body(service.settings.max_body)
    head, binary = _split(body, call.header_length)
    document = read(head)
    if document.__class__ is not dict or document.get("inputs").__class__ is not list:
        raise malformed("the body must be an object with inputs", "another", "See /openapi.json")
    parameters = document.get("parameters", {})
    if parameters.__class__ is not dict:
        raise malformed("parameters must be an object", "another value", "See /openapi.json")
    wanted = _wanted(service, document, parameters)
    event = _event(service, document["inputs"], parameters, binary)
    service.count_events(call, 1)
    call.params = {**call.params, "entity": event.entity}
    (outcome,) = await service.submit(call.caller.tenant, [event])
    if outcome.status not in GOOD:
        raise problem_of(outcome)
    written = [
        tensor
        for field, value in _values(service, json.loads(outcome.answer), wanted)
        if (tensor := tensors.write(field, value, is_binary=wanted[field.name])) is not None
    ]
    facts = {"sequence_id": parameters["sequence_id"], "status": outcome.status}
    answer = {
        "model_name": service.settings.model,
        "model_version": str(outcome.version or ""),
        **({"id": document["id"]} if isinstance(document.get("id"), str) else {}),
        "parameters": {**facts, "seq": outcome.seq, "late": outcome.late},
        "outputs": [tensor for tensor, _ in written],
    }
    return _reply(answer, b"".join(data for _, data in written))


def _reply(answer: dict[str, Any], binary: bytes) -> Reply:
    head = json.dumps(answer, separators=(",", ":"), allow_nan=False).encode()
    if not binary:
        return Reply(head)
    length = str(len(head)).encode()
    return Reply(head + binary, type=BINARY, headers=[(_HEADER_LENGTH, length)])


def _split(body: bytes, header_length: bytes) -> tuple[bytes, bytes]:
    if not header_length:
        return body, b""
    if header_length.isdigit() and len(header_length) < 12 and int(header_length) <= len(body):
        return body[: int(header_length)], body[int(header_length) :]
    must = "Inference-Header-Content-Length must be the length of the JSON"
    raise malformed(must, "another value", "Check it")


def _check_model(service: Service, call: Call) -> None:
    if call.params.get("model") != service.settings.model:
        must, given = "the model must be known", "another name"
        message = explain("request", must, given, "See /v1/model")
        raise Problem(404, message)


def _event(
    service: Service, inputs: list[Any], parameters: dict[str, Any], binary: bytes
) -> Incoming:
    """Make an event of a request's tensors and parameters."""
    fields = {field.name: field for field in service.stream.inputs}
    has_time = "time" in fields
    data: dict[str, Any] = {}
    time = parameters.get("time")
    reader = tensors.TensorReader(binary)
    for tensor in inputs:
        name = tensor.get("name") if isinstance(tensor, dict) else None
        if not isinstance(name, str) or name in data:
            raise malformed(
                "each input must have a name of its own", "another", "Name it", "tensor"
            )
        if name == _TIME.name and not has_time:
            kind = "text" if tensor.get("datatype") == "BYTES" else "number"
            time = reader.read(tensor, kind, None)
            continue
        field = fields.get(name)
        if field is None:
            must, do = "inputs must be those of the model", "See the model's metadata"
            raise malformed(must, "another", do, "tensor")
        data[name] = reader.read(tensor, field.kind, field.size)
    reader.end()
    item = {
        "entity": _sequence(parameters.get("sequence_id")),
        "data": data,
        "begin": parameters.get("sequence_start", False),
        "end": parameters.get("sequence_end", False),
    }
    more = {"time": time, "id": parameters.get("event_id")}
    item |= {name: value for name, value in more.items() if value is not None}
    events, _, _ = take([item], None)
    return events[0]


def _sequence(id: Any) -> str:
    """Name the entity of a sequence, which is called by a text or an unsigned integer."""
    if id.__class__ is int and 0 < id < 1 << 64:
        return str(id)
    if id.__class__ is str and id:
        return check_entity(id)
    must, given = "parameters must have a sequence_id that is neither 0 nor empty", "none"
    raise malformed(must, given, "Send one for each entity")


def _wanted(
    service: Service, document: dict[str, Any], parameters: dict[str, Any]
) -> dict[str, bool]:
    """Name the outputs that are asked for, and say of each whether in binary."""
    is_binary = parameters.get("binary_data_output", False)
    known = {field.name for field in service.stream.outputs}
    asked = document.get("outputs")
    if asked is None:
        return dict.fromkeys((field.name for field in service.stream.outputs), bool(is_binary))
    wanted: dict[str, bool] = {}
    for output in asked if isinstance(asked, list) else [None]:
        name = output.get("name") if isinstance(output, dict) else None
        options = output.get("parameters", {}) if isinstance(output, dict) else None
        if not isinstance(name, str) or name not in known or not isinstance(options, dict):
            must, do = "outputs must be those of the model", "See the model's metadata"
            raise malformed(must, "another", do, "tensor")
        if "classification" in options or any("shared_memory" in one for one in options):
            must, given = "outputs can be binary and nothing else", "another wish"
            raise malformed(must, given, "Leave it out", "tensor")
        wanted[name] = bool(options.get("binary_data", is_binary))
    return wanted


def _values(
    service: Service, answer: dict[str, Any], wanted: dict[str, bool]
) -> list[tuple[Field, Any]]:
    fields = {field.name: field for field in service.stream.outputs}
    return [(fields[name], answer[name]) for name in wanted if name in answer]


def _json(document: Any) -> Reply:
    return Reply(json.dumps(document, separators=(",", ":")).encode())


def _tensor_schemas() -> tuple[dict[str, Any], dict[str, Any]]:
    """Describe a request and an answer."""
    shape = {"type": "array", "items": {"type": "integer", "minimum": 0}, "maxItems": 8}
    options = {"type": "object"}
    datatype = {"type": "string", "enum": [*tensors.DTYPES, "BYTES"]}
    tensor = schemas.record(
        {"name": {"type": "string"}, "shape": shape, "datatype": datatype},
        {"parameters": options, "data": {"type": "array"}},
    )
    output = schemas.record({"name": {"type": "string"}}, {"parameters": options})
    sequence = {
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": (1 << 64) - 1},
            schemas.ENTITY_SCHEMA,
        ]
    }
    flag = {"type": "boolean", "default": False}
    parameters = schemas.record(
        {"sequence_id": sequence},
        {
            "sequence_start": flag,
            "sequence_end": flag,
            "binary_data_output": flag,
            "time": {"type": ["number", "string"]},
            "event_id": {"type": "string"},
        },
        is_open=True,
    )
    request = schemas.record(
        {"parameters": parameters, "inputs": {"type": "array", "items": tensor}},
        {"id": {"type": "string"}, "outputs": {"type": "array", "items": output}},
        is_open=True,
    )
    answer = schemas.record(
        {
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "outputs": {"type": "array", "items": tensor},
        },
        {"id": {"type": "string"}, "parameters": {"type": "object"}},
    )
    return request, answer


def routes_for(service: Service) -> list[Route]:
    """List the protocol's operations."""
    text, flag = {"type": "string"}, {"type": "boolean"}
    request, answer = _tensor_schemas()
    described = schemas.record(
        {
            "name": text,
            "datatype": text,
            "shape": {"type": "array", "items": {"type": "integer"}},
        }
    )
    many = {"type": "array", "items": described}
    metadata = schemas.record({"name": text, "platform": text, "inputs": many, "outputs": many})
    extensions = {"type": "array", "items": text}
    about_server = schemas.record({"name": text, "version": text, "extensions": extensions})
    named_ready = schemas.record({"name": text, "ready": flag})
    plain_ready = schemas.record({"ready": flag})

    def get(path: str, handle: Any, role: str, summary: str, schema: Any, *more: int) -> Route:
        answers = {status: {_JSON: schema} for status in (200, *more)}
        problems = (404,) if "{model}" in path else ()
        return Route(
            "GET", path, handle, role, summary,
            answers=answers, problems=problems, is_protocol=True,
        )  # fmt: skip

    return [
        get("/v2", server, "read", "The server, by the Open Inference Protocol", about_server),
        get("/v2/health/live", live, "", "Whether the process answers", {"type": "object"}),
        get("/v2/health/ready", ready, "", "Whether events are taken", plain_ready, 503),
        get("/v2/models/{model}", model, "read", "The model's tensors", metadata),
        get("/v2/models/{model}/ready", model_ready, "", "Whether it is ready", named_ready, 503),
        Route(
            "POST",
            "/v2/models/{model}/infer",
            infer,
            "write",
            "Send an event of a sequence as tensors",
            about=__doc__ or "",
            body={_JSON: request, BINARY.decode(): {"type": "string", "format": "binary"}},
            answers={200: {_JSON: answer, BINARY.decode(): {"type": "string", "format": "binary"}}},
            problems=(404, 409, 421, 422, 503),
            action="push",
            is_protocol=True,
        ),
    ]
