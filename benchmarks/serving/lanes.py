"""Connections of a load generator: what is under way on them, and what comes back."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable

from benchmarks.serving.wire import (
    CLOSE,
    PING,
    PONG,
    frame,
    http_answer,
    open_websocket,
    take_frame,
)

LIVE_PATH = "/v1/stream"
REF = re.compile(rb'"ref": ?"?(\d+)')
DONE = re.compile(rb'"status": ?"applied"|"outputs":')  # one in each answer
READ = 1 << 18

Report = Callable[[int, int, int], None]
"""Called with a request's number, its status (200, 429 …) and how many events were applied."""


class Lane:
    """One connection that never waits: what cannot be sent at once is sent later.

    Attributes
    ----------
    backlog : bytes
        Not sent yet.
    idle : bool
        Whether it takes another request: over HTTP one at a time, over WebSocket any number.
    under_way : int
        Requests without an answer.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        self.socket = connection
        self.backlog = b""
        self.buffer = bytearray()
        self.idle = True
        self.under_way = 0

    def write(self, data: bytes) -> bool:
        """Send what can be sent; say whether that was all."""
        if self.backlog:
            self.backlog += data
            return False
        try:
            sent = self.socket.send(data)
        except BlockingIOError:
            sent = 0
        self.backlog = data[sent:]
        return not self.backlog

    def flush(self) -> bool:
        """Go on with the backlog; say whether it is done."""
        data, self.backlog = self.backlog, b""
        return self.write(data)

    def read(self) -> None:
        """Take in what has arrived.

        Raises
        ------
        ConnectionError
            The server has closed the connection.
        """
        data = self.socket.recv(READ)
        if not data:
            raise ConnectionError("the server has closed a connection")
        self.buffer += data


class HttpLane(Lane):
    """A connection with one request under way at most."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(socket.create_connection((host, port), timeout=10))
        self._number = -1

    def send(self, number: int, data: bytes) -> bool:
        """Send a request; say whether all of it has gone."""
        self._number, self.idle = number, False
        self.under_way = 1
        return self.write(data)

    def receive(self, report: Report) -> None:
        """Report the answer, if it is there."""
        self.read()
        if self.idle:  # as servers say before they close a connection on which nothing was asked
            raise ConnectionError("an answer that nobody asked for")
        if (answer := http_answer(self.buffer)) is not None:
            status, body = answer
            self.idle = True
            self.under_way = 0
            report(self._number, status, len(DONE.findall(body)))


class WebSocketLane(Lane):
    """A connection with any number of events under way; each answer names its own."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(open_websocket(host, port, LIVE_PATH))

    def send(self, number: int, data: bytes) -> bool:
        """Send an event; say whether all of it has gone."""
        del number
        self.under_way += 1
        return self.write(data)

    def receive(self, report: Report) -> None:
        """Report all answers that are there."""
        self.read()
        while (taken := take_frame(self.buffer)) is not None:
            code, payload = taken
            if code == PING:
                self.write(frame(payload, PONG))
            elif code == CLOSE:
                raise ConnectionError("the server has closed a WebSocket")
            elif (found := REF.search(payload)) is not None:
                applied = len(DONE.findall(payload))
                self.under_way -= 1
                report(int(found[1]), 200 if applied else 429, applied)
