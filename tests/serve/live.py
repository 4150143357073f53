"""A server on a free port, and calls to it that a client of ours would never make."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from cellstate.runtime.stream import AbstractStream
from cellstate.serve.app import build_app
from cellstate.serve.engine import Engine
from cellstate.serve.http.server import Server
from cellstate.serve.http.service import Service
from cellstate.serve.http.settings import HttpSettings
from cellstate.serve.settings import Settings
from cellstate.serve.stores import AbstractStore, open_store
from tests.serve.recorder import Recorder

JSON = {"content-type": "application/json"}


class Told(NamedTuple):
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return self.json["error"]["code"]


@dataclass
class Live:
    """A running server."""

    url: str
    service: Service

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def call(
        self,
        method: str,
        path: str,
        document: Any = None,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Told:
        """Send a request on a connection of its own."""
        if document is not None:
            body = json.dumps(document).encode()
        sent = {**JSON, **(headers or {})} if body is not None else dict(headers or {})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body=body, headers=sent)
            response = connection.getresponse()
            return Told(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def push(self, entity: str, **event: Any) -> Told:
        """Send an event; `x` stands for data with that number alone."""
        if "x" in event:
            event["data"] = {"x": event.pop("x")}
        return self.call("POST", f"/v1/entities/{entity}/events", event)

    def raw(self, data: bytes, *, timeout_s: float = 10.0) -> bytes:
        """Send bytes, and read until the server closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s) as connection:
            connection.sendall(data)
            parts: list[bytes] = []
            with suppress(ConnectionResetError):  # it did not want to read all
                while part := connection.recv(65536):
                    parts.append(part)
            return b"".join(parts)


@contextmanager
def serving(
    stream: AbstractStream | None = None,
    settings: Settings | None = None,
    http: HttpSettings | None = None,
    *,
    store: AbstractStore | None = None,
    port: int = 0,
    **rest: Any,
) -> Iterator[Live]:
    """Run a server, with a store in memory unless there is another."""
    engine = Engine(stream or Recorder(), store or open_store("memory:"), settings, **rest)
    server = Server(build_app(engine, replace(http or HttpSettings(), port=port)))
    url = server.start()
    try:
        yield Live(url, server.service)
    finally:
        server.stop()
