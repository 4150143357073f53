"""An open-loop load generator: a process that answers lines of JSON, see `main`.

Requests are due at times that were drawn before, whatever the answers do, and an answer's delay
counts from the time at which its request was due: a server that stalls cannot make its clients
wait unseen. While a request waits for a free connection its clock runs. Everything is encoded
before the first request is due; then one loop sends and receives, without threads or tasks.
"""

from __future__ import annotations

import gc
import json
import os
import select
import sys
import time
from collections import Counter
from typing import Any

import numpy as np

from benchmarks.serving.lanes import HttpLane, WebSocketLane
from benchmarks.serving.traffic import Traffic, encoded

LANES = {"http": HttpLane, "websocket": WebSocketLane}
LOST = 0  # the status of a request whose connection was closed
SHARES = {"p50": 50.0, "p99": 99.0, "p99.9": 99.9}


class Generator:
    """Connections to one server, and the loop over them.

    Parameters
    ----------
    host, port : str, int
        Of the server.
    way : {"http", "websocket"}
    lanes : int
        How many connections to hold open.
    """

    def __init__(self, host: str, port: int, way: str, lanes: int) -> None:
        self._address = host, port
        self._way, self._count = way, lanes
        self._open()

    def run(self, traffic: Traffic) -> dict[str, Any]:
        """Send all of it; say what came back, and what this has cost here."""
        due, requests = encoded(traffic, f"{self._address[0]}:{self._address[1]}")
        gc.collect()
        gc.freeze()
        gc.disable()
        start_cpu, start = time.process_time(), time.perf_counter()
        times = self._send_all(due, requests, start, traffic.grace)
        wall, cpu = time.perf_counter() - start, time.process_time() - start_cpu
        gc.enable()
        gc.unfreeze()
        if times.under_way:  # late answers must not meet the next traffic
            self.close()
            self._open()
        return _summary(traffic, due, times, wall) | {"seconds": wall, "cpu_share": cpu / wall}

    def close(self) -> None:
        """Close all connections."""
        self._epoll.close()
        for lane in self._lanes.values():
            lane.socket.close()

    def _open(self) -> None:
        lanes = [LANES[self._way](*self._address) for _ in range(self._count)]
        self._lanes = {lane.socket.fileno(): lane for lane in lanes}
        self._epoll = select.epoll()
        for number in self._lanes:
            self._epoll.register(number, select.EPOLLIN)

    def _send_all(
        self, due_at: np.ndarray, requests: list[bytes], start: float, grace: float
    ) -> Times:
        lanes, epoll = self._lanes, self._epoll
        count, clock = len(requests), time.perf_counter
        times, due = Times(count), [*due_at.tolist(), np.inf]
        idle = list(lanes.values())
        many = self._way == "websocket"
        freed = now = 0.0  # when a connection was last found idle after none was; the time
        following, turn = 0, 0
        end = due[count - 1] + grace if count else 0.0

        def report(number: int, status: int, applied: int) -> None:
            times.back[number] = now
            times.applied[number] = applied
            times.statuses[status] += 1
            times.under_way -= 1

        while following < count or times.under_way:
            now = clock() - start
            while due[following] <= now and idle:
                if many:
                    turn = (turn + 1) % len(idle)
                    lane = idle[turn]
                else:
                    lane = idle.pop()
                times.free[following] = max(due[following], freed)
                if not lane.send(following, requests[following]):
                    epoll.modify(lane.socket.fileno(), select.EPOLLIN | select.EPOLLOUT)
                times.sent[following] = now
                times.under_way += 1
                following += 1
                now = clock() - start
            if now > end:
                break
            until = min(due[following], end) if idle else end
            if until > now:  # epoll's own timeout counts in milliseconds
                select.select([epoll], [], [], until - now)
            ready = epoll.poll(0)
            now = clock() - start
            for number, what in ready:
                lane = lanes[number]
                try:
                    if what & select.EPOLLOUT and lane.flush():
                        epoll.modify(number, select.EPOLLIN)
                    if what & ~select.EPOLLOUT:
                        lane.receive(report)
                except ConnectionError:
                    if lane.under_way:
                        times.statuses[LOST] += lane.under_way
                        times.under_way -= lane.under_way
                    other = self._replace(number)
                    if lane in idle:
                        idle[idle.index(lane)] = other
                        continue
                    lane = other
                if not many and lane.idle:
                    if not idle:
                        freed = now
                    idle.append(lane)
        return times

    def _replace(self, number: int) -> HttpLane | WebSocketLane:
        """Open a connection in the place of one that the server has closed."""
        self._epoll.unregister(number)
        self._lanes.pop(number).socket.close()
        lane = LANES[self._way](*self._address)
        self._lanes[lane.socket.fileno()] = lane
        self._epoll.register(lane.socket.fileno(), select.EPOLLIN)
        return lane


class Times:
    """When each request went out and came back, in seconds after the start; inf: it did not."""

    def __init__(self, count: int) -> None:
        self.sent = [np.inf] * count
        self.free = [np.inf] * count  # when it could go out: it was due, and a connection idle
        self.back = [np.inf] * count
        self.applied = [0] * count
        self.statuses: Counter[int] = Counter()
        self.under_way = 0


def _summary(traffic: Traffic, due: np.ndarray, times: Times, wall: float) -> dict[str, Any]:
    """Count in events, over requests that were due in the measured part."""
    measured = due >= (0.0 if traffic.each_once else traffic.warm_up)
    applied = np.minimum(times.applied, traffic.size)  # an answer may say it twice
    delay = np.array(times.back) - due
    late = np.where(applied == traffic.size, delay, np.inf)[measured]
    late.sort()  # one that never came back is infinitely late
    was_sent = measured & np.isfinite(times.sent)
    lag = np.array(times.sent)[was_sent] - np.array(times.free)[was_sent]
    offered = int(measured.sum()) * traffic.size
    return {
        "offered": offered,
        "answered": int(applied[measured].sum()),
        "applied": int(applied.sum()),
        "rate": int(applied.sum()) / wall,
        "milliseconds": {
            name: 1e3 * float(late[min(len(late) - 1, int(len(late) * share / 100))])
            for name, share in SHARES.items()
            if len(late)
        },
        "lag_ms_p99": 1e3 * float(np.percentile(lag, 99)) if len(lag) else 0.0,
        "statuses": {str(status): count for status, count in times.statuses.items()},
    }


def main() -> None:
    """Answer ``{"connect": [HOST, PORT, WAY, LANES]}`` and ``{"run": TRAFFIC}`` until the end."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    generator: Generator | None = None
    for line in sys.stdin:
        question = json.loads(line)
        answer: dict[str, Any] = {}
        if "connect" in question:
            if generator is not None:
                generator.close()
            generator = Generator(*question["connect"])
        else:
            assert generator is not None, "connect comes first"
            answer = generator.run(Traffic(**question["run"]))
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
