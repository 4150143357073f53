"""Events in, answers out: every status, one at a time and in bulk."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cellstate.serve.http.settings import HttpSettings
from cellstate.serve.settings import Settings
from tests.serve.live import JSON, Live, Told, serving

FORM = "application/x-www-form-urlencoded"
NDJSON = {"content-type": "application/x-ndjson"}


def test_an_event_is_answered(live: Live) -> None:
    told = live.push("one", x=1.5, id="first", time="2024-05-01T12:00:00Z")
    assert told.status == 200
    assert told.json == {
        "entity": "one",
        "status": "applied",
        "code": 200,
        "id": "first",
        "seq": 1,
        "time": 1714564800.0,
        "version": 1,
        "late": False,
        "answer": {"sum": 1.5, "count": 1},
    }


def test_the_same_id_again_gives_the_first_answer(live: Live) -> None:
    first, again = (live.push("twice", x=x, id="a").json for x in (1, 2))
    assert (again["status"], again["answer"], again["seq"]) == ("duplicate", first["answer"], 1)
    assert live.push("twice", x=1).json["answer"] == {"sum": 2, "count": 2}


def test_a_late_event_is_said_to_be_late(live: Live) -> None:
    live.push("late", x=1, time=100)
    told = live.push("late", x=2, time=50).json
    assert (told["late"], told["answer"]["count"], told["time"]) == (True, 1, 50.0)


def test_several_events_are_answered_in_their_order(live: Live) -> None:
    events = [{"data": {"x": x}} for x in (1, 2, 3, 2e6)]
    told = live.call("POST", "/v1/entities/several/events", {"events": events})
    results = told.json["results"]
    assert [one.get("answer", {}).get("sum") for one in results] == [1, 3, 6, None]
    assert [one["code"] for one in results] == [200, 200, 200, 422]
    assert results[3]["status"] == "quarantined"


def test_an_entity_ends_and_begins_anew(live: Live) -> None:
    assert live.push("ending", x=1, end=True).status == 200
    told = live.push("ending", x=1)
    assert (told.status, told.code) == (409, "conflict")
    assert live.push("ending", x=5, begin=True).json["answer"] == {"sum": 5, "count": 1}


def test_an_event_that_comes_too_late_is_refused() -> None:
    with serving(settings=Settings(max_replay=3, snapshot_every=2)) as live:
        for time in range(100, 120):
            live.push("a", x=1, time=time)
        told = live.push("a", x=1, time=1)
        assert (told.status, told.code) == (409, "conflict")


def test_a_poisoned_event_never_touches_the_state(live: Live) -> None:
    live.push("poison", x=1)
    told = live.push("poison", x=1e9)
    assert (told.status, told.code) == (422, "quarantined")
    assert "1000000000" not in told.body.decode()
    assert live.push("poison", x=1).json["answer"] == {"sum": 2, "count": 2}


def test_a_first_event_that_is_poisoned_makes_no_entity(live: Live) -> None:
    assert (live.push("unborn", x=1e9).status, live.push("unborn", x=1e9).code) == (422, "refused")
    assert live.call("GET", "/v1/entities/unborn/state").status == 404


def test_mixed_events_have_results_of_their_own(live: Live) -> None:
    events = [
        {"entity": "m-1", "data": {"x": 1}},
        {"entity": "m-2", "data": {"x": 2e6}, "id": "p"},
        {"entity": "m-1", "data": {"x": 2}, "id": "q"},
    ]
    told = live.call("POST", "/v1/events", {"events": events})
    results = told.json["results"]
    assert told.status == 200
    assert [(one["entity"], one["status"]) for one in results] == [
        ("m-1", "applied"),
        ("m-2", "refused"),
        ("m-1", "applied"),
    ]
    assert [one["id"] for one in results] == [None, "p", "q"]
    assert results[2]["answer"] == {"sum": 3, "count": 2}


def test_one_mixed_event_has_a_list_of_one_result(live: Live) -> None:
    told = live.call("POST", "/v1/events", {"entity": "m-3", "data": {"x": 1}})
    assert [one["status"] for one in told.json["results"]] == ["applied"]


def test_lines_in_give_lines_out(live: Live) -> None:
    body = b'{"entity":"l-1","data":{"x":1}}\n{"entity":"l-2","data":{"x":2}}\n'
    told = live.call("POST", "/v1/events", body=body, headers=NDJSON)
    assert told.headers["content-type"] == "application/x-ndjson"
    results = [json.loads(line) for line in told.body.splitlines()]
    assert [one["answer"]["sum"] for one in results] == [1, 2]


def test_values_of_every_kind_come_back(live: Live) -> None:
    data = {"x": None, "pair": [1.5, None], "list": [1, 2], "note": "ä: \u2603", "on": True}
    told = live.push("kinds", data=data).json
    assert told["answer"] == {"sum": None, "count": 1, **{k: data[k] for k in data if k != "x"}}


def test_many_connections_at_once_lose_and_mix_up_nothing(live: Live) -> None:
    def send(number: int) -> list[Told]:
        return [live.push(f"crowd-{number}", x=x) for x in range(10)]

    with ThreadPoolExecutor(16) as pool:
        for told in pool.map(send, range(16)):
            assert [one.json["answer"]["sum"] for one in told] == [
                0,
                1,
                3,
                6,
                10,
                15,
                21,
                28,
                36,
                45,
            ]


BAD: dict[str, tuple[int, dict[str, Any]]] = {
    "no type": (415, {"body": b'{"data":{}}', "headers": {"content-type": ""}}),
    "a form": (415, {"body": b"x=1", "headers": {"content-type": FORM}}),
    "text": (415, {"body": b'{"data":{}}', "headers": {"content-type": "text/plain"}}),
    "lines for one entity": (415, {"body": b'{"data":{}}', "headers": NDJSON}),
    "compressed": (415, {"body": b'{"data":{}}', "headers": {"content-encoding": "gzip"}}),
    "no JSON": (400, {"body": b"x"}),
    "a key twice": (400, {"body": b'{"data":{"x":1,"x":2}}'}),
    "NaN": (400, {"body": b'{"data":{"x":NaN}}'}),
    "beyond float64": (400, {"body": b'{"data":{"x":1e400}}'}),
    "deep": (400, {"body": b'{"data":{"x":' + b"[" * 900 + b"]" * 900 + b"}}"}),
    "very deep": (400, {"body": b'{"data":{"x":' + b"[" * 90_000}),
    "no data": (400, {"body": b"{}"}),
    "unknown names": (422, {"body": b'{"data":{"x":1,"y":2}}'}),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_requests_are_refused_and_change_nothing(live: Live, name: str) -> None:
    status, rest = BAD[name]
    told = live.call("POST", "/v1/entities/bad/events", **rest)
    assert told.status == status
    assert told.json["error"]["message"].count(". ") >= 1
    assert live.call("GET", "/v1/entities/bad/state").status == 404


@pytest.mark.parametrize("name", ["a%20b", "a%2Fb", "%00", "%C3%A4", "a" * 201, "%0a", "..%2f"])
def test_other_names_of_entities_are_refused(live: Live, name: str) -> None:
    told = live.push(name, x=1)
    assert told.status in (400, 404)


def test_bodies_have_a_bound_however_they_are_sent() -> None:
    with serving(http=HttpSettings(max_body=1000)) as live:
        body = b'{"data":{"x":1,"note":"' + b"a" * 1000 + b'"}}'
        told = live.call("POST", "/v1/entities/a/events", body=body)
        assert (told.status, told.code, told.headers["connection"]) == (413, "too_large", "close")
        head = b"POST /v1/entities/a/events HTTP/1.1\r\nhost: localhost\r\n"
        head += b"content-type: application/json\r\n"
        chunked = head + b"transfer-encoding: chunked\r\n\r\n" + b"1f4\r\n" + b" " * 500 + b"\r\n"
        chunked += (b"1f4\r\n" + b" " * 500 + b"\r\n") * 3 + b"0\r\n\r\n"
        assert live.raw(chunked).startswith(b"HTTP/1.1 413")
        long = b" " * 5000  # whose sender hears of it all the same
        assert live.call("POST", "/v1/entities/a/events", body=long).status == 413
        announced = head + b"content-length: 99999999999\r\n\r\n"
        assert live.raw(announced).startswith(b"HTTP/1.1 413")


def test_a_request_has_a_bound_of_events() -> None:
    with serving(http=HttpSettings(max_events=3)) as live:
        events = [{"data": {"x": 1}}] * 4
        told = live.call("POST", "/v1/entities/a/events", {"events": events})
        assert told.status == 400
        assert "1 to 3 events" in told.json["error"]["message"]


def test_a_full_queue_is_told_with_the_time_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(settings=Settings(max_queue=5)) as live:
        go = threading.Event()
        live.service.engine.forget("", "nobody", lambda _: go.wait(10) and None)
        with ThreadPoolExecutor(12) as pool:
            sent = [pool.submit(live.push, f"e-{number}", x=1) for number in range(12)]
            while not any(one.done() for one in sent):
                pass
            go.set()
            told = [one.result() for one in sent]
        assert {one.status for one in told} == {200, 429}
        refused = next(one for one in told if one.status == 429)
        assert refused.code == "busy"
        assert int(refused.headers["retry-after"]) >= 1


def test_entities_of_a_tenant_have_a_bound() -> None:
    with serving(settings=Settings(entities_per_tenant=2)) as live:
        assert [live.push(name, x=1).status for name in "abc"] == [200, 200, 403]
        assert live.push("a", x=1).status == 200


def test_json_with_a_charset_is_json(live: Live) -> None:
    headers = {**JSON, "content-type": "Application/JSON; charset=utf-8"}
    body = b'{"data":{"x":1}}'
    assert live.call("POST", "/v1/entities/set/events", body=body, headers=headers).status == 200
