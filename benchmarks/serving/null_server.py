"""A server that answers at once and does nothing: what remains is what the generator costs.

``null_server`` prints its port, then serves until it is ended. It reads as much of a request as
it must to answer it in the form of the real server.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from base64 import b64encode
from typing import cast

from benchmarks.serving.lanes import REF
from benchmarks.serving.wire import HEAD_END, LENGTH, frame, take_frame

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
RESULT = (
    b'{"entity":"sensor-0","status":"applied","id":"0","seq":1,"time":0.0,"answer":{"y":[0.5]}}'
)


class Null(asyncio.Protocol):
    """One connection: requests of HTTP/1.1 or, after a handshake, WebSocket messages."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not derive from it
        self._buffer, self._upgraded = bytearray(), False

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._answer_frame() if self._upgraded else self._answer_request():
            pass

    def _answer_request(self) -> bool:
        buffer = self._buffer
        head = buffer.find(HEAD_END)
        if head < 0:
            return False
        found = LENGTH.search(buffer, 0, head)
        end = head + 4 + (int(found[1]) if found else 0)
        if len(buffer) < end:
            return False
        if found is None:
            self._shake_hands(bytes(buffer[:head]))
        else:
            events = buffer.count(b'"data"', head, end)
            if buffer.startswith(b"POST /v1/events "):
                body = b'{"results":[' + b",".join([RESULT] * events) + b"]}"
            else:
                body = RESULT
            self._transport.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                b"content-length: %d\r\n\r\n%b" % (len(body), body)
            )
        del buffer[:end]
        return True

    def _answer_frame(self) -> bool:
        taken = take_frame(self._buffer, masked=True)
        if taken is None:
            return False
        found = REF.search(taken[1])
        if found is not None:
            self._transport.write(frame(b'{"ref":' + found[1] + b"," + RESULT[1:], masked=False))
        return True

    def _shake_hands(self, head: bytes) -> None:
        lines = (line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        key = {name.lower(): value for name, value in lines}[b"sec-websocket-key"]
        accept = b64encode(hashlib.sha1(key + MAGIC, usedforsecurity=False).digest())
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + HEAD_END
        )
        self._upgraded = True


async def serve() -> None:
    """Serve on a free port of loopback, and print it."""
    server = await asyncio.get_running_loop().create_server(Null, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve())
    else:
        uvloop.run(serve())
