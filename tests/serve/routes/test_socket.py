"""Events in and answers out over one WebSocket."""

from __future__ import annotations

import gc
import json
import time
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from cellstate.serve.http.settings import HttpSettings
from cellstate.serve.settings import Settings
from tests.serve.live import Live, serving


def opened(live: Live, path: str = "/v1/stream") -> Any:
    return connect(f"ws://127.0.0.1:{live.port}{path}", proxy=None, max_size=None)


def ask(stream: Any, document: Any) -> Any:
    stream.send(document if isinstance(document, str | bytes) else json.dumps(document))
    return json.loads(stream.recv(5))


def test_an_event_is_answered_with_its_ref(live: Live) -> None:
    with opened(live) as stream:
        told = ask(stream, {"entity": "s-1", "data": {"x": 2}, "ref": "r:1", "id": "a"})
        assert (told["ref"], told["status"], told["answer"]) == (
            "r:1",
            "applied",
            {"sum": 2, "count": 1},
        )
        assert ask(stream, {"entity": "s-1", "data": {"x": 2}, "id": "a"})["status"] == "duplicate"


def test_many_events_may_be_under_way(live: Live) -> None:
    with opened(live) as stream:
        for number in range(500):
            stream.send(json.dumps({"entity": "s-2", "data": {"x": 1}, "ref": number}))
        told = [json.loads(stream.recv(10)) for _ in range(500)]
    assert [one["ref"] for one in told] == list(range(500))
    assert [one["answer"]["count"] for one in told] == list(range(1, 501))


def test_a_list_of_events_has_a_list_of_results(live: Live) -> None:
    events = [{"entity": f"s-3-{n}", "data": {"x": n}, "ref": n} for n in range(5)]
    with opened(live) as stream:
        results = ask(stream, {"events": events})["results"]
    assert [(one["ref"], one["answer"]["sum"]) for one in results] == [(n, n) for n in range(5)]


def test_bytes_are_read_as_text(live: Live) -> None:
    with opened(live) as stream:
        assert ask(stream, b'{"entity":"s-4","data":{"x":1}}')["status"] == "applied"


def test_subscribers_hear_of_others_events(live: Live) -> None:
    with opened(live) as stream, opened(live) as other:
        assert ask(stream, {"subscribe": "s-5"}) == {"subscribed": "s-5"}
        assert ask(other, {"subscribe": "*"}) == {"subscribed": "*"}
        live.push("s-5", x=1)
        live.push("s-6", x=1)
        heard = json.loads(stream.recv(5))
        assert (heard["live"], heard["entity"], heard["answer"]["count"]) == (True, "s-5", 1)
        assert {json.loads(other.recv(5))["entity"] for _ in range(2)} == {"s-5", "s-6"}
        assert ask(stream, {"unsubscribe": "s-5"}) == {"unsubscribed": "s-5"}
        live.push("s-5", x=1)
        with pytest.raises(TimeoutError):
            stream.recv(0.1)


def refs_until_the_end(stream: Any, refs: list[Any] | None = None) -> None:
    """Read on until the server closes the socket, which is an error."""
    refs = [] if refs is None else refs
    while True:
        refs.append(json.loads(stream.recv(5)).get("ref"))


