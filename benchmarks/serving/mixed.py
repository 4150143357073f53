"""Clients that do everything a server must bear, one after the other, and check each answer."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from benchmarks.serving.server import HOST
from benchmarks.serving.traffic import INPUTS
from benchmarks.serving.wire import PING, frame, open_websocket, take_frame

LIVE = 100  # entities that a client sends events for at any time
KNOWN = 8  # last events that it remembers of each of them
BULK = 20
TOO_LARGE = 1e9  # a reading that no sensor gives
PATIENCE = 30.0  # seconds for an answer to be heard of
JSON = {"Content-Type": "application/json"}


class Entity:
    """What a client knows of one entity: its name and its last answered events."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.known: deque[dict[str, Any]] = deque(maxlen=KNOWN)  # event and its answer


class Client(threading.Thread):
    """One client with entities of its own.

    Parameters
    ----------
    port : int
    number : int
        Of the client; also the seed of what it does.
    rate : float
        Requests in a second, if the server is quick enough.

    Attributes
    ----------
    done : Counter
        What was done, by name.
    problem : Exception or None
        What ended it before it was stopped.
    """

    def __init__(self, port: int, number: int, rate: float) -> None:
        super().__init__(daemon=True)
        self._port, self._number, self._gap = port, number, 1 / rate
        self._random = random.Random(number)
        self._connection = http.client.HTTPConnection(HOST, port, timeout=60)
        self._made = self._sent = 0
        self._entities = [self._new() for _ in range(LIVE)]
        self._ends = threading.Event()
        self.done: Counter[str] = Counter()
        self.problem: Exception | None = None
        self._acts: dict[Callable[[], None], float] = {
            self.bulk: 40,
            self.single: 35,
            self.duplicate: 5,
            self.late: 5,
            self.quarantined: 3,
            self.malformed: 2,
            self.churn: 4,
            self.forget: 1,
            self.read: 8,
            self.websocket: 1,
            self.live: 1,
        }

    def stop(self) -> None:
        """Ask it to end, and wait."""
        self._ends.set()
        self.join()

    def run(self) -> None:
        """Act at the rate until stopped."""
        acts, weights = zip(*self._acts.items(), strict=True)
        due = time.monotonic()
        try:
            while not self._ends.wait(max(0.0, due - time.monotonic())):
                due = max(due + self._gap, time.monotonic() - 1.0)  # no endless catching up
                (act,) = self._random.choices(acts, weights)
                act()
                self.done[act.__name__] += 1
        except Exception as problem:  # noqa: BLE001 - the main thread raises it
            self.problem = problem
        finally:
            self._connection.close()

    def bulk(self) -> None:
        """Send events of several entities in one request."""
        chosen = self._random.sample(self._entities, BULK)
        events = [self._event() | {"entity": one.name} for one in chosen]
        results = self._ask("POST", "/v1/events", {"events": events}, 200)["results"]
        for entity, event, result in zip(chosen, events, results, strict=True):
            require(result["status"] == "applied", "a bulk event is applied", result)
            del event["entity"]
            self._keep(entity, event, result)

    def single(self) -> None:
        """Send one event."""
        entity, event = self._random.choice(self._entities), self._event()
        self._keep(entity, event, self._push(entity, event, 200))

    def duplicate(self) -> None:
        """Send an event again: it gets its first answer."""
        entity = self._random.choice(self._entities)
        if entity.known:
            known = self._random.choice(entity.known)
            result = self._push(entity, known["event"], 200)
            same = result["seq"] == known["seq"] and result["answer"] == known["answer"]
            require(result["status"] == "duplicate" and same, "the first answer again", result)

    def late(self) -> None:
        """Send an event that belongs between two others."""
        entity = self._random.choice(self._entities)
        if len(entity.known) > 1:
            *_, before, last = sorted(entity.known, key=lambda one: one["event"]["time"])
            between = (before["event"]["time"] + last["event"]["time"]) / 2
            event = self._event() | {"time": between}
            result = self._push(entity, event, 200)
            require(result["late"], "an event in between is late", result)
            self._keep(entity, event, result)

    def quarantined(self) -> None:
        """Send a reading that cannot be true."""
        entity = self._random.choice(self._entities)
        event = self._event() | {"data": {"x": [TOO_LARGE] * INPUTS}}
        self._push(entity, event, 422)

    def malformed(self) -> None:
        """Send what is no event."""
        self._ask("POST", "/v1/events", {"events": [{"entity": "a b", "data": {}}]}, 400)

    def churn(self) -> None:
        """Leave an entity alone for ever, and begin with another."""
        self._entities[self._random.randrange(LIVE)] = self._new()

    def forget(self) -> None:
        """Have an entity forgotten; then nobody knows it."""
        place = self._random.randrange(LIVE)
        entity = self._entities[place]
        self._ask("DELETE", f"/v1/entities/{entity.name}", None, 204 if entity.known else 404)
        self._ask("GET", f"/v1/entities/{entity.name}/state", None, 404)
        self._entities[place] = self._new()

    def read(self) -> None:
        """Look at an entity and its history."""
        entity = self._random.choice(self._entities)
        if entity.known:
            path = f"/v1/entities/{entity.name}"
            require(self._ask("GET", f"{path}/state", None, 200)["phase"] == "live", "live", path)
            events = self._ask("GET", f"{path}/history?limit=50", None, 200)["events"]
            require(len(events) > 0, "a history has events", path)

    def websocket(self) -> None:
        """Come by WebSocket, send events, and leave without a word."""
        socket = open_websocket(HOST, self._port, "/v1/stream")
        try:
            chosen = self._random.sample(self._entities, 5)
            events = [self._event() for _ in chosen]
            for k, (entity, event) in enumerate(zip(chosen, events, strict=True)):
                words = json.dumps({"ref": k, "entity": entity.name, **event})
                socket.sendall(frame(words.encode()))
            buffer, results = bytearray(), []
            while len(results) < len(events):
                piece = socket.recv(1 << 16)
                require(bool(piece), "a WebSocket stays open", "closed")
                buffer += piece
                while (taken := take_frame(buffer)) is not None:
                    if taken[0] != PING:
                        results.append(json.loads(taken[1]))
            for result in results:
                require(result["status"] == "applied", "a WebSocket's event is applied", result)
                place = result["ref"]
                self._keep(chosen[place], events[place], result)
        finally:
            socket.close()

    def live(self) -> None:
        """Listen to an entity, send an event, hear of it, and leave."""
        entity = self._random.choice(self._entities)
        if not entity.known:
            return
        listening = http.client.HTTPConnection(HOST, self._port, timeout=60)
        try:
            listening.request("GET", f"/v1/entities/{entity.name}/live")
            answer = listening.getresponse()
            require(answer.status == http.HTTPStatus.OK, "a live stream opens", answer.status)
            event = self._event()
            result = self._push(entity, event, 200)
            self._keep(entity, event, result)
            told = f'"seq":{result["seq"]},'.encode()
            stop = time.monotonic() + PATIENCE
            while told not in (line := answer.readline()):
                require(bool(line) and time.monotonic() < stop, "a live stream tells", line)
        finally:
            listening.close()

    def _new(self) -> Entity:
        self._made += 1
        return Entity(f"machine-{self._number}-{self._made}")

    def _event(self) -> dict[str, Any]:
        self._sent += 1
        x = [round(self._random.gauss(0, 1), 3) for _ in range(INPUTS)]
        return {"id": f"{self._number}-{self._sent}", "time": time.time(), "data": {"x": x}}

    def _keep(self, entity: Entity, event: dict[str, Any], result: dict[str, Any]) -> None:
        entity.known.append({"event": event, "seq": result["seq"], "answer": result["answer"]})

    def _push(self, entity: Entity, event: dict[str, Any], status: int) -> dict[str, Any]:
        return self._ask("POST", f"/v1/entities/{entity.name}/events", event, status)

    def _ask(self, method: str, path: str, body: Any, status: int) -> Any:
        data = None if body is None else json.dumps(body)
        self._connection.request(method, path, data, JSON if body is not None else {})
        answer = self._connection.getresponse()
        words = answer.read()
        require(answer.status == status, f"{method} {path} gives {status}", (answer.status, words))
        return json.loads(words) if words else None


def require(is_true: bool, what: str, given: object) -> None:
    """Raise if the server does not do what it must.

    Raises
    ------
    RuntimeError
        It does not.
    """
    if not is_true:
        raise RuntimeError(f"it must be that {what}; got {given!r}"[:500])
