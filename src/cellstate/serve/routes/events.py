"""Events in, answers out."""

from __future__ import annotations

from cellstate.serve.http import schemas
from cellstate.serve.http.call import JSON, NDJSON, Call, Reply
from cellstate.serve.http.messages import problem_of, read_lines, read_many, write_result
from cellstate.serve.http.problem import Problem
from cellstate.serve.http.route import Route
from cellstate.serve.http.service import Service

GOOD = ("applied", "duplicate")


async def push(service: Service, call: Call) -> Reply:
    """Take in one event of an entity, or several."""
    call.media_type(JSON)
    settings = service.settings
    name = call.params["entity"]
    events, _, is_list = read_many(await call.body(settings.max_body), settings.max_events, name)
    service.count_events(call, len(events))
    outcomes = await service.submit(call.caller.tenant, events)
    if outcomes[0].code == 421:
        answer = await service.read(service.elsewhere, call, name)
        if isinstance(answer, Problem):
            raise answer
        return answer
    if not is_list:
        outcome = outcomes[0]
        if outcome.status not in GOOD:
            raise problem_of(outcome)
        return Reply(write_result(events[0], outcome))
    return Reply(b'{"results":[%b]}' % b",".join(map(write_result, events, outcomes)))


async def push_mixed(service: Service, call: Call) -> Reply:
    """Take in events of many entities."""
    kind = call.media_type(JSON, NDJSON)
    settings = service.settings
    body = await call.body(settings.max_body)
    if kind == NDJSON:
        events = read_lines(body, settings.max_events)
        is_list = True
    else:
        events, _, is_list = read_many(body, settings.max_events)
    service.count_events(call, len(events))
    outcomes = await service.submit(call.caller.tenant, events)
    owners: dict[str, str] = {}
    if service.engine.ownership.is_partial:
        away = {e.entity for e, o in zip(events, outcomes, strict=True) if o.code == 421}
        for name in away:
            owners[name] = await service.read(service.engine.owner, call.caller.tenant, name) or ""
    results = [
        write_result(event, outcome, _owner(owners, event.entity) if outcome.code == 421 else "")
        for event, outcome in zip(events, outcomes, strict=True)
    ]
    if kind == NDJSON:
        return Reply(b"\n".join([*results, b""]), type=NDJSON)
    if not is_list:
        results = results[:1]
    return Reply(b'{"results":[%b]}' % b",".join(results))


def _owner(owners: dict[str, str], name: str) -> str:
    owner = owners.get(name, "")
    return f'"owner":{schemas.quote(owner)},' if owner else ""


ROUTES = (
    Route(
        "POST",
        "/v1/entities/{entity}/events",
        push,
        "write",
        "Send an event, or several, of one entity",
        about=(
            "The answer comes when the entity's new state, the answer, the event's id and the "
            "event itself are on disk. The same id again gives the first answer again."
        ),
        body={JSON.decode(): schemas.one_of("Event", "Events")},
        answers={
            200: {JSON.decode(): schemas.one_of("Result", "Results")},
            307: {JSON.decode(): schemas.ref("Error")},
        },
        problems=(403, 409, 421, 422, 503),
        action="push",
    ),
    Route(
        "POST",
        "/v1/events",
        push_mixed,
        "write",
        "Send events of many entities",
        about="Each event has an outcome of its own, told by its `status` and its `code`.",
        body={
            JSON.decode(): schemas.one_of("MixedEvents", "MixedEvent"),
            NDJSON.decode(): {"type": "string", "description": "A MixedEvent in each line."},
        },
        answers={
            200: {
                JSON.decode(): schemas.ref("Results"),
                NDJSON.decode(): {"type": "string", "description": "A Result in each line."},
            }
        },
        problems=(503,),
        action="push",
    ),
)
