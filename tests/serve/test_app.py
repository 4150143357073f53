"""The application: what can be added to it, its TLS, and what starts and ends with it."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cellstate.errors import BusyError, InputError, ServerError
from cellstate.serve.app import build_app
from cellstate.serve.client import Client
from cellstate.serve.engine import Engine
from cellstate.serve.events import Incoming, Outcome
from cellstate.serve.http.gathering import Gathering
from cellstate.serve.http.mailbox import Mailbox
from cellstate.serve.http.outbox import Outbox
from cellstate.serve.http.server import Server
from cellstate.serve.http.settings import HttpSettings
from cellstate.serve.stores import open_store
from tests.serve.live import Live
from tests.serve.recorder import Recorder


def test_addresses_can_be_added_and_are_as_guarded() -> None:
    app = build_app(Engine(Recorder(), open_store("memory:")), HttpSettings(port=0))

    @app.get("/extra/{number}")
    async def extra(number: int) -> dict[str, int]:
        return {"number": number}

    server = Server(app)
    live = Live(server.start(), app.state.service)
    try:
        told = live.call("GET", "/extra/7")
        assert (told.status, told.json) == (200, {"number": 7})
        assert told.headers["x-content-type-options"] == "nosniff"
        assert live.call("GET", "/extra/x").status == 422
        assert live.call("GET", "/extra/7", headers={"host": "evil.example"}).status == 403
    finally:
        server.stop()


def test_a_server_with_tls_is_called_with_tls(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    try:
        subprocess.run([*command.split(), *subject, *files], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs openssl to make a certificate")
    http = HttpSettings(port=0, tls_certificate=certificate, tls_key=key)
    server = Server(build_app(Engine(Recorder(), open_store("memory:")), http))
    url = server.start()
    try:
        assert url.startswith("https://")
        with Client(url, certificate=certificate) as client:
            assert client.push("a", {"x": 1})["status"] == "applied"
            answer = client._connections.call("GET", url, "/livez")
            assert answer.status == 200
        with Client(url, patience_s=0.1) as client, pytest.raises(ServerError):
            client.push("a", {"x": 1})
        with pytest.raises(ServerError, match="CERTIFICATE_VERIFY_FAILED"):
            Client(url, patience_s=0.1).stream("a")
    finally:
        server.stop()


def test_an_engine_that_cannot_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(Recorder(), open_store("memory:"))

    def fail() -> None:
        raise InputError("engine: it must start; got an accident. Look.")

    monkeypatch.setattr(engine, "start", fail)
    server = Server(build_app(engine, HttpSettings(port=0)))
    with pytest.raises(InputError, match="it must start"):
        server.run()
    engine.stop()


def test_a_place_that_is_taken_is_explained() -> None:
    app = build_app(Engine(Recorder(), open_store("memory:")), HttpSettings(port=0))
    server = Server(app)
    port = int(server.start().rpartition(":")[2])
    engine = Engine(Recorder(), open_store("memory:"))
    with pytest.raises(InputError, match=r"Address already in use\. Choose another"):
        Server(build_app(engine, replace(HttpSettings(), port=port)))
    engine.stop()
    server.stop()


def run(body: Callable[[asyncio.AbstractEventLoop], Any]) -> Any:
    async def main() -> Any:
        return await body(asyncio.get_running_loop())

    return asyncio.run(main())


def test_a_mailbox_wakes_the_loop_once_for_all_that_came() -> None:
    async def body(loop: asyncio.AbstractEventLoop) -> None:
        mailbox, got, woken = Mailbox(loop), [], 0
        call = loop.call_soon_threadsafe

        def count(*arguments: Any) -> Any:
            nonlocal woken
            woken += 1
            return call(*arguments)

        loop.call_soon_threadsafe = count  # type: ignore[method-assign]
        thread = threading.Thread(target=lambda: [mailbox.put(got.append, n) for n in range(1000)])
        thread.start()
        thread.join()  # the loop cannot run meanwhile
        await asyncio.sleep(0)
        assert got == list(range(1000))
        assert woken == 1

    run(body)


def test_a_mailbox_whose_loop_has_ended_takes_no_harm() -> None:
    loop = asyncio.new_event_loop()
    mailbox = Mailbox(loop)
    loop.close()
    mailbox.put(print, 1)


class FakeEngine:
    """Takes what is submitted, to be answered later; or is too busy."""

    def __init__(self, problem: BusyError | None = None) -> None:
        self.taken: list[tuple[str, list[Incoming], Any]] = []
        self.problem = problem

    def submit(self, tenant: str, events: list[Incoming], done: Any) -> None:
        if self.problem is not None:
            raise self.problem
        self.taken.append((tenant, events, done))


def test_what_comes_together_is_handed_over_together_and_shared_out() -> None:
    async def body(loop: asyncio.AbstractEventLoop) -> None:
        engine: Any = FakeEngine()
        gathering = Gathering(engine, Mailbox(loop), loop)
        told = [
            gathering.add("a", [Incoming("1", {})]),
            gathering.add("b", [Incoming("2", {})]),
            gathering.add("a", [Incoming("3", {}), Incoming("4", {})]),
            gathering.add("a", [Incoming("5", {})]),
        ]
        told[3].cancel()  # its caller has gone
        await asyncio.sleep(0)
        assert [(t, [e.entity for e in events]) for t, events, _ in engine.taken] == [
            ("a", ["1", "3", "4", "5"]),
            ("b", ["2"]),
        ]
        for _, events, done in engine.taken:
            done([Outcome("applied", seq=int(event.entity)) for event in events])
        assert [[one.seq for one in await each] for each in told[:3]] == [[1], [2], [3, 4]]

    run(body)


def test_an_engine_that_is_busy_is_told_to_each() -> None:
    async def body(loop: asyncio.AbstractEventLoop) -> None:
        engine: Any = FakeEngine(BusyError("busy", 2.0))
        gathering = Gathering(engine, Mailbox(loop), loop)
        told = [gathering.add("a", [Incoming("1", {})]) for _ in range(2)]
        for one in told:
            with pytest.raises(BusyError):
                await one

    run(body)


def test_an_outbox_keeps_order_and_has_a_bound() -> None:
    async def body(_: asyncio.AbstractEventLoop) -> None:
        outbox = Outbox(2)
        assert await outbox.take(0.01) is None
        outbox.put(b"1")
        outbox.put(b"2")
        assert [await outbox.take(), await outbox.take()] == [b"1", b"2"]
        outbox.put(b"3")
        outbox.close()
        outbox.put(b"4")
        assert [await outbox.take(), await outbox.take()] == [b"3", None]
        over = Outbox(1)
        over.put(b"1")
        over.put(b"2")
        assert over.is_over
        assert await over.take() is None

    run(body)
