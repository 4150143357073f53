"""Two servers on one store: each sends callers to the other for what is the other's."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest
from websockets.sync.client import connect

from cellstate.serve.client import Client
from tests.serve.dictionary_store import DictionaryStore, Disk
from tests.serve.live import Live, serving


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Live, Live]]:
    disk = Disk(shards=8)
    ports = [free_port(), free_port()]
    one, two = (
        serving(
            store=DictionaryStore(disk),
            port=port,
            share=(place, 2),
            address=f"http://127.0.0.1:{port}",
        )
        for place, port in enumerate(ports)
    )
    with one as first, two as second:
        yield first, second


@pytest.fixture
def away(both: tuple[Live, Live]) -> str:
    """Name an entity that is the second server's."""
    engine = both[0].service.engine
    return next(f"e-{n}" for n in range(100) if engine.owner("", f"e-{n}"))


def test_a_call_is_redirected_to_the_owner(both: tuple[Live, Live], away: str) -> None:
    first, second = both
    for method, path in (
        ("POST", f"/v1/entities/{away}/events"),
        ("DELETE", f"/v1/entities/{away}"),
        ("GET", f"/v1/entities/{away}/live"),
    ):
        told = first.call(method, path, {"data": {"x": 1}} if method == "POST" else None)
        assert (told.status, told.headers["location"]) == (307, f"{second.url}{path}")
        assert (told.code, told.json["error"]["owner"]) == ("elsewhere", second.url)


def test_bulks_and_tensors_and_sockets_say_where_to_go(both: tuple[Live, Live], away: str) -> None:
    first, second = both
    event = {"entity": away, "data": {"x": 1}}
    (result,) = first.call("POST", "/v1/events", {"events": [event]}).json["results"]
    assert (result["code"], result["owner"]) == (421, second.url)
    inputs = [{"name": "x", "datatype": "FP64", "shape": [1], "data": [1]}]
    document = {"inputs": inputs, "parameters": {"sequence_id": away}}
    assert first.call("POST", "/v2/models/model/infer", document).status == 421
    with connect(f"ws://127.0.0.1:{first.port}/v1/stream", proxy=None) as stream:
        stream.send(json.dumps(event))
        assert json.loads(stream.recv(5))["code"] == 421
        stream.send(json.dumps({"subscribe": away}))
        assert json.loads(stream.recv(5))["error"]["owner"] == second.url


def test_a_client_finds_its_way(both: tuple[Live, Live]) -> None:
    first, second = both
    with Client(first.url, patience_s=5) as client:
        events = [{"entity": f"c-{n % 10}", "data": {"x": 1}} for n in range(100)]
        results = client.push_many(events)
        assert [one["answer"]["count"] for one in results] == [n // 10 + 1 for n in range(100)]
        away = next(f"c-{n}" for n in range(10) if first.service.engine.owner("", f"c-{n}"))
        stream = client.stream(away)
        assert client.push(away, {"x": 1})["answer"]["count"] == 11
        assert next(stream)["answer"]["count"] == 11
        stream.close()
        assert client.state(away)
        assert client.forget(away)
    assert first.call("GET", f"/v1/entities/{away}/state").status == 404
    assert second.call("GET", f"/v1/entities/{away}/state").status == 404
