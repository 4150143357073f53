"""Who may call from where: each attack by itself, refused."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from cellstate.errors import InputError
from cellstate.serve.app import build_app
from cellstate.serve.engine import Engine
from cellstate.serve.http.connections import MOST_HEAD
from cellstate.serve.http.settings import HttpSettings
from cellstate.serve.keys import add_key, revoke_key
from cellstate.serve.security import is_loopback
from cellstate.serve.stores import open_store
from tests.serve.live import Live, serving
from tests.serve.recorder import Recorder

EVENT = b'{"data":{"x":1}}'
READS = ["/v1/entities", "/v1/entities/a/state", "/v1/entities/a/history", "/v1/model", "/metrics"]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    callers = {"a-read": ("a", "read"), "a-write": ("a", "write"), "b-write": ("b", "write")}
    callers |= {"b-admin": ("b", "admin")}
    return path, {name: add_key(path, *which) for name, which in callers.items()}


@pytest.fixture(scope="module")
def guarded(
    keys: tuple[Path, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    audit = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    http = HttpSettings(keys=keys[0], audit_log=audit, max_sockets=2)
    with serving(http=http) as live:
        yield live


@pytest.fixture
def key(keys: tuple[Path, dict[str, str]]) -> dict[str, dict[str, str]]:
    return {name: {"authorization": f"Bearer {token}"} for name, token in keys[1].items()}


# Host and Origin


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "0.0.0.0", "10.0.0.1"],
)
def test_another_host_is_refused_on_every_method(live: Live, method: str, host: str) -> None:
    told = live.call(method, "/livez", headers={"host": f"{host}:{live.port}"})
    assert told.status == 403
    assert method == "HEAD" or told.code == "wrong_host"


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8000", "localhost."]
)
def test_names_of_loopback_are_this_server_s(live: Live, host: str) -> None:
    assert live.call("GET", "/livez", headers={"host": host}).status == 200


@pytest.mark.parametrize(
    "head",
    [
        b"GET /livez HTTP/1.1\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nhost:\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nhost: localhost:x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nhost: localhost@evil.example\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nhost: [::1\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nhost: \xff\r\n\r\n",
        b"GET http://evil.example/livez HTTP/1.1\r\nhost: evil.example\r\n\r\n",
    ],
)
def test_a_missing_double_or_odd_host_is_refused(live: Live, head: bytes) -> None:
    with_close = head.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nconnection: close\r\n")
    assert live.raw(with_close)[9:12] in (b"400", b"403")


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://localhost:1", "file://", "http://127.0.0.1", "x"],
)
@pytest.mark.parametrize("path", ["/v1/entities/o/events", "/v1/events", "/livez"])
def test_pages_of_other_sites_are_refused(live: Live, origin: str, path: str) -> None:
    told = live.call("POST", path, body=EVENT, headers={"origin": origin})
    assert (told.status, told.code) == (403, "wrong_origin")


def test_this_server_s_own_pages_and_those_allowed_may_call() -> None:
    with serving(http=HttpSettings(allowed_hosts=("app.example",))) as live:
        own = {"origin": f"http://127.0.0.1:{live.port}", "host": f"127.0.0.1:{live.port}"}
        assert live.call("POST", "/v1/entities/a/events", body=EVENT, headers=own).status == 200
        for origin in ("https://app.example", "http://app.example:3000"):
            assert live.call("GET", "/livez", headers={"origin": origin}).status == 200
        assert live.call("GET", "/livez", headers={"host": "app.example"}).status == 200


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}]
)
def test_sockets_are_refused_the_same_way(live: Live, headers: dict[str, str]) -> None:
    with pytest.raises(InvalidStatus) as problem, _open(live, headers):
        pass
    assert problem.value.response.status_code == 403
    assert b"wrong_" in problem.value.response.body


# Keys


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        f"Bearer cs_{'0' * 12}_{'A' * 43}",
        "Basic YTpi",
        "{a-write} x",
        "{a-write}x",
        "Bearer \xff",
    ],
)
@pytest.mark.parametrize("path", ["/v1/entities/a/events", "/v1/events", "/v2/models/model/infer"])
def test_without_a_key_that_is_known_nothing_can_be_sent(
    guarded: Live, key: dict[str, dict[str, str]], authorization: str | None, path: str
) -> None:
    headers: dict[str, str] = {}
    if authorization is not None:
        good = key["a-write"]["authorization"]
        headers = {"authorization": authorization.replace("{a-write}", good)}
    told = guarded.call("POST", path, body=EVENT, headers=headers)
    assert (told.status, told.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("path", [*READS, "/openapi.json", "/v2", "/v1/entities/a/live"])
def test_without_a_key_nothing_can_be_read(guarded: Live, path: str) -> None:
    assert guarded.call("GET", path).status == 401


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/v2/health/live", "/v2/health/ready"])
def test_supervisors_need_no_key(guarded: Live, path: str) -> None:
    assert guarded.call("GET", path).status == 200


def test_a_role_bounds_what_a_key_may_do(guarded: Live, key: dict[str, dict[str, str]]) -> None:
    def status(method: str, path: str, name: str, body: bytes | None = None) -> int:
        return guarded.call(method, path, body=body, headers=key[name]).status

    events = "/v1/entities/roles/events"
    assert status("POST", events, "a-read", EVENT) == 403
    assert status("DELETE", "/v1/entities/roles", "a-read") == 403
    assert status("POST", events, "a-write", EVENT) == 200
    assert status("GET", "/v1/entities/roles/state", "a-read") == 200
    for method, path in (("GET", "/v1/model/next"), ("POST", "/v1/model/next/flip")):
        assert status(method, path, "a-write") == 403
        assert status(method, path, "b-admin") in (200, 409)


def test_a_tenant_sees_nothing_of_another(guarded: Live, key: dict[str, dict[str, str]]) -> None:
    path = "/v1/entities/private"
    guarded.call("POST", f"{path}/events", body=EVENT, headers=key["a-write"])
    for method, address in (
        ("GET", f"{path}/state"),
        ("GET", f"{path}/history"),
        ("DELETE", path),
    ):
        theirs = guarded.call(method, address, headers=key["b-write"])
        nobody_s = guarded.call(
            method, address.replace("private", "absent"), headers=key["b-write"]
        )
        assert (theirs.status, theirs.body) == (nobody_s.status, nobody_s.body)
        assert theirs.status == 404
    names = guarded.call("GET", "/v1/entities", headers=key["b-admin"]).json["entities"]
    assert "private" not in [one["entity"] for one in names]
    own = guarded.call("POST", f"{path}/events", body=EVENT, headers=key["b-write"]).json
    assert own["answer"]["count"] == 1  # an entity of its own, of the same name


def test_a_key_in_the_address_is_no_key(guarded: Live, keys: tuple[Path, dict[str, str]]) -> None:
    told = guarded.call("GET", f"/v1/model?key={keys[1]['a-read']}")
    assert told.status == 401


def test_a_socket_needs_a_key_and_the_role_to_write(
    guarded: Live, key: dict[str, dict[str, str]]
) -> None:
    with pytest.raises(InvalidStatus) as problem, _open(guarded, {}):
        pass
    assert problem.value.response.status_code == 401
    with _open(guarded, key["a-read"]) as stream:
        stream.send('{"entity":"a","data":{"x":1},"ref":7}')
        error = json.loads(stream.recv(5))["error"]
        assert (error["code"], error["ref"]) == ("role", 7) if "ref" in error else ("role",)
        stream.send('{"subscribe":"a"}')
        assert json.loads(stream.recv(5)) == {"subscribed": "a"}


def test_a_tenant_has_a_bound_of_live_connections(
    guarded: Live, key: dict[str, dict[str, str]]
) -> None:
    with _open(guarded, key["b-write"]), _open(guarded, key["b-write"]):
        with pytest.raises(InvalidStatus) as problem, _open(guarded, key["b-write"]):
            pass
        assert problem.value.response.status_code == 429
        told = guarded.call("GET", "/v1/entities/a/live", headers=key["b-write"])
        assert told.status == 429
        with _open(guarded, key["a-write"]):
            pass
    deadline = time.monotonic() + 5
    while guarded.service.seats.taken and time.monotonic() < deadline:
        time.sleep(0.01)
    assert guarded.service.seats.taken == 0


def test_a_key_that_is_taken_back_ends_calls_and_sockets(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    token, other = add_key(path, "a", "write"), add_key(path, "a", "write")
    headers = {"authorization": f"Bearer {token}"}
    with serving(http=HttpSettings(keys=path)) as live, _open(live, headers) as stream:
        assert live.call("GET", "/v1/model", headers=headers).status == 200
        revoke_key(path, token.split("_")[1])
        with pytest.raises(Exception, match="1008"):
            stream.recv(5)
        assert live.call("GET", "/v1/model", headers=headers).status == 401
        headers = {"authorization": f"Bearer {other}"}
        assert live.call("GET", "/v1/model", headers=headers).status == 200


# Where it listens


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.0.1", "sensors.example"])
def test_listening_elsewhere_without_keys_is_refused(host: str) -> None:
    from cellstate.serve.http.server import Server

    engine = Engine(Recorder(), open_store("memory:"))
    app = build_app(engine, HttpSettings(host=host))
    with pytest.raises(InputError, match=r"must ask for keys.*cellstate keys new"):
        Server(app)
    engine.stop()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_is_what_only_this_machine_reaches(host: str) -> None:
    assert is_loopback(host)


def test_elsewhere_names_must_be_allowed_and_addresses_are(
    keys: tuple[Path, dict[str, str]],
) -> None:
    http = HttpSettings(host="0.0.0.0", keys=keys[0], allowed_hosts=("sensors.example",))
    with serving(http=http) as live:
        for host, status in (
            ("sensors.example", 200),
            ("10.1.2.3:80", 200),
            ("[2001:db8::1]", 200),
            ("evil.example", 403),
        ):
            assert live.call("GET", "/livez", headers={"host": host}).status == status


# Bounds


def test_the_rate_of_a_tenant_has_a_bound() -> None:
    with serving(http=HttpSettings(rate=5)) as live:
        statuses = [live.push("a", x=1).status for _ in range(15)]
        assert statuses[:10] == [200] * 10
        assert statuses[-1] == 429
        told = live.push("a", x=1)
        assert (told.code, int(told.headers["retry-after"])) == ("busy", 1)
        assert live.call("GET", "/livez").status == 200


def test_a_bulk_counts_as_many_as_it_brings() -> None:
    with serving(http=HttpSettings(rate=5)) as live:
        events = [{"data": {"x": 1}}] * 40
        assert live.call("POST", "/v1/entities/a/events", {"events": events}).status == 200
        told = live.push("a", x=1)
        assert (told.status, int(told.headers["retry-after"])) == (429, 6)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", b""),  # nothing was asked
        (b"POST /v1/entities/a/events HT", b"408"),
        (b"POST /v1/entities/a/events HTTP/1.1\r\nhost: localhost\r\n", b"408"),
        (
            (
                b"POST /v1/entities/a/events HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99\r\n"
                b"content-type: application/json\r\n\r\n{"
            ),
            b"408",
        ),
    ],
    ids=["nothing", "a part of a line", "a part of a head", "a part of a body"],
)
def test_a_slow_request_is_ended(sent: bytes, status: bytes) -> None:
    with serving(http=HttpSettings(header_s=0.3, body_s=0.3)) as live:
        began = time.monotonic()
        assert status in live.raw(sent)[:12]
        assert time.monotonic() - began < 3


def test_a_trickle_does_not_keep_a_request_alive() -> None:
    with (
        serving(http=HttpSettings(header_s=0.5)) as live,
        socket.create_connection(("127.0.0.1", live.port)) as connection,
    ):
        began = time.monotonic()
        connection.sendall(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nx: ")
        with suppress(OSError):
            while time.monotonic() - began < 5:
                connection.sendall(b"x")
                time.sleep(0.1)
        assert time.monotonic() - began < 3


def test_a_reader_that_does_not_read_is_left() -> None:
    with serving(http=HttpSettings(body_s=0.3)) as live:
        events = [{"data": {"x": 1, "note": "a" * 7000}}] * 1000
        assert live.call("POST", "/v1/entities/a/events", {"events": events}).status == 200
        with socket.create_connection(("127.0.0.1", live.port)) as connection:
            path = b"/v1/entities/a/history?limit=1000"  # 14 MB, more than the system holds back
            connection.sendall(b"GET " + path + b" HTTP/1.1\r\nhost: localhost\r\n\r\n")
            deadline = time.monotonic() + 5
            while (
                time.monotonic() < deadline
                and not live.service.meter.calls["/v1/entities/{entity}/history", 200]
            ):
                time.sleep(0.01)
            time.sleep(1.5)
            with suppress(ConnectionResetError), connection.makefile("rb") as answer:
                assert len(answer.read()) < 13_000_000


def test_an_idle_connection_is_closed() -> None:
    with serving(http=HttpSettings(idle_s=1)) as live:
        began = time.monotonic()
        answer = live.raw(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200")
        assert 0.5 < time.monotonic() - began < 4


def test_a_head_has_a_bound(live: Live) -> None:
    head = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n" + b"a: b\r\n" * MOST_HEAD
    assert live.raw(head)[9:12] in (b"431", b"")
    body = b" " * (MOST_HEAD * 8)  # which may be larger
    assert live.call("POST", "/v1/events", body=body).status == 400


def test_connections_have_a_bound() -> None:
    with serving(http=HttpSettings(max_connections=3)) as live:
        held = [socket.create_connection(("127.0.0.1", live.port)) for _ in range(3)]
        time.sleep(0.2)
        assert live.raw(b"").startswith(b"HTTP/1.1 503")
        for one in held:
            one.close()
        time.sleep(0.2)
        assert live.call("GET", "/livez").status == 200


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01",  # TLS
        b"GET /livez HTTP/9.9\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        (
            b"POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\n"
            b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        (
            b"POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\n"
            b"content-length: 2\r\n\r\nab"
        ),
    ],
)
def test_what_is_no_http_is_refused(live: Live, data: bytes) -> None:
    assert live.raw(data).startswith(b"HTTP/1.1 400")


# What is told


def test_every_answer_forbids_what_browsers_could_do_with_it(live: Live) -> None:
    for told in (live.call("GET", "/livez"), live.call("GET", "/none"), live.push("a", x=1)):
        assert told.headers["x-content-type-options"] == "nosniff"
        assert told.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in told.headers["content-security-policy"]
        assert told.headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in told.headers
        assert "access-control-allow-origin" not in told.headers


def test_an_accident_tells_nothing_but_a_number(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("Smith has 41.5")

    with serving() as live:
        monkeypatch.setattr(live.service.engine, "describe", fail)
        with caplog.at_level(logging.DEBUG):
            told = live.call("GET", "/v1/entities/Smith/state")
        assert (told.status, told.code) == (500, "internal")
        number = told.json["error"]["message"].split("number ")[1].split(".")[0]
        assert len(number) == 12
        assert number in caplog.text
        assert "fail" in caplog.text  # where it was
        for secret in ("Smith", "41.5", "ValueError: Smith", __file__):
            assert secret not in told.body.decode()
            assert secret not in caplog.text


def test_logs_name_no_entities_and_no_data(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), serving() as live:
        live.push("Smith", x=41.5)
        live.push("Smith", x=41.5e9)
        live.call("GET", "/v1/entities/Smith/state")
        live.call("GET", "/v1/entities/Smith/nothing")
        live.raw(b"GET /v1/entities/Smith HTTP/9\r\n\r\n")
        with _open(live, {}) as stream:
            stream.send('{"entity":"Smith","data":{"x":41.5}}')
            stream.recv(5)
    own = "\n".join(
        one.getMessage() for one in caplog.records if one.name.startswith(("cell", "uvi"))
    )
    assert "Smith" not in own, own
    assert "41.5" not in own


def test_the_audit_log_says_who_did_what(
    guarded: Live, key: dict[str, dict[str, str]], keys: tuple[Path, dict[str, str]]
) -> None:
    path = guarded.service.settings.audit_log
    assert path is not None
    before = len(path.read_text().splitlines())
    guarded.call("POST", "/v1/entities/Smith/events", body=EVENT, headers=key["a-write"])
    guarded.call("GET", "/v1/entities/Smith/state", headers=key["a-read"])
    guarded.call("DELETE", "/v1/entities/Smith", headers=key["b-write"])
    guarded.call("DELETE", "/v1/entities/Smith")
    lines = [json.loads(line) for line in path.read_text().splitlines()[before:]]
    assert [(one["action"], one["tenant"], one["events"], one["status"]) for one in lines] == [
        ("push", "a", 1, 200),
        ("state", "a", 0, 200),
        ("forget", "b", 0, 404),
        ("forget", "", 0, 401),
    ]
    assert lines[0]["entity"] == lines[1]["entity"] != lines[2]["entity"]
    assert lines[0]["key"] == keys[1]["a-write"].split("_")[1]
    assert "Smith" not in path.read_text()


def test_what_cannot_be_recorded_is_not_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with serving(http=HttpSettings(audit_log=tmp_path / "audit.jsonl")) as live:
        monkeypatch.setattr(live.service.audit, "write", fail)
        told = live.push("a", x=1)
        assert (told.status, told.code) == (503, "audit_log")


def _open(live: Live, headers: dict[str, str]) -> Any:
    host = headers.get("Host", f"127.0.0.1:{live.port}")
    rest = {name: value for name, value in headers.items() if name != "Host"}
    plain = socket.create_connection(("127.0.0.1", live.port), timeout=5)
    return connect(f"ws://{host}/v1/stream", sock=plain, additional_headers=rest, proxy=None)
