"""The client: answers, errors, and what is sent again."""

from __future__ import annotations

import http.server
import json
import math
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from cellstate.errors import BusyError, EventError, InputError, ServerError
from cellstate.serve.client import Client
from cellstate.serve.http.settings import HttpSettings
from cellstate.serve.keys import add_key
from cellstate.serve.testclient import TestClient
from tests.serve.live import Live, serving
from tests.serve.recorder import Recorder


@pytest.fixture
def client(live: Live) -> Iterator[Client]:
    with Client(live.url, patience_s=5) as made:
        yield made


def test_an_event_is_answered(client: Client) -> None:
    told = client.push("c-1", {"x": np.float64(1.5), "list": np.arange(3)}, time=10)
    assert told["answer"] == {"sum": 1.5, "count": 1, "list": [0, 1, 2]}
    moment = datetime(2024, 5, 1, 12, tzinfo=UTC)
    assert client.push("c-1", {"x": 1}, time=moment, end=True)["time"] == moment.timestamp()
    assert client.push("c-1", {"x": 1}, begin=True)["answer"]["count"] == 1


def test_an_id_of_its_own_is_given_to_every_event(client: Client) -> None:
    first, second = (client.push("c-2", {"x": 1}) for _ in range(2))
    assert len({first["id"], second["id"], None}) == 3
    assert client.push("c-2", {"x": 9}, id=first["id"])["answer"] == first["answer"]


