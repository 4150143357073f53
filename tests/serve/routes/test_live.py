"""Answers while they are made: server-sent events."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.serve.live import Live, serving


@contextmanager
def listening(live: Live, entity: str) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=10)
    connection.request("GET", f"/v1/entities/{entity}/live")
    response = connection.getresponse()
    assert response.getheader("content-type") == "text/event-stream"
    assert response.readline() == b": listening\n"
    assert response.readline() == b"\n"
    try:
        yield response
    finally:
        response.close()
        connection.close()


def next_event(response: http.client.HTTPResponse) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    while (line := response.readline().rstrip(b"\n")) or not found:
        name, _, value = line.partition(b": ")
        if name:
            found[name] = value
    return found


def test_answers_come_as_they_are_made(live: Live) -> None:
    with listening(live, "heard") as response:
        sent = [live.push("heard", x=x).json for x in (1, 2)]
        live.push("unheard", x=1)
        live.push("heard", x=1e9)  # quarantined: no answer
        sent.append(live.push("heard", x=3).json)
        heard = [next_event(response) for _ in sent]
    assert [json.loads(one[b"data"]) for one in heard] == sent
    assert [int(one[b"id"]) for one in heard] == [one["seq"] for one in sent]


def test_a_reader_who_has_gone_is_noticed(live: Live) -> None:
    with listening(live, "left"):
        assert live.service.seats.taken == 1
    deadline = time.monotonic() + 5
    while live.service.sockets and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not live.service.sockets
    assert live.service.seats.taken == 0
    assert not live.service.engine.listeners._hearing


def test_a_quiet_reader_hears_a_beat(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cellstate.serve.routes.live.BEAT_S", 0.05)
    with listening(live, "quiet") as response:
        assert response.readline() == b":\n"


def test_a_reader_that_is_too_slow_is_told_and_left(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cellstate.serve.routes.live.MOST_WAITING", 3)
    with listening(live, "slow") as response:
        events = [{"data": {"x": 1}}] * 2000
        live.call("POST", "/v1/entities/slow/events", {"events": events})
        text = response.read()
    assert b"event: lagging" in text


def test_the_end_of_the_server_is_the_end_of_the_stream() -> None:
    with serving() as live:
        response = listening(live, "end")
        reader = response.__enter__()
        live.push("end", x=1)
    assert reader.read().count(b"data:") == 1
    response.__exit__(None, None, None)
