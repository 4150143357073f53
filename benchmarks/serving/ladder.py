"""Offered rates, step by step, until a server cannot keep up."""

from __future__ import annotations

import math
import sys
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from benchmarks.harness.record import Recorder
from benchmarks.harness.remote import Remote
from benchmarks.serving.server import HOST, Usage
from benchmarks.serving.traffic import Form, Traffic

RATES = tuple(  # events a second
    1000 * rate
    for rate in (0.5, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
)
ANSWERED, BOUND_MS = 0.99, 100.0  # what a sustained rate must keep: share answered, p99
DESCENTS = 4  # halvings of the first rate
LONG = 1800.0  # seconds that anything may take
FILL_SIZE, FILL_LANES, AT_ONCE = 500, 16, 1e6


class Kind(NamedTuple):
    """A way to send events.

    Attributes
    ----------
    name : str
    form : {"events", "websocket", "inference"}
    size : int
        Events in a request.
    lanes : int
        Connections.
    first : float
        The lowest rate that is offered.
    half : float
        A rate that is always measured: half of what the server must sustain.
    """

    name: str
    form: Form
    size: int
    lanes: int
    first: float
    half: float


class Serving(Protocol):
    """A server as a process."""

    @property
    def port(self) -> int:
        """Of loopback."""
        ...

    def usage(self) -> Usage:
        """Read what it holds and has used."""
        ...


@contextmanager
def generator(scratch: Path) -> Generator[Remote]:
    """Start the load generator."""
    command = [sys.executable, "-m", "benchmarks.serving.generator"]
    with Remote(command, {"OMP_NUM_THREADS": "1"}, scratch) as remote:
        yield remote


class Ladder:
    """One generator, used for all that is measured in a run.

    Parameters
    ----------
    recorder : Recorder
    remote : Remote
        The generator.
    seconds : float
        How long each rate is measured.
    halvings : int
        Rates tried between the last that was sustained and the first that was not.
    """

    def __init__(
        self, recorder: Recorder, remote: Remote, seconds: float = 10.0, halvings: int = 2
    ) -> None:
        self._recorder, self._remote = recorder, remote
        self._seconds, self._halvings = seconds, halvings
        self._seeds = count(1)  # ids of events are never used twice

    def fill(
        self, server: Serving, first: int, entities: int, form: Form = "events"
    ) -> dict[str, Any]:
        """Make entities known, each by one event, as fast as they are taken.

        Raises
        ------
        RuntimeError
            Not all of them were.
        """
        size = 1 if form == "inference" else min(FILL_SIZE, entities)
        self._connect(server, form, FILL_LANES)
        traffic = Traffic(form, AT_ONCE, 0.0, size, entities, first, each_once=True, grace=LONG)
        answer = self._run(traffic)
        if answer["answered"] < entities:
            raise RuntimeError(
                f"only {answer['answered']} of {entities} entities were taken: {answer['statuses']}"
            )
        return answer

    def climb(self, kind: Kind, entities: int, system: str, server: Serving) -> float:
        """Offer more and more, record what came of each rate, and return the last sustained.

        A rate that is not sustained is offered a second time: the machine may have been elsewhere.
        Where the first rate is too high already, half of it is tried, and half of that.
        """
        self._connect(server, kind.form, kind.lanes)
        best, failed = 0.0, math.inf
        for rate in sorted({kind.half, *(rate for rate in RATES if rate >= kind.first)}):
            if self._step(kind, entities, rate, system, server):
                best = rate
            elif rate != kind.half:
                failed = rate
                if rate < kind.half:
                    self._step(kind, entities, kind.half, system, server)
                break
        while not best and failed > kind.first / 2**DESCENTS:
            failed /= 2
            best = failed if self._step(kind, entities, failed, system, server) else 0.0
        if best == failed:  # found on the way down
            failed *= 2
        for _ in range(self._halvings if best and math.isfinite(failed) else 0):
            middle = (best + failed) / 2
            if self._step(kind, entities, middle, system, server):
                best = middle
            else:
                failed = middle
        case = case_of(kind, entities)
        self._recorder.add(case, system, "sustained_events_per_second", best)
        return best

    def _connect(self, server: Serving, form: Form, lanes: int) -> None:
        way = "websocket" if form == "websocket" else "http"
        self._remote.ask({"connect": [HOST, server.port, way, lanes]})

    def _step(self, kind: Kind, entities: int, rate: float, system: str, server: Serving) -> bool:
        """Offer one rate, if need be twice, and say whether it was sustained."""
        return any(self._offer(kind, entities, rate, system, server, turn) for turn in range(2))

    def _offer(
        self, kind: Kind, entities: int, rate: float, system: str, server: Serving, turn: int
    ) -> bool:
        """Offer one rate, record what came of it, and say whether it was sustained."""
        before = server.usage()
        answer = self._run(Traffic(kind.form, rate, self._seconds, kind.size, entities))
        used = server.usage().cpu_seconds - before.cpu_seconds
        share = answer["answered"] / answer["offered"]
        figures = {
            "answered_percent": 100 * share,
            **{f"milliseconds_{name}": value for name, value in answer["milliseconds"].items()},
            "server_cpu_percent": 100 * used / answer["seconds"],
            "server_cpu_microseconds_per_event": 1e6 * used / max(answer["applied"], 1),
            "generator_cpu_percent": 100 * answer["cpu_share"],
            "generator_lag_milliseconds_p99": answer["lag_ms_p99"],
        }
        case = f"{case_of(kind, entities)}, offered {rate:,.0f}/s"
        for metric, value in figures.items():
            if math.isfinite(value):  # what was never answered has no delay
                self._recorder.add(
                    case, system, metric, value, seconds=answer["seconds"], seed=turn or None
                )
        return share >= ANSWERED and answer["milliseconds"]["p99"] <= BOUND_MS

    def _run(self, traffic: Traffic) -> dict[str, Any]:
        question = {"run": traffic.as_json() | {"seed": next(self._seeds)}}
        return self._remote.ask(question, LONG)


def case_of(kind: Kind, entities: int) -> str:
    """Name a way of sending and the number of entities that take part."""
    return f"{kind.name}, {entities:,} {'entity' if entities == 1 else 'entities'}"
