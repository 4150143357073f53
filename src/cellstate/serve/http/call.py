"""One request and its reply, without the cost of a framework's objects."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from cellstate.errors import explain
from cellstate.serve.http.problem import Problem, malformed, too_large

if TYPE_CHECKING:
    from cellstate.serve.keys import Caller

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON = b"application/json"
NDJSON = b"application/x-ndjson"
BINARY = b"application/octet-stream"
# Nothing here is a page: a browser shall neither guess, show, embed nor keep it.
SAFE_HEADERS = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
_PATIENT = 8  # times the allowed length are read of a body before its sender is cut off
_STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")


class GoneError(Exception):
    """The other side has gone away, so there is nobody to answer."""


class Call:
    """A request: its headers looked through once, its body read within bounds.

    Attributes
    ----------
    scope, receive
        ASGI's.
    host, origin, authorization, type, encoding, header_length : bytes
        Headers; empty where absent. `header_length` is Inference-Header-Content-Length.
    length : int
        The body's announced length, -1 where there is none.
    params : dict of str to str
        From the path.
    caller : Caller
        Set when its key was looked at.
    events : int
        How many events it brought, for the limit of the rate and for the audit log.
    """

    __slots__ = (
        "authorization",
        "caller",
        "encoding",
        "events",
        "header_length",
        "host",
        "hosts",
        "length",
        "origin",
        "params",
        "receive",
        "scope",
        "type",
    )

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.receive = receive
        self.params: dict[str, str] = {}
        self.caller: Caller
        self.events = 0
        self.host = self.origin = self.authorization = self.type = b""
        self.encoding = self.header_length = b""
        self.hosts = 0
        self.length = -1
        for name, value in scope["headers"]:
            if name == b"host":
                self.host = value
                self.hosts += 1
            elif name == b"content-type":
                self.type = value
            elif name == b"content-length":
                self.length = int(value)  # the parser has seen to its form
            elif name == b"authorization":
                self.authorization = value
            elif name == b"origin":
                self.origin = value
            elif name == b"content-encoding":
                self.encoding = value
            elif name == b"inference-header-content-length":
                self.header_length = value

    def media_type(self, *accepted: bytes) -> bytes:
        """Give the body's type without parameters.

        Raises
        ------
        Problem
            Status 415: it is none of those accepted, or compressed.
        """
        kind = self.type.partition(b";")[0].strip().lower()
        if kind not in accepted:
            names = " or ".join(one.decode() for one in accepted)
            must, do = f"the body must be {names}", "Set the header content-type"
            raise Problem(415, explain("request", must, "another type or none", do))
        if self.encoding not in (b"", b"identity"):
            must, do = "the body must not be compressed", "Send it as it is"
            raise Problem(415, explain("request", must, "a compressed one", do))
        return kind

    async def body(self, most: int) -> bytes:
        """Read the body.

        Raises
        ------
        Problem
            Status 413: it is longer than `most` bytes.
        GoneError
            The connection was closed before the end of it.
        """
        if self.length > most:
            await self._discard(self.length, _PATIENT * most)
            raise _long_body(most)
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] != "http.request":
                raise GoneError
            part = message.get("body", b"")
            size += len(part)
            if size > most:
                if message.get("more_body", False):
                    await self._discard(size, _PATIENT * most)
                raise _long_body(most)
            if not message.get("more_body", False):
                return b"".join([*parts, part]) if parts else part
            parts.append(part)

    async def _discard(self, size: int, most: int) -> None:
        """Read on for a while: whoever is still sending would not hear the answer."""
        if size > most and self.length >= 0:
            return
        while True:
            message = await self.receive()
            size += len(message.get("body", b"")) if self.length < 0 else 0
            if not message.get("more_body", False) or size > most:
                return

    def query(self, *known: str) -> dict[str, str]:
        """Read the query string.

        Raises
        ------
        Problem
            Status 400: a name is unknown or occurs twice.
        """
        raw: bytes = self.scope["query_string"]
        if not raw:
            return {}
        try:
            pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict")
        except ValueError:
            pairs = [("", "")]
        found = dict(pairs)
        if len(found) != len(pairs) or not found.keys() <= set(known):
            may = f"may have {', '.join(known)}, each once" if known else "must be empty"
            raise malformed(f"the query {may}", "another", "See /openapi.json")
        return found


@dataclass(slots=True)
class Reply:
    """An answer.

    Attributes
    ----------
    body : bytes
    status : int
    type : bytes
        The body's media type; none for an empty body.
    headers : list of (bytes, bytes)
        Besides those that every reply has.
    """

    body: bytes = b""
    status: int = 200
    type: bytes = JSON
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)

    async def send(self, send: Send, is_encrypted: bool) -> None:
        """Send it."""
        await send(_start(self.status, self.type, self.headers, len(self.body), is_encrypted))
        await send({"type": "http.response.body", "body": self.body})


@dataclass(slots=True)
class StreamReply:
    """An answer that comes in pieces, until the source or the other side ends it.

    Attributes
    ----------
    pieces : async generator of bytes
    type : bytes
    status : int
    end : callable
        Called once, however it ends, also if it is never sent.
    """

    pieces: AsyncGenerator[bytes, None]
    type: bytes
    end: Callable[[], None]
    status: int = 200

    async def send(self, send: Send, is_encrypted: bool) -> None:
        """Send it."""
        try:
            await send(_start(self.status, self.type, [], None, is_encrypted))
            async for piece in self.pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            await self.pieces.aclose()
            self.end()


def _start(
    status: int,
    media_type: bytes,
    headers: list[tuple[bytes, bytes]],
    length: int | None,
    is_encrypted: bool,
) -> dict[str, Any]:
    sent = [*SAFE_HEADERS, *headers]
    if length is not None and status != 204:
        sent.append((b"content-length", b"%d" % length))
    if length != 0:
        sent.append((b"content-type", media_type))
    if is_encrypted:
        sent.append(_STRICT_TRANSPORT)
    return {"type": "http.response.start", "status": status, "headers": sent}


def _long_body(most: int) -> Problem:
    return too_large(f"the body may have {most} bytes", "a longer one", "Send it in parts")
