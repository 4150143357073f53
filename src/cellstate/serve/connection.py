"""A client's connections: kept open, one for each server, and what comes back on them."""

from __future__ import annotations

import http.client
import json
import random
import ssl
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cellstate.errors import InputError, ServerError, explain

FIRST_WAIT_S, LONGEST_WAIT_S = 0.05, 5.0
_JSON = "application/json"


@dataclass(frozen=True)
class Answer:
    """What a server answered.

    Attributes
    ----------
    status : int
    body : bytes
    retry_after_s : float or None
        When to come back, if it said so.
    location : str
        Where else to ask; empty if nowhere.
    """

    status: int
    body: bytes
    retry_after_s: float | None = None
    location: str = ""

    def document(self) -> Any:
        """Read the body as JSON."""
        return json.loads(self.body)

    @property
    def message(self) -> str:
        """Tell what went wrong, as the server explained it."""
        try:
            return str(self.document()["error"]["message"])
        except (ValueError, LookupError, TypeError):
            must, given = "the server must answer", f"status {self.status} without a reason"
            return explain("client", must, given, "Check that it is a cellstate server")

    @property
    def owner(self) -> str:
        """The address of the process to ask instead; empty where this one will do."""
        if self.status == 307 and self.location:
            place = urlsplit(self.location)
            return f"{place.scheme}://{place.netloc}"
        if self.status == 421:
            try:
                return str(self.document()["error"]["owner"]).rstrip("/")
            except (ValueError, LookupError, TypeError):
                return ""
        return ""


class Patience:
    """How long a call is tried again, and how long to wait between two tries.

    Parameters
    ----------
    seconds : float
        In all.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._next = FIRST_WAIT_S

    @property
    def is_left(self) -> bool:
        """Whether there is time for another try."""
        return time.monotonic() + self._next < self._end

    def wait(self, seconds: float | None, give_up: Callable[[], Exception]) -> None:
        """Wait as long as the server said, or twice as long as last time, but for some chance.

        Raises
        ------
        Exception
            What `give_up` makes: there is no time left.
        """
        # Many clients that were turned away together must not come back together.
        pause = self._next * random.uniform(0.5, 1.0) if seconds is None else seconds
        if time.monotonic() + pause >= self._end:
            raise give_up()
        time.sleep(pause)
        # A server that keeps sending elsewhere is not asked ever faster.
        self._next = min(self._next * 2, LONGEST_WAIT_S)


class Connections:
    """Connections to servers, by their addresses. Used by one thread at a time, but for `listen`.

    Parameters
    ----------
    url : str
        The first of them.
    key : str, optional
    timeout_s : float
    certificate : Path, optional
    """

    def __init__(
        self, url: str, key: str | None, timeout_s: float, certificate: Path | None
    ) -> None:
        place = urlsplit(url)
        if place.scheme not in ("http", "https") or not place.hostname:
            must, do = "the address must be a URL", "Write http://127.0.0.1:8000, say"
            raise InputError(explain("client", must, repr(url), do))
        self._headers = {"accept": _JSON} | ({"authorization": f"Bearer {key}"} if key else {})
        self._timeout_s = timeout_s
        self._is_encrypted = place.scheme == "https"
        self._context = (
            ssl.create_default_context(cafile=certificate) if self._is_encrypted else None
        )
        self._open: dict[str, http.client.HTTPConnection] = {}

    def call(self, method: str, url: str, path: str, body: bytes | None = None) -> Answer:
        """Send a request and read its answer.

        Raises
        ------
        OSError
            The connection was lost, or cannot be made. It is not known whether the server has
            seen the request.
        """
        connection = self._open.get(url)
        is_fresh = connection is None
        if connection is None:
            connection = self._open[url] = self._connect(url)
        headers = self._headers | ({"content-type": _JSON} if body is not None else {})
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException) as problem:
            self._open.pop(url).close()
            if not is_fresh and isinstance(problem, http.client.RemoteDisconnected):
                return self.call(method, url, path, body)  # it had been idle for too long
            raise problem if isinstance(problem, OSError) else OSError(str(problem)) from None
        if response.will_close:
            self._open.pop(url).close()
        return _answer(response, data)

    def listen(self, url: str, path: str, hops: int = 3) -> Generator[bytes, None, None]:
        """Open a connection of its own, and give the lines that come on it.

        Raises
        ------
        OSError, ServerError, InputError
            It cannot be opened, or the server does not want to.
        """
        connection = self._connect(url)
        try:
            connection.request("GET", path, headers=self._headers)
            response = connection.getresponse()
            if response.status != 200:
                answer = _answer(response, response.read())
                if answer.owner and hops:
                    connection.close()
                    return self.listen(answer.owner, path, hops - 1)
                kind = ServerError if answer.status in (429, 503) else InputError
                raise kind(answer.message)
            response.readline()  # that it listens
        except BaseException:
            connection.close()
            raise
        return _lines(connection, response)

    def close(self) -> None:
        """Close all."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()

    def _connect(self, url: str) -> http.client.HTTPConnection:
        place = urlsplit(url)
        host, port = place.hostname or "", place.port
        if self._context is not None:
            if place.scheme != "https":
                must, given = "a server with TLS must not send a key elsewhere", "one that does"
                raise ServerError(explain("client", must, given, "Check its --address"))
            return http.client.HTTPSConnection(
                host, port, timeout=self._timeout_s, context=self._context
            )
        return http.client.HTTPConnection(host, port, timeout=self._timeout_s)


def _answer(response: http.client.HTTPResponse, data: bytes) -> Answer:
    retry_after = response.getheader("retry-after", "")
    seconds = float(retry_after) if retry_after.isdigit() else None
    return Answer(response.status, data, seconds, response.getheader("location", ""))


def _lines(
    connection: http.client.HTTPConnection, response: http.client.HTTPResponse
) -> Generator[bytes, None, None]:
    try:
        while line := response.readline():
            yield line
    except (OSError, http.client.HTTPException):
        return  # the server has ended, which the caller sees
    finally:
        response.close()
        connection.close()
