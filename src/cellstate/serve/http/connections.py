"""Connections of the HTTP server: how many, how slow, how idle they may be.

The server's own protocol closes a connection that is idle after an answer, but waits forever for a
first request, for the rest of a head, and for the rest of a body.
"""

from __future__ import annotations

import asyncio
from typing import Any

from cellstate.extras import require
from cellstate.serve.http.settings import HttpSettings

SWEEP_S = 0.5
MOST_HEAD = 64 << 10  # bytes of a request's head, cookies and all
_REFUSALS = {
    408: b"Request Timeout",
    431: b"Request Header Fields Too Large",
    503: b"Service Unavailable",
}


def protocol_for(settings: HttpSettings) -> type[Any]:
    """Make the class of connections that keeps to these settings."""
    implementation: Any = require("uvicorn.protocols.http.httptools_impl", extra="serve")
    base: Any = implementation.HttpToolsProtocol

    class Connection(base):
        """A connection with a deadline for what the other side must send next."""

        deadline = float("inf")
        stalled = float("inf")  # until when what was sent must have been taken
        head = -1  # bytes of a head that is not complete yet; -1 while none is read
        is_new = False  # whether the head began in what has just come

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > settings.max_connections:
                self.refuse(503)
                return
            self.deadline = self.loop.time() + settings.header_s

        def data_received(self, data: bytes) -> None:
            self.is_new = False
            super().data_received(data)
            if self.head >= 0:
                # What came with the end of a body before it is no head.
                self.head += 0 if self.is_new else len(data)
                if self.head > MOST_HEAD:
                    self.refuse(431)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self.head, self.is_new = 0, True
            self.deadline = self.loop.time() + settings.header_s

        def on_headers_complete(self) -> None:
            self.head = -1
            self.deadline = self.loop.time() + settings.body_s
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            self.deadline = float("inf")  # it is the server's turn
            self.head = -1
            super().on_message_complete()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self.deadline == float("inf") and not self.pipeline:
                self.deadline = self.loop.time() + settings.idle_s + SWEEP_S

        def handle_websocket_upgrade(self) -> None:
            super().handle_websocket_upgrade()
            # It and its parser know each other, and nobody asks for them any more.
            self.parser = None

        def pause_writing(self) -> None:
            super().pause_writing()
            self.stalled = self.loop.time() + settings.body_s

        def resume_writing(self) -> None:
            super().resume_writing()
            self.stalled = float("inf")

        def refuse(self, status: int) -> None:
            """Say why, if nothing was said yet, and close the connection."""
            if self.transport.is_closing():
                return
            if (
                self.cycle is None
                or self.cycle.response_complete
                or not self.cycle.response_started
            ):
                line = b"HTTP/1.1 %d %b\r\n" % (status, _REFUSALS[status])
                self.transport.write(line + b"content-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()

    return Connection


async def sweep(connections: set[Any]) -> None:
    """Close connections whose other side takes too long, again and again."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(SWEEP_S)
        now = loop.time()
        for one in list(connections):
            if getattr(one, "deadline", now) < now:
                one.refuse(408)
            if getattr(one, "stalled", now) < now:
                one.transport.abort()  # it does not read, so it would not hear why
