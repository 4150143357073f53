"""The server as a process: what it says, how it ends, and what it still knows afterwards."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from cellstate.errors import CellstateError
from cellstate.serve.client import Client
from tests.serve.counter import write_counter
from tests.serve.routes.test_socket import refs_until_the_end

COMMAND = [sys.executable, "-c", "from cellstate.cli import main; main()", "serve"]


class Running:
    """A server process that has said where it is."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        self.said = [process.stdout.readline(), process.stdout.readline()]
        found = re.search(r"https?://\S+\d", self.said[0])
        assert found, self.said
        self.url = found[0]

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_counter(tmp_path / "counter")


@contextmanager
def running(model: Path, *options: str) -> Iterator[Running]:
    process = subprocess.Popen(
        [*COMMAND, str(model), "--port", "0", *options],
        cwd=model.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(without_torch(model.parent))},
    )
    try:
        yield Running(process)
    finally:
        process.kill()
        process.communicate()


def without_torch(folder: Path) -> Path:
    """Give a folder from which importing torch fails."""
    place = folder / "path"
    place.mkdir(exist_ok=True)
    (place / "torch.py").write_text("raise AssertionError('torch was imported')\n")
    return place


def test_it_says_where_it_is_and_how_to_begin(model: Path) -> None:
    with running(model) as server:
        line, try_this = server.said
        assert line == f"Serving {model} (network) at {server.url}, entities in state.db.\n"
        words = shlex.split(try_this.removeprefix("Try: "))
        assert words[:2] == ["curl", f"{server.url}/v1/entities/first/events"]
        with Client(server.url) as client:
            told = client.push("first", json.loads(words[-1])["data"])
            assert told["status"] == "applied"
        assert server.end() == 0
        assert server.process.stderr is not None
        assert not server.process.stderr.read()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order_and_nothing_is_forgotten(model: Path, number: int) -> None:
    acknowledged: list[str] = []
    with running(model) as server:
        ended = threading.Event()

        def send(name: str) -> None:
            with Client(server.url, patience_s=0.01) as client, suppress(CellstateError):
                while not ended.is_set():
                    acknowledged.append(client.push(name, {"x": [1.0]})["id"])

        senders = [threading.Thread(target=send, args=(f"e-{n}",)) for n in range(4)]
        for sender in senders:
            sender.start()
        while len(acknowledged) < 50:
            time.sleep(0.01)
        assert server.end(number) == 0
        ended.set()
        for sender in senders:
            sender.join()
        assert server.process.stderr is not None
        assert "Traceback" not in server.process.stderr.read()
    with running(model) as server, Client(server.url) as client:
        known = [one["id"] for n in range(4) for one in client.history(f"e-{n}")]
        assert set(acknowledged) <= set(known)
        assert len(set(known)) == len(known)
        server.end()


def test_streams_and_sockets_are_ended_and_new_calls_refused(model: Path) -> None:
    with running(model) as server, Client(server.url, patience_s=1) as client:
        stream = client.stream("a")
        url = f"ws{server.url.removeprefix('http')}/v1/stream"
        with connect(url, proxy=None) as live:
            for number in range(20):
                live.send(json.dumps({"entity": "a", "data": {"x": [1.0]}, "ref": number}))
            assert json.loads(live.recv(5))["ref"] == 0
            server.process.send_signal(signal.SIGTERM)
            refs = [0]
            with pytest.raises(ConnectionClosed, match="1012"):
                refs_until_the_end(live, refs)
            assert refs == list(range(len(refs)))
        assert len([*stream]) >= len(refs)
        assert server.process.wait(20) == 0
        with pytest.raises(CellstateError):
            client.push("a", {"x": [1.0]})


def test_a_second_signal_does_not_wait(model: Path) -> None:
    with running(model) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as slow:
            slow.sendall(b"POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n")
            slow.sendall(b"content-type: application/json\r\n\r\n{")
            time.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(1)
            assert server.process.poll() is None
            began = time.monotonic()
            server.end()
            assert time.monotonic() - began < 3


def test_a_killed_server_knows_all_that_it_acknowledged(model: Path) -> None:
    with running(model) as server, Client(server.url) as client:
        told = [client.push("a", {"x": [1.0]}) for _ in range(10)]
        server.end(signal.SIGKILL)
    with running(model) as server, Client(server.url) as client:
        assert [one["answer"] for one in client.history("a")] == [one["answer"] for one in told]
        again = client.push("a", {"x": [1.0]}, id=told[3]["id"])
        assert (again["status"], again["answer"]) == ("duplicate", told[3]["answer"])
        server.end()


def test_the_next_version_is_loaded_beside_it(model: Path) -> None:
    write_counter(model.parent / "counter-2", gain=2.0)
    with running(model, "--next", "counter-2") as server, Client(server.url) as client:
        client.push("a", {"x": [1.0]})
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            report = json.loads(client._connections.call("GET", server.url, "/v1/model/next").body)
            if report["phase"] == "shadow":
                break
            time.sleep(0.05)
        assert report["next"]["folder"] == "counter-2"
        assert server.end() == 0