def test_many_events_are_sent_in_their_order(client: Client) -> None:
    events = [{"entity": f"c-3-{n % 3}", "data": {"x": 1}} for n in range(1000)]
    results = client.push_many(iter(events), at_once=64)
    assert [one["entity"] for one in results] == [one["entity"] for one in events]
    assert [one["answer"]["count"] for one in results] == [n // 3 + 1 for n in range(1000)]


def test_an_event_that_is_refused_is_an_error_alone_and_a_result_among_many(client: Client) -> None:
    with pytest.raises(EventError, match="in range"):
        client.push("c-4", {"x": 1e9})
    client.push("c-4", {"x": 1}, end=True)
    with pytest.raises(EventError, match="ended"):
        client.push("c-4", {"x": 1})
    good, bad = client.push_many(
        [{"entity": "c-5", "data": {"x": 1}}, {"entity": "c-5", "data": {"x": 1e9}}]
    )
    assert (good["code"], bad["code"], bad["status"]) == (200, 422, "quarantined")


def test_what_is_remembered_can_be_read(client: Client) -> None:
    client.push_many({"entity": "c-6", "data": {"x": 1}, "time": t} for t in range(2500))
    state = client.state("c-6")
    assert state is not None
    assert state["answer"]["count"] == 2500
    assert client.state("c-nobody") is None
    assert [one["time"] for one in client.history("c-6")] == list(range(2500))
    assert [one["time"] for one in client.history("c-6", newest_first=True, limit=2)] == [
        2499,
        2498,
    ]
    assert list(client.history("c-nobody")) == []
    assert "c-6" in [one["entity"] for one in client.entities()]
    assert client.model()["inputs"][0]["name"] == "x"
    assert client.is_ready()


def test_forgetting_says_whether_there_was_something(client: Client) -> None:
    client.push("c-7", {"x": 1})
    assert client.forget("c-7")
    assert not client.forget("c-7")


def test_a_stream_gives_results_as_they_are_made(client: Client) -> None:
    stream = client.stream("c-8")
    told = [client.push("c-8", {"x": x}) for x in (1, 2)]
    assert [next(stream)["answer"] for _ in told] == [one["answer"] for one in told]
    stream.close()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: c.push("a", {"x": math.nan}), "Send None where a number is missing"),
        (lambda c: c.push("a", {"x": object()}), "must be finite numbers"),
        (lambda c: c.push("a", {"x": 1}, time=datetime(2024, 5, 1)), "must have a zone"),
        (lambda c: c.push("a", {"x": 1}, time="yesterday"), "ISO 8601"),
        (lambda c: c.push("a b", {"x": 1}), "entity's name must be"),
        (lambda c: c.push_many([{"data": {}}]), "must have an entity"),
        (lambda c: c.push_many([{"entity": "a"}]), "data must be an object"),
        (lambda c: Client("localhost:8000"), "must be a URL"),
        (lambda c: Client("ftp://localhost"), "must be a URL"),
    ],
)
def test_bad_calls_are_explained(
    client: Client, call: Callable[[Client], Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        call(client)


def test_a_body_that_is_too_large_is_explained_at_once() -> None:
    refused = pytest.raises(InputError, match="the body may have 100000 bytes")
    with serving(http=HttpSettings(max_body=100_000)) as live, Client(live.url) as client, refused:
        client.push("a", {"x": 1, "note": "a" * 700_000})


def test_no_server_is_explained() -> None:
    with Client("http://127.0.0.1:9", patience_s=0.2) as client:
        assert not client.is_ready()
        with pytest.raises(ServerError, match=r"must be a server at .*:9; got Connection refused"):
            client.push("a", {"x": 1})
        with pytest.raises(ServerError, match="Connection refused"):
            client.stream("a")


def test_a_key_is_sent(tmp_path: Any) -> None:
    path = tmp_path / "keys.json"
    token = add_key(path, "clinic", "read")
    with serving(http=HttpSettings(keys=path)) as live:
        with Client(live.url, token) as client:
            assert client.model()["task"] == "network"
            with pytest.raises(InputError, match="role must be write"):
                client.push("a", {"x": 1})
        with Client(live.url) as client:
            with pytest.raises(InputError, match="a key must be sent"):
                client.model()
            with pytest.raises(InputError, match="a key must be sent"):
                client.stream("a")


class Script:
    """A server that answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.answers: list[tuple[int, dict[str, str], Any] | None] = []
        script = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                body = json.loads(self.rfile.read(length))
                script.asked.append((self.path, self.headers.get("authorization", ""), body))
                answer = script.answers.pop(0)
                if answer is None:  # read, and gone before the answer
                    self.close_connection = True
                    return
                status, headers, document = answer
                data = json.dumps(document(body) if callable(document) else document).encode()
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None: ...

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def script() -> Iterator[Script]:
    made = Script()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def other() -> Iterator[Script]:
    made = Script()
    yield made
    made.server.shutdown()
    made.server.server_close()


BUSY = {"error": {"code": "busy", "message": "serve: too much; got more. Wait."}}
DONE = {"status": "applied", "code": 200, "answer": {}}


def results(*codes: int, **more: Any) -> Callable[[Any], Any]:
    return lambda body: {
        "results": [
            {"code": code, "id": event["id"], **(more if code == 421 else {})}
            for code, event in zip(codes, body["events"], strict=True)
        ]
    }


def test_a_lost_answer_is_asked_for_again_with_the_same_id(script: Script) -> None:
    script.answers = [None, (200, {}, DONE)]
    with Client(script.url, patience_s=5) as client:
        assert client.push("a", {"x": 1}) == DONE
    (_, _, first), (_, _, second) = script.asked
    assert first == second
    assert first["id"]


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_is_busy_is_asked_again_when_it_said(script: Script, status: int) -> None:
    script.answers = [(status, {"retry-after": "0"}, BUSY)] * 2 + [(200, {}, DONE)]
    with Client(script.url, patience_s=5) as client:
        assert client.push("a", {"x": 1}) == DONE
    assert len({body["id"] for _, _, body in script.asked}) == 1


def test_patience_has_an_end(script: Script) -> None:
    script.answers = [(429, {"retry-after": "60"}, BUSY), (503, {"retry-after": "60"}, BUSY)]
    with Client(script.url, patience_s=1) as client:
        with pytest.raises(BusyError, match="too much") as problem:
            client.push("a", {"x": 1})
        assert problem.value.retry_after_s == 60
        with pytest.raises(ServerError, match="too much"):
            client.push("a", {"x": 1})


def test_only_what_is_not_settled_is_sent_again(script: Script) -> None:
    script.answers = [(200, {}, results(200, 503, 422, 429)), (200, {}, results(200, 200))]
    events = [{"entity": "a", "data": {"x": n}, "id": f"i-{n}"} for n in range(4)]
    with Client(script.url, patience_s=5) as client:
        told = client.push_many(events)
    assert [(one["code"], one["id"]) for one in told] == [
        (200, "i-0"),
        (200, "i-1"),
        (422, "i-2"),
        (200, "i-3"),
    ]
    assert [one["id"] for one in script.asked[1][2]["events"]] == ["i-1", "i-3"]


@pytest.mark.parametrize("status", [307, 421])
def test_an_entity_is_followed_to_its_process(script: Script, other: Script, status: int) -> None:
    error = {"error": {"code": "elsewhere", "message": "…", "owner": other.url}}
    place = {"location": f"{other.url}/v1/entities/a/events"} if status == 307 else {}
    script.answers = [(status, place, error)]
    other.answers = [(200, {}, DONE)] * 2
    with Client(script.url, "key", patience_s=5) as client:
        assert client.push("a", {"x": 1}) == DONE
        assert client.push("a", {"x": 1}) == DONE  # straight there
    assert len(script.asked) == 1
    assert [(path, key) for path, key, _ in other.asked] == [
        ("/v1/entities/a/events", "Bearer key")
    ] * 2
    assert other.asked[0][2] == script.asked[0][2]


def test_events_of_a_bulk_are_followed_to_their_processes(script: Script, other: Script) -> None:
    script.answers = [(200, {}, results(200, 421, owner=other.url)), (200, {}, results(200))]
    other.answers = [(200, {}, results(200)), (200, {}, results(200))]
    events = [{"entity": name, "data": {}, "id": name} for name in "ab"]
    with Client(script.url, patience_s=5) as client:
        assert [one["code"] for one in client.push_many(events)] == [200, 200]
        client.push_many(events)
    assert [one["entity"] for one in other.asked[1][2]["events"]] == ["b"]


def test_a_process_that_is_gone_is_left_for_the_first(script: Script, other: Script) -> None:
    error = {"error": {"code": "elsewhere", "message": "…", "owner": other.url}}
    script.answers = [(421, {}, error), (200, {}, DONE)]
    other.answers = [None]
    with Client(script.url, patience_s=5) as client:
        assert client.push("a", {"x": 1}) == DONE
    assert [len(script.asked), len(other.asked)] == [2, 1]


def test_a_circle_of_processes_has_an_end(script: Script) -> None:
    error = {"error": {"code": "elsewhere", "message": "elsewhere", "owner": script.url}}
    script.answers = [(421, {}, error)] * 1000
    with (
        Client(script.url, patience_s=0.5) as client,
        pytest.raises(ServerError, match="elsewhere"),
    ):
        client.push("a", {"x": 1})
    assert len(script.asked) < 100


def test_a_whole_server_runs_in_a_test() -> None:
    with TestClient(Recorder()) as client:
        assert client.push("a", {"x": 1})["answer"]["sum"] == 1
        url = client.url
    with Client(url, patience_s=0.1) as client:
        assert not client.is_ready()
