"""What a caller is told when a call cannot be served."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from cellstate.errors import explain

Headers = Sequence[tuple[bytes, bytes]]

# A status alone says it where an outcome of the engine is passed on.
CODES = {
    400: "malformed",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media_type",
    421: "elsewhere",
    422: "refused",
    429: "busy",
    431: "too_large",
    500: "internal",
    503: "unavailable",
}


class Problem(Exception):  # noqa: N818 - it ends a call, not the program
    """A call that is answered with an error.

    Parameters
    ----------
    status : int
    message : str
        Three sentences; no value that was sent, no path, no trace.
    code : str
        For programs; what the status says when left out.
    headers : sequence of (bytes, bytes)
    extra : mapping, optional
        Further members of the error, JSON-ready.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str = "",
        headers: Headers = (),
        extra: dict[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code or CODES[status]
        self.headers = headers
        self.extra = extra

    def body(self) -> bytes:
        """Write it as JSON.

        Examples
        --------
        >>> Problem(404, "No such entity.").body()
        b'{"error":{"code":"not_found","message":"No such entity."}}'
        """
        error = {"code": self.code, "message": str(self), **(self.extra or {})}
        return json.dumps({"error": error}, separators=(",", ":")).encode()


def malformed(must: str, given: str, do: str, where: str = "request") -> Problem:
    """Say that a request cannot be read."""
    return Problem(400, explain(where, must, given, do))


def too_large(must: str, given: str, do: str) -> Problem:
    """Say that a request is larger than the server takes, and end the connection."""
    return Problem(413, explain("request", must, given, do), headers=[(b"connection", b"close")])


def busy(message: str, retry_after_s: float) -> Problem:
    """Say when to come back."""
    seconds = str(max(1, math.ceil(min(retry_after_s, 3600)))).encode()
    return Problem(429, message, headers=[(b"retry-after", seconds)])


def unavailable(message: str, code: str = "draining") -> Problem:
    """Say that the server takes nothing now."""
    return Problem(503, message, code, headers=[(b"retry-after", b"1")])


def not_found() -> Problem:
    """Say that there is no such entity; the same where it is another tenant's."""
    must, given = "the entity must be known", "one that has no events here"
    return Problem(404, explain("request", must, given, "Check its name, or send its first event"))
