"""JSON schemas of what is sent and answered, made from what a model says of itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from cellstate.runtime.stream import AbstractStream, Field
from cellstate.serve.http.messages import ENTITY, ID_LENGTH

quote = json.encoder.encode_basestring
_KINDS = {"number": "number", "integer": "integer", "text": "string", "flag": "boolean"}
ENTITY_SCHEMA: dict[str, Any] = {
    "type": "string",
    "pattern": f"^{ENTITY}$",
    "description": "Name of a patient, a sensor, a listener.",
}
_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_ANY_OBJECT: dict[str, Any] = {"type": "object"}
SECONDS = {"type": "number", "description": "Seconds, since 1970 in UTC or on the sender's clock."}


def ref(name: str) -> dict[str, Any]:
    """Point to one of the named schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def one_of(*names: str) -> dict[str, Any]:
    """Point to several, of which any may be."""
    return {"anyOf": [ref(name) for name in names]}


def record(
    required: Mapping[str, Any], optional: Mapping[str, Any] | None = None, *, is_open: bool = False
) -> dict[str, Any]:
    """Describe an object with these members, and no others unless it is open."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": is_open,
    }


def nullable(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Allow null, too."""
    if isinstance(schema.get("type"), str) and "enum" not in schema:
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [dict(schema), {"type": "null"}]}


def value_of(field: Field, *, is_answer: bool = False) -> dict[str, Any]:
    """Describe the values of a field.

    Examples
    --------
    >>> value_of(Field("x", "number", "A value.", "m", size=2))["minItems"]
    2
    """
    single: dict[str, Any] = {"type": _KINDS[field.kind]}
    if field.kind == "integer":
        single |= {"minimum": -(1 << 63), "maximum": (1 << 63) - 1}
    if field.kind == "number" or is_answer:
        single["type"] = [single["type"], "null"]
    schema: dict[str, Any] = single
    if field.size is not None:
        schema = {"type": "array", "items": single}
        if field.size >= 0:
            schema |= {"minItems": field.size, "maxItems": field.size}
        if is_answer:
            schema["type"] = ["array", "null"]
    about = f"{field.about} Unit: {field.unit}." if field.unit else field.about
    if field.static:
        about += " Of the entity: only its first event may bring it."
    return {**schema, "description": about}


def data_of(fields: Iterable[Field]) -> dict[str, Any]:
    """Describe an event's data."""
    fields = list(fields)
    required = {field.name: value_of(field) for field in fields if field.required}
    optional = {field.name: value_of(field) for field in fields if not field.required}
    return record(required, optional)


def schemas_of(stream: AbstractStream, most_events: int) -> dict[str, Any]:
    """Give all named schemas for a model."""
    time = {
        "anyOf": [
            {"type": "number", "exclusiveMinimum": -9e12, "exclusiveMaximum": 9e12},
            {"type": "string", "format": "date-time"},
        ],
        "description": "When it happened: seconds, or ISO 8601 with a zone. Default: now.",
    }
    id = {
        "type": "string",
        "minLength": 1,
        "maxLength": ID_LENGTH,
        "pattern": "^[ -~]+$",
        "description": "The same id again gives the first answer again.",
    }
    flag = {"type": "boolean", "default": False}
    begin = {**flag, "description": "Make the state anew first."}
    end = {**flag, "description": "No event may follow that does not begin anew."}
    rest = {"id": id, "begin": begin, "end": end}
    needed: dict[str, Any] = {"data": ref("Data")}
    if stream.needs_time:
        needed["time"] = time
    else:
        rest["time"] = time
    label = {"anyOf": [{"type": "number"}, {"type": "string", "maxLength": ID_LENGTH}]}
    many = {"type": "array", "minItems": 1, "maxItems": most_events}
    # An answer may lack what the model cannot say yet.
    answer = record(
        {}, {field.name: value_of(field, is_answer=True) for field in stream.outputs}, is_open=True
    )
    known = {
        "entity": ENTITY_SCHEMA,
        "phase": {"type": "string", "enum": ["live", "ended"]},
        "events": {**_COUNT, "description": "Arrival number of the last event."},
        "time": SECONDS,
        "version": _COUNT,
    }
    return {
        "Data": data_of(stream.inputs),
        "Event": record(needed, rest),
        "Events": record({"events": {**many, "items": ref("Event")}}),
        "MixedEvent": record({"entity": ENTITY_SCHEMA, **needed}, {**rest, "ref": label}),
        "MixedEvents": record({"events": {**many, "items": ref("MixedEvent")}}),
        "Answer": answer,
        "Result": _result(),
        "Results": record({"results": {"type": "array", "items": ref("Result")}}),
        "Entities": record(
            {
                "entities": {"type": "array", "items": record({**known, "touched": SECONDS})},
                "next": {"type": ["integer", "null"], "description": "What to send as `after`."},
            }
        ),
        "State": record(
            {**known, "state_bytes": _COUNT, "answer": nullable(ref("Answer"))}, is_open=True
        ),
        "History": record(
            {
                "events": {"type": "array", "items": _logged()},
                "next": {"type": ["string", "null"], "description": "What to send as `after`."},
            }
        ),
        "Model": _model(),
        "Live": record({"live": {"type": "boolean"}}),
        "Ready": record({"ready": {"type": "boolean"}}, {"reason": _TEXT}),
        "Error": record({"error": record({"code": _TEXT, "message": _TEXT}, is_open=True)}),
        "ProtocolError": record({"error": _TEXT}),
    }


def _result() -> dict[str, Any]:
    statuses = ["applied", "duplicate", "quarantined", "refused", "failed"]
    return record(
        {
            "entity": ENTITY_SCHEMA,
            "status": {"type": "string", "enum": statuses},
            "code": {"type": "integer", "description": "HTTP status that says the same."},
            "id": {"type": ["string", "null"]},
        },
        {
            "seq": {**_COUNT, "description": "Arrival number."},
            "time": SECONDS,
            "version": {
                "type": ["integer", "null"],
                "description": "Of the model; null where an answer is given again.",
            },
            "late": {"type": "boolean", "description": "Later events had been answered before."},
            "answer": ref("Answer"),
            "message": {"type": "string", "description": "Why it was not applied."},
            "owner": {"type": "string", "description": "Address of the process to ask instead."},
        },
    )


def _logged() -> dict[str, Any]:
    return record(
        {
            "seq": _COUNT,
            "id": {"type": ["string", "null"]},
            "time": SECONDS,
            "status": {"type": "string", "enum": ["applied", "quarantined"]},
            "begin": {"type": "boolean"},
            "data": _ANY_OBJECT,
            "answer": nullable(_ANY_OBJECT),
            "revised": nullable(_ANY_OBJECT),
        }
    )


def _model() -> dict[str, Any]:
    field = record(
        {
            "name": _TEXT,
            "kind": {"type": "string", "enum": [*_KINDS]},
            "about": _TEXT,
            "unit": _TEXT,
            "size": {"type": ["integer", "null"]},
            "required": {"type": "boolean"},
            "static": {"type": "boolean"},
        }
    )
    return record(
        {
            "model": _TEXT,
            "task": _TEXT,
            "fingerprint": _TEXT,
            "needs_time": {"type": "boolean"},
            "state_bytes": _COUNT,
            "inputs": {"type": "array", "items": field},
            "outputs": {"type": "array", "items": field},
        }
    )
