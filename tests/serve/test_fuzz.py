"""Whatever is sent, there is an answer that is no accident, and the next call is served."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from websockets.sync.client import connect

from tests.serve.live import JSON, Live

TEXT = st.text(max_size=6) | st.sampled_from(["x", "pair", "list", "note", "on", "a", "-", "0"])
SINGLE = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True, allow_infinity=True)
    | TEXT
    | st.sampled_from(["2024-05-01T12:00:00Z", 1e300, -1, 1 << 64, 1 << 53, "1e400"])
)
NAMES = [
    *("data", "entity", "events", "id", "time", "begin", "end", "ref", "x", "note", "pair", "on"),
    *("subscribe", "unsubscribe", "inputs", "outputs", "parameters", "name", "datatype", "shape"),
    *(
        "sequence_id",
        "sequence_start",
        "binary_data_size",
        "event_id",
        "folder",
        "model",
        "options",
    ),
]
VALUES = st.recursive(
    SINGLE,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | TEXT, inner, max_size=5)
    ),
    max_leaves=15,
)
EVENT = {"entity": "fuzz", "id": "i", "time": 1.0, "data": {"x": 1.0, "pair": [1, 2]}, "ref": 1}
INFER = {
    "inputs": [{"name": "x", "datatype": "FP64", "shape": [1], "data": [1.5]}],
    "parameters": {"sequence_id": "fuzz", "time": 1, "binary_data_output": True},
    "outputs": [{"name": "sum", "parameters": {"binary_data": True}}],
}
VALID: list[Any] = [
    EVENT,
    {"events": [EVENT, EVENT]},
    {"data": {"x": 1}},
    {"events": [{"data": {}}]},
    INFER,
    {"subscribe": "fuzz"},
    {"folder": "x"},
]
PATHS = [
    "/v1/entities/fuzz/events",
    "/v1/events",
    "/v2/models/model/infer",
    "/v1/model/next",
    "/v1/model/next/flip",
]
TYPES = ["application/json", "application/x-ndjson", "application/octet-stream", "text/plain", ""]
bounded = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def dumped(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


@st.composite
def changed(draw: st.DrawFn) -> bytes:
    """Take a good document, and put something else somewhere into it."""
    document = json.loads(json.dumps(draw(st.sampled_from(VALID))))
    at: Any = document
    while True:
        places = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not places:
            break
        place = draw(st.sampled_from(places))
        if isinstance(at[place], dict | list) and draw(st.booleans()):
            at = at[place]
            continue
        at[place] = draw(VALUES)
        break
    return dumped(document)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Take a good document as bytes, and change some of them."""
    data = bytearray(dumped(draw(st.sampled_from(VALID))))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data) - 1))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
        if not data:
            break
    return bytes(data)


BODIES = st.binary(max_size=60) | VALUES.map(dumped) | changed() | damaged()


@pytest.fixture(scope="module")
def line(live: Live) -> Iterator[HTTPConnection]:
    connection = HTTPConnection("127.0.0.1", live.port, timeout=10)
    yield connection
    connection.close()


def answer(line: HTTPConnection, path: str, body: bytes, headers: dict[str, str]) -> int:
    line.request("POST", path, body=body, headers=headers)
    response = line.getresponse()
    told = response.read()
    if response.getheader("content-type") == "application/json":
        json.loads(told)
    return response.status


@bounded
@given(path=st.sampled_from(PATHS), body=BODIES)
@example("/v1/events", b'{"events":[{"entity":"a","data":{"x":"\\ud800"}}]}')
@example("/v1/entities/fuzz/events", b'{"data":{"x":1},"id":"\\ud800"}')
@example("/v1/entities/fuzz/events", b'{"data":{"\\u0000":"\\u0000"}}')
def test_any_body_is_answered(line: HTTPConnection, path: str, body: bytes) -> None:
    assert answer(line, path, body, JSON) < 500


@bounded
@given(
    path=st.sampled_from(PATHS[:3]),
    body=BODIES,
    kind=st.sampled_from(TYPES),
    length=st.none() | st.integers(-5, 300).map(str) | st.text("0123456789abc-+ ", max_size=5),
)
def test_any_type_and_length_are_answered(
    line: HTTPConnection, path: str, body: bytes, kind: str, length: str | None
) -> None:
    headers = {"content-type": kind}
    if length is not None:
        headers["inference-header-content-length"] = length
    assert answer(line, path, body, headers) < 500


@bounded
@given(lines=st.lists(st.binary(max_size=20) | changed(), max_size=4))
def test_any_lines_are_answered(line: HTTPConnection, lines: list[bytes]) -> None:
    headers = {"content-type": "application/x-ndjson"}
    assert answer(line, "/v1/events", b"\n".join(lines), headers) < 500


@bounded
@given(path=st.text("abc/{}.%?&=-_:@0129\\~", max_size=30), query=st.text("ab=&%1;+", max_size=10))
def test_any_address_is_answered(line: HTTPConnection, path: str, query: str) -> None:
    for method in ("GET", "DELETE"):
        line.request(method, f"/v1/entities/{path}?{query}")
        response = line.getresponse()
        response.read()
        assert response.status < 500


def test_any_message_is_answered(live: Live) -> None:
    with connect(f"ws://127.0.0.1:{live.port}/v1/stream", proxy=None) as stream:

        @bounded
        @given(body=BODIES, is_text=st.booleans())
        def check(body: bytes, is_text: bool) -> None:
            stream.send(body.decode("utf-8", "replace") if is_text else body)
            json.loads(stream.recv(5))

        check()
        stream.send('{"entity":"after","data":{"x":1},"ref":"last"}')
        while json.loads(stream.recv(5)).get("ref") != "last":
            pass


@bounded
@given(data=st.binary(min_size=1, max_size=60), opening=st.booleans())
def test_any_frame_ends_its_own_socket_at_most(live: Live, data: bytes, opening: bool) -> None:
    import socket

    head = (
        b"GET /v1/stream HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\n"
        b"connection: upgrade\r\nsec-websocket-version: 13\r\n"
        b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", live.port), timeout=5) as connection:
        connection.sendall((head if opening else b"") + data)
    assert live.call("GET", "/livez").status == 200


def test_the_server_has_not_met_an_accident(live: Live, caplog: pytest.LogCaptureFixture) -> None:
    with connect(f"ws://127.0.0.1:{live.port}/v1/stream", proxy=None) as stream:
        stream.send('{"entity":"after","data":{"x":1}}')
        assert json.loads(stream.recv(5))["status"] == "applied"
    statuses = {status for _, status in live.service.meter.calls}
    assert not {status for status in statuses if status >= 500}
    assert "error" not in caplog.text