BAD: dict[str, tuple[str, Any]] = {
    "no JSON": ("malformed", "x"),
    "not UTF-8": ("malformed", b"\xff\xfe"),
    "nothing": ("malformed", ""),
    "a list": ("malformed", []),
    "an empty object": ("malformed", {}),
    "no entity": ("malformed", {"data": {"x": 1}}),
    "a bad entity": ("malformed", {"entity": "a/b", "data": {"x": 1}}),
    "a key twice": ("malformed", '{"entity":"a","data":{"x":1,"x":2}}'),
    "NaN": ("malformed", '{"entity":"a","data":{"x":NaN}}'),
    "beyond float64": ("malformed", '{"entity":"a","data":{"x":1e400}}'),
    "deep": ("malformed", '{"entity":"a","data":' + "[" * 50_000),
    "events and more": ("malformed", {"events": [], "ref": 1}),
    "no events": ("malformed", {"events": []}),
    "events that are none": ("malformed", {"events": 1}),
    "subscribe and more": ("malformed", {"subscribe": "a", "data": {}}),
    "subscribe twice": ("malformed", '{"subscribe":"a","subscribe":"b"}'),
    "subscribe to a list": ("malformed", {"subscribe": ["a"]}),
    "subscribe to nothing": ("malformed", {"subscribe": None}),
    "subscribe to a bad name": ("malformed", {"unsubscribe": "a b"}),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_message_is_refused_and_the_socket_lives(live: Live, name: str) -> None:
    code, message = BAD[name]
    with opened(live) as stream:
        assert ask(stream, message)["error"]["code"] == code
        assert ask(stream, {"entity": "s-7", "data": {"x": 1}})["status"] == "applied"


def test_an_error_has_the_message_s_ref(live: Live) -> None:
    with opened(live) as stream:
        assert ask(stream, {"entity": "s-8", "data": 1, "ref": 7})["error"]["ref"] == 7
        told = ask(stream, {"entity": "s-8", "data": {"x": 1e9}, "ref": 8})
        assert (told["status"], told["code"], told["ref"]) == ("refused", 422, 8)


def test_a_message_has_a_bound() -> None:
    with serving(http=HttpSettings(max_body=1000)) as live, opened(live) as stream:
        stream.send("x" * 2000)
        with pytest.raises(ConnectionClosed, match="1009"):
            stream.recv(5)


def test_messages_have_a_rate() -> None:
    with serving(http=HttpSettings(rate=5)) as live, opened(live) as stream:
        told = [ask(stream, {"entity": "a", "data": {"x": 1}}) for _ in range(15)]
        assert told[-1]["error"]["code"] == "busy"
        assert told[-1]["error"]["retry_after"] > 0
        assert told[0]["status"] == "applied"


def test_a_socket_that_does_nothing_is_closed() -> None:
    http = HttpSettings(socket_idle_s=0.2)
    with serving(http=http) as live, opened(live) as idle, opened(live) as listening:
        ask(listening, {"subscribe": "a"})
        with pytest.raises(ConnectionClosed, match="1001"):
            idle.recv(5)
        live.push("a", x=1)
        assert json.loads(listening.recv(5))["live"]


def test_subscriptions_of_a_socket_have_a_bound(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cellstate.serve.routes.socket.MOST_SUBSCRIPTIONS", 2)
    with opened(live) as stream:
        told = [ask(stream, {"subscribe": name}) for name in "abac"]
        assert told[2] == {"subscribed": "a"}
        assert told[3]["error"]["code"] == "busy"


def test_a_reader_that_is_too_slow_is_left(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cellstate.serve.routes.socket.MOST_WAITING", 10)
    with opened(live) as stream:
        ask(stream, {"subscribe": "*"})
        events = [{"data": {"x": 1}}] * 2000
        live.call("POST", "/v1/entities/flood/events", {"events": events})
        with pytest.raises(ConnectionClosed, match="1008"):
            refs_until_the_end(stream)


def test_a_socket_with_much_under_way_is_not_read_from(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cellstate.serve.routes.socket.MOST_PENDING", 3)
    with opened(live) as stream:
        for number in range(50):
            stream.send(json.dumps({"entity": "s-9", "data": {"x": 1}, "ref": number}))
        assert [json.loads(stream.recv(5))["ref"] for _ in range(50)] == list(range(50))


def test_what_is_under_way_is_answered_before_the_end() -> None:
    with serving(settings=Settings(max_batch=1)) as live:
        stream = opened(live).__enter__()
        for number in range(100):
            stream.send(json.dumps({"entity": "a", "data": {"x": 1}, "ref": number}))
        json.loads(stream.recv(5))
    refs = [0]
    with pytest.raises(ConnectionClosed, match="1012"):
        refs_until_the_end(stream, refs)
    assert refs == list(range(len(refs)))
    stream.__exit__(None, None, None)


def test_nothing_is_left_of_a_socket_that_was_closed(live: Live) -> None:
    with opened(live) as stream:
        ask(stream, {"subscribe": "*"})
    deadline = time.monotonic() + 5
    while live.service.sockets and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not live.service.sockets
    assert live.service.seats.taken == 0
    assert not live.service.engine.listeners._hearing


def test_a_closed_socket_leaves_no_cycle_behind(live: Live) -> None:
    gc.collect()
    gc.disable()
    try:
        before = parsers_alive()
        for _ in range(5):
            with opened(live) as stream:
                ask(stream, {"entity": "s-15", "data": {"x": 1}})
        deadline = time.monotonic() + 5
        while parsers_alive() > before and time.monotonic() < deadline:
            time.sleep(0.01)
        assert parsers_alive() <= before
    finally:
        gc.enable()


def parsers_alive() -> int:
    return sum(type(one).__name__ == "HttpRequestParser" for one in gc.get_objects())


@pytest.mark.parametrize("path", ["/", "/v1/streams", "/v1/events"])
def test_there_are_no_sockets_elsewhere(live: Live, path: str) -> None:
    with pytest.raises(InvalidStatus) as problem, opened(live, path):
        pass
    assert problem.value.response.status_code in (403, 404)
