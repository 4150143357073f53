"""HTTP/1.1 and WebSocket as bytes: no more of them than a load generator needs."""

from __future__ import annotations

import os
import re
import socket
from base64 import b64encode

HEAD_END = b"\r\n\r\n"
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
NO_MASK = b"\0\0\0\0"  # a mask that leaves the bytes as they are; the server's work is the same


def http_request(
    path: str, body: bytes, host: str, *, method: str = "POST", kind: str = "application/json"
) -> bytes:
    """Encode one request on a connection that stays open.

    Examples
    --------
    >>> http_request("/v1/events", b"{}", "localhost").splitlines()[0]
    b'POST /v1/events HTTP/1.1'
    """
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body


def http_answer(buffer: bytearray) -> tuple[int, bytes] | None:
    """Take one whole answer off the front of a buffer; None while it is not there yet.

    Examples
    --------
    >>> buffer = bytearray(b"HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\n{}rest")
    >>> http_answer(buffer), bytes(buffer)
    ((200, b'{}'), b'rest')
    """
    head = buffer.find(HEAD_END)
    if head < 0:
        return None
    found = LENGTH.search(buffer, 0, head)
    status = int(buffer[9:12])
    if found is None:
        if status != 204:
            raise ValueError("an answer without a length")
        end = head + 4
    else:
        end = head + 4 + int(found[1])
    if len(buffer) < end:
        return None
    body = bytes(buffer[head + 4 : end])
    del buffer[:end]
    return status, body


def frame(payload: bytes, code: int = TEXT, *, masked: bool = True) -> bytes:
    """Encode one WebSocket message; a client's are masked.

    Examples
    --------
    >>> frame(b"hi", masked=False)
    b'\\x81\\x02hi'
    """
    size, bit = len(payload), 0x80 if masked else 0
    if size < 126:
        head = bytes((0x80 | code, bit | size))
    elif size < 1 << 16:
        head = bytes((0x80 | code, bit | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | code, bit | 127)) + size.to_bytes(8, "big")
    return head + (NO_MASK if masked else b"") + payload


def take_frame(buffer: bytearray, *, masked: bool = False) -> tuple[int, bytes] | None:
    """Take one whole message off the front of a buffer: its code and payload.

    Examples
    --------
    >>> take_frame(bytearray(b"\\x81\\x02hi"))
    (1, b'hi')
    """
    if len(buffer) < 2:
        return None
    size, start = buffer[1] & 0x7F, 2
    if size == 126:
        size, start = int.from_bytes(buffer[2:4], "big"), 4
    elif size == 127:
        size, start = int.from_bytes(buffer[2:10], "big"), 10
    start += 4 if masked else 0
    if len(buffer) < start + size:
        return None
    code, payload = buffer[0] & 0x0F, bytes(buffer[start : start + size])
    del buffer[: start + size]
    return code, payload


def open_websocket(host: str, port: int, path: str) -> socket.socket:
    """Connect and shake hands.

    Raises
    ------
    ConnectionError
        The server does not speak WebSocket there.
    """
    connection = socket.create_connection((host, port), timeout=10)
    key = b64encode(os.urandom(16)).decode("ascii")
    lines = (
        f"GET {path} HTTP/1.1",
        f"Host: {host}:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
    )
    connection.sendall("\r\n".join(lines).encode("ascii") + HEAD_END)
    answer = b""
    while HEAD_END not in answer:
        piece = connection.recv(4096)
        if not piece:
            break
        answer += piece
    if not answer.startswith(b"HTTP/1.1 101"):
        raise ConnectionError(answer[:200].decode("ascii", "replace"))
    return connection
