"""A client for programs in Python: events with ids of their own, sent again where that is safe."""

from __future__ import annotations

import itertools
import json
import threading
import uuid
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlencode

from cellstate.errors import (
    BusyError,
    CellstateError,
    EventError,
    InputError,
    ServerError,
    explain,
)
from cellstate.serve.connection import Answer, Connections, Patience

Time = float | int | str | datetime
_MOST_OWNERS = 100_000
_AGAIN = (421, 429, 503)
_REFUSED = (409, 422)
_PAGE = 1000


class Client:
    """Talks to a server over HTTP; needs nothing but the standard library.

    Every event is given an id if it has none, so it can be sent again after a lost connection or a
    server that was busy, and still counts once.

    Parameters
    ----------
    url : str
        The server's address, as ``http://127.0.0.1:8000``.
    key : str, optional
        Sent with every call; from `cellstate keys new`.
    timeout_s : float
        Seconds to wait for the network.
    patience_s : float
        Seconds for which a call is tried again before it fails.
    certificate : Path, optional
        PEM file of the authority that the server's certificate is checked with; the system's
        authorities when left out.

    Examples
    --------
    >>> with Client("http://127.0.0.1:8000") as client:  # doctest: +SKIP
    ...     client.push("sensor-1", {"value": 20.5})["answer"]
    {'expected': 20.1, 'surprise': 0.4}
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout_s: float = 30.0,
        patience_s: float = 60.0,
        certificate: Path | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._connections = Connections(self.url, key, timeout_s, certificate)
        self._patience_s = patience_s
        self._owners: dict[str, str] = {}  # where entities live, if not at `url`
        self._lock = threading.Lock()

    def push(
        self,
        entity: str,
        data: Mapping[str, Any],
        *,
        time: Time | None = None,
        id: str | None = None,
        begin: bool = False,
        end: bool = False,
    ) -> dict[str, Any]:
        """Send an event and wait for its answer.

        Parameters
        ----------
        entity : str
        data : mapping of str to value
        time : float, str or datetime, optional
            Seconds, or a moment with its zone; now when left out.
        id : str, optional
            Its own when left out.
        begin, end : bool
            Make the entity's state anew first; end it afterwards.

        Returns
        -------
        dict
            ``answer``, ``seq``, ``time``, ``late``, ``status`` …

        Raises
        ------
        EventError
            The event was quarantined or refused.
        InputError
            It cannot be sent, or the key does not allow it.
        BusyError, ServerError
            The server took it not in time; with the same id it can be sent again.
        """
        event: dict[str, Any] = {"id": id or uuid.uuid4().hex, "data": data}
        if time is not None:
            event["time"] = _written(time)
        if begin:
            event["begin"] = True
        if end:
            event["end"] = True
        return self._call("POST", f"{_path(entity)}/events", event, entity=entity).document()

    def push_many(
        self, events: Iterable[Mapping[str, Any]], *, at_once: int = 500
    ) -> list[dict[str, Any]]:
        """Send events of any entities, in their order, and wait for their answers.

        Parameters
        ----------
        events : iterable of mapping
            Each as ``{"entity": …, "data": …}``, with ``time``, ``id``, ``begin``, ``end`` if
            wanted.
        at_once : int
            Events in one request.

        Returns
        -------
        list of dict
            One result for each, in their order; ``code`` 200 says that it was applied, or was
            before. Nothing is raised for a single event.

        Raises
        ------
        InputError, BusyError, ServerError
            As for `push`, for a whole request. What was sent before it is kept.
        """
        results: list[dict[str, Any]] = []
        for chunk in _chunks(events, at_once):
            results += self._push_chunk([_with_id(event) for event in chunk])
        return results

    def state(self, entity: str) -> dict[str, Any] | None:
        """Tell what the server knows of an entity; None where there is none."""
        return self._find("GET", f"{_path(entity)}/state")

    def history(
        self, entity: str, *, newest_first: bool = False, limit: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Give an entity's events with their answers, read page by page."""
        order = "newest" if newest_first else "oldest"
        pages = self._pages(f"{_path(entity)}/history", "events", {"order": order})
        return itertools.islice(pages, limit)

    def entities(self) -> Iterator[dict[str, Any]]:
        """Give the tenant's entities, read page by page."""
        return self._pages("/v1/entities", "entities", {})

    def forget(self, entity: str) -> bool:
        """Have the server forget an entity wholly; returns whether there was one."""
        return self._call("DELETE", _path(entity), missing=(404,), entity=entity).status == 204

    def model(self) -> dict[str, Any]:
        """Describe the model: what an event may hold and what an answer holds."""
        return self._call("GET", "/v1/model").document()

    def is_ready(self) -> bool:
        """Whether the server takes events."""
        try:
            return self._connections.call("GET", self.url, "/readyz").status == 200
        except OSError:
            return False

    def stream(self, entity: str) -> Generator[dict[str, Any], None, None]:
        """Give an entity's results as they are made, until the server or the caller ends it.

        The connection is open when this returns: no later event is missed.

        Raises
        ------
        InputError, ServerError
            The server does not want to, or cannot be reached.
        """
        try:
            lines = self._connections.listen(self._at(entity), f"{_path(entity)}/live")
        except CellstateError:
            raise
        except OSError as problem:
            raise _unreachable(self.url, problem) from None
        return self._results(lines)

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            self._connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _results(
        self, lines: Generator[bytes, None, None]
    ) -> Generator[dict[str, Any], None, None]:
        try:
            is_good = True
            for line in lines:
                if line.startswith(b"event:"):
                    is_good = False
                elif line.startswith(b"data:") and is_good:
                    yield json.loads(line[5:])
        finally:
            lines.close()

    def _find(self, method: str, path: str) -> dict[str, Any] | None:
        answer = self._call(method, path, missing=(404,))
        return None if answer.status == 404 else answer.document()

    def _pages(self, path: str, name: str, query: dict[str, str]) -> Iterator[dict[str, Any]]:
        after: Any = None
        while True:
            asked = {**query, "limit": str(_PAGE)}
            if after is not None:
                asked["after"] = str(after)
            page = self._find("GET", f"{path}?{urlencode(asked)}")
            if page is None:
                return
            yield from page[name]
            after = page["next"]
            if after is None:
                return

    def _at(self, entity: str | None) -> str:
        return self._owners.get(entity or "", self.url)

    def _call(
        self,
        method: str,
        path: str,
        document: Any = None,
        *,
        entity: str | None = None,
        missing: Sequence[int] = (),
    ) -> Answer:
        """Call until there is an answer that another try would not change."""
        body = None if document is None else _encoded(document)
        patience = Patience(self._patience_s)
        while True:
            try:
                with self._lock:
                    answer = self._connections.call(method, self._at(entity), path, body)
            except OSError as problem:
                self._owners.pop(entity or "", None)
                patience.wait(None, lambda problem=problem: _unreachable(self.url, problem))
                continue
            owner = answer.owner
            if owner and entity:
                if len(self._owners) < _MOST_OWNERS:
                    self._owners[entity] = owner
                patience.wait(0.0, lambda answer=answer: _error_of(answer))
            elif answer.status in _AGAIN:
                patience.wait(answer.retry_after_s, lambda answer=answer: _error_of(answer))
            elif answer.status < 300 or answer.status in missing:
                return answer
            else:
                raise _error_of(answer)

    def _push_chunk(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Send events until each has a result that another try would not change."""
        results: list[dict[str, Any]] = [{} for _ in events]
        waiting = list(range(len(events)))
        patience = Patience(self._patience_s)
        while waiting:
            by_server: dict[str, list[int]] = {}
            for at in waiting:
                by_server.setdefault(self._at(events[at]["entity"]), []).append(at)
            for places in by_server.values():
                chunk = [events[at] for at in places]
                entity = events[places[0]]["entity"]
                answer = self._call("POST", "/v1/events", {"events": chunk}, entity=entity)
                for at, result in zip(places, answer.document()["results"], strict=True):
                    results[at] = result
            waiting = [at for at in waiting if results[at]["code"] in _AGAIN]
            if not waiting:
                break
            for at in waiting:
                name, owner = events[at]["entity"], results[at].get("owner")
                self._owners.pop(name, None)
                if owner and len(self._owners) < _MOST_OWNERS:
                    self._owners[name] = owner
            if not patience.is_left:
                break
            patience.wait(None, lambda: _unreachable(self.url, OSError("no answer")))
        return results


def _path(entity: str) -> str:
    return f"/v1/entities/{quote(entity, safe='')}"


def _written(moment: Time) -> float | int | str:
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            must, given = "a moment must have a zone", "one without"
            raise InputError(explain("client", must, given, "Add tzinfo=datetime.UTC, say"))
        return moment.isoformat()
    return moment


def _with_id(event: Mapping[str, Any]) -> dict[str, Any]:
    sent = dict(event)
    if sent.get("id") is None:
        sent["id"] = uuid.uuid4().hex
    if sent.get("time") is not None:
        sent["time"] = _written(sent["time"])
    if not isinstance(sent.get("entity"), str):
        must, given = "each event must have an entity", "one without"
        raise InputError(explain("client", must, given, "Add its name"))
    return sent


def _encoded(document: Any) -> bytes:
    try:
        text = json.dumps(document, allow_nan=False, separators=(",", ":"), default=_plain)
    except (ValueError, TypeError):
        must, given = "values must be finite numbers, text, flags or lists of them", "others"
        do = "Send None where a number is missing"
        raise InputError(explain("client", must, given, do)) from None
    return text.encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "tolist"):  # NumPy's arrays and scalars
        return value.tolist()
    raise TypeError


def _chunks(events: Iterable[Mapping[str, Any]], size: int) -> Iterator[list[Mapping[str, Any]]]:
    left = iter(events)
    while chunk := list(itertools.islice(left, size)):
        yield chunk


def _error_of(answer: Answer) -> Exception:
    message = answer.message
    if answer.status in _REFUSED:
        return EventError(message)
    if answer.status == 429:
        return BusyError(message, answer.retry_after_s or 1.0)
    if answer.status >= 500 or answer.status == 421:
        return ServerError(message)
    return InputError(message)


def _unreachable(url: str, problem: OSError) -> ServerError:
    given = problem.strerror or type(problem).__name__
    do = "Start it with cellstate serve, or check the address"
    return ServerError(explain("client", f"there must be a server at {url}", given, do))
