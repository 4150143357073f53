"""Clients that send each event until it was acknowledged, to whichever server takes it."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from benchmarks.serving.server import HOST
from benchmarks.serving.traffic import INPUTS

ELSEWHERE, MOMENT = (307, 421), 0.02  # seconds before another try
JSON = {"Content-Type": "application/json"}


class Acknowledged(NamedTuple):
    """An event that a server has answered.

    Attributes
    ----------
    entity, id : str
    seq : int
    answer : dict
    began, ended : float
        When it was first sent, and when its answer was there, by `time.monotonic`.
    """

    entity: str
    id: str
    seq: int
    answer: dict[str, Any]
    began: float
    ended: float


class Sender(threading.Thread):
    """One client with one entity; it sends to the server that answered last, else to any.

    Parameters
    ----------
    ports : sequence of int
        Of all servers.
    number : int
        Of the client and its entity.
    gap : float
        Seconds between two events.
    """

    def __init__(self, ports: list[int], number: int, gap: float) -> None:
        super().__init__(daemon=True)
        self._ports, self._number, self._gap = ports, number, gap
        self._random = random.Random(number)
        self._at = 0  # the port where the entity is, as far as is known
        self._connections: dict[int, http.client.HTTPConnection] = {}
        self.entity = f"station-{number}"
        self._ends = threading.Event()
        self.acknowledged: list[Acknowledged] = []
        self.sendings = 0
        self.problem: Exception | None = None

    def stop(self) -> None:
        """Let it end after the event under way."""
        self._ends.set()

    def run(self) -> None:
        """Send one event after the other."""
        count = 0
        try:
            while not self._ends.wait(self._random.uniform(0, 2 * self._gap)):
                count += 1
                x = [round(self._random.gauss(0, 1), 3) for _ in range(INPUTS)]
                self._send(f"{self._number}-{count}", x)
        except Exception as problem:  # noqa: BLE001 - the main thread raises it
            self.problem = problem

    def _send(self, id: str, x: list[float]) -> None:
        body = json.dumps({"id": id, "data": {"x": x}})
        began = time.monotonic()
        while True:
            self.sendings += 1
            port = self._at or self._random.choice(self._ports)
            status, document = self._ask(port, f"/v1/entities/{self.entity}/events", body)
            if status == http.HTTPStatus.OK:
                self._at = port
                answer, seq = document["answer"], document["seq"]
                told = Acknowledged(self.entity, id, seq, answer, began, time.monotonic())
                self.acknowledged.append(told)
                return
            self._at = 0
            if status in ELSEWHERE and (owner := document["error"].get("owner")):
                self._at = urlsplit(owner).port or 0
            elif status not in (0, 429, 503, *ELSEWHERE):
                raise RuntimeError(f"status {status}: {document}")
            time.sleep(MOMENT)

    def _ask(self, port: int, path: str, body: str) -> tuple[int, Any]:
        """Give status and answer; status 0 without any."""
        connection = self._connections.setdefault(
            port, http.client.HTTPConnection(HOST, port, timeout=30)
        )
        try:
            connection.request("POST", path, body, JSON)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException):
            connection.close()
            return 0, None
