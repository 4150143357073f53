"""A change of model under way, for those with an admin's key."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from cellstate.errors import ArtifactError, BusyError, InputError, explain
from cellstate.serve.http import schemas
from cellstate.serve.http.call import JSON, Call, Reply
from cellstate.serve.http.problem import Problem, busy, malformed
from cellstate.serve.http.reading import read
from cellstate.serve.http.route import Route
from cellstate.serve.http.service import Service

_JSON = JSON.decode()
_WHERE = "rollout"


async def tell(service: Service, call: Call) -> Reply:
    """Tell how far a change of model is."""
    call.query()
    return _report(await service.read(service.engine.rollout))


async def offer(service: Service, call: Call) -> Reply:
    """Load the next version, and begin to build every entity's state in it."""
    call.media_type(JSON)
    document = read(await call.body(service.settings.max_body))
    name = document.get("folder") if document.__class__ is dict and len(document) == 1 else None
    folder = _folder(service, name)
    return await _act(service, functools.partial(service.engine.offer, str(folder)))


async def cancel(service: Service, call: Call) -> Reply:
    """Stay with the present model."""
    call.query()
    return await _act(service, functools.partial(service.engine.change, "cancel"))


async def flip(service: Service, call: Call) -> Reply:
    """Give entities the answers of the next version, one after the other."""
    call.query()
    return await _act(service, functools.partial(service.engine.change, "flip"))


async def roll_back(service: Service, call: Call) -> Reply:
    """Give them the answers of the old version again."""
    call.query()
    return await _act(service, functools.partial(service.engine.change, "roll back"))


async def finish(service: Service, call: Call) -> Reply:
    """Let the old version go."""
    call.query()
    return await _act(service, functools.partial(service.engine.change, "finish"))


async def _act(service: Service, run: functools.partial[dict[str, Any]]) -> Reply:
    try:
        return _report(await service.read(run))
    except InputError as problem:  # not legal now; the message names phases alone
        raise Problem(409, str(problem)) from None
    except ArtifactError:
        must, given = "the folder must hold a model that can be loaded", "another"
        raise Problem(422, explain(_WHERE, must, given, "Look at it on the server")) from None
    except BusyError as problem:
        raise busy(str(problem), problem.retry_after_s) from None


def _folder(service: Service, name: Any) -> Path:
    """Find a folder among the server's models: a name, never a path."""
    models = service.settings.models
    if models is None:
        must, given = "the server must have a folder of models", "one without"
        do = "Start it with --models, or with --next"
        raise Problem(409, explain(_WHERE, must, given, do))
    if name.__class__ is not str or not name or name != Path(name).name or name in (".", ".."):
        must = 'the body must be {"folder": NAME}, the name of a folder among the models'
        raise malformed(must, "something else", "Send its name alone", _WHERE)
    folder = models / name
    if "\0" in name or not folder.is_dir():
        must, given = "the folder must be among the server's models", "another"
        raise Problem(422, explain(_WHERE, must, given, "Copy it there"))
    return folder


def _report(report: dict[str, Any]) -> Reply:
    """Write it without paths."""
    shown = dict(report)
    for name in ("current", "next"):
        if isinstance(shown.get(name), dict):
            shown[name] = {**shown[name], "folder": Path(shown[name]["folder"]).name}
    return Reply(json.dumps(shown).encode())


_ANSWERS = {200: {_JSON: schemas.record({"phase": {"type": "string"}}, is_open=True)}}
_BODY = {_JSON: schemas.record({"folder": {"type": "string"}})}


def _step(path: str, handle: Any, summary: str, method: str = "POST") -> Route:
    return Route(
        method,
        path,
        handle,
        "admin",
        summary,
        answers=_ANSWERS,
        problems=(409, 503),
        action=handle.__name__,
    )


ROUTES = (
    Route(
        "GET",
        "/v1/model/next",
        tell,
        "admin",
        "How far a change of model is",
        answers=_ANSWERS,
        problems=(503,),
    ),
    Route(
        "POST",
        "/v1/model/next",
        offer,
        "admin",
        "Load the next version of the model beside the present one",
        about="Every entity's state is built anew from its log, and answers are compared.",
        body=_BODY,
        answers=_ANSWERS,
        problems=(409, 422, 503),
        action="offer",
    ),
    _step("/v1/model/next", cancel, "Stay with the present model", "DELETE"),
    _step("/v1/model/next/flip", flip, "Give entities the answers of the next version"),
    _step("/v1/model/next/roll-back", roll_back, "Give them those of the old version again"),
    _step("/v1/model/next/finish", finish, "Let the old version go"),
)
