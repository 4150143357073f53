"""The server under an open loop of load: delays by offered rate, the rate that it sustains, memory.

Server and generator are processes on the same cores. Every answer that counts was committed and
flushed to the disk that the first rows name.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from benchmarks.harness.remote import Remote
from benchmarks.serving.disk import record_disk
from benchmarks.serving.model import save_model
from benchmarks.serving.server import HOST, NullServer, Server
from benchmarks.serving.traffic import Traffic, Way

ENTITIES, QUICK_ENTITIES = (1, 100, 100_000), (1, 1000)
RATES = tuple(  # events a second
    1000 * rate
    for rate in (0.5, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
)
SECONDS, QUICK_SECONDS = 10.0, 2.0
ANSWERED, BOUND_MS = 0.99, 100.0  # what a sustained rate must keep: share answered, p99
HALVINGS = 2  # between the last rate that was sustained and the first that was not
LONG = 1800.0  # seconds that filling may take
FILL_SIZE, FILL_LANES, AT_ONCE = 500, 16, 1e6
KEPT = (100_000, 500_000, 1_000_000)
QUICK_KEPT = (2_000, 10_000)
MB = 1e6


class Kind(NamedTuple):
    """A way to send events.

    Attributes
    ----------
    name : str
    way : {"http", "websocket"}
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
    way: Way
    size: int
    lanes: int
    first: float
    half: float


KINDS = (
    Kind("HTTP, 1 event", "http", 1, 128, 500, 1_000),
    Kind("HTTP, 10 events", "http", 10, 64, 2_000, 15_000),
    Kind("HTTP, 100 events", "http", 100, 32, 5_000, 15_000),
    Kind("HTTP, 1000 events", "http", 1000, 16, 5_000, 15_000),
    Kind("WebSocket, 1 event", "websocket", 1, 8, 500, 1_000),
)
QUICK_KINDS = (KINDS[0], KINDS[2], KINDS[4])


def run(recorder: Recorder, options: Options) -> None:
    """Measure the disk, the generator against nothing, each way of sending, and memory."""
    with tempfile.TemporaryDirectory(prefix="serve-load-") as name:
        scratch = Path(name)
        record_disk(recorder, scratch, quick=options.quick)
        model = save_model(scratch / "model")
        with generator(scratch) as remote:
            bench = Bench(recorder, options, scratch, model, remote)
            for kind in QUICK_KINDS if options.quick else KINDS:
                bench.ceiling(kind)
            for entities in QUICK_ENTITIES if options.quick else ENTITIES:
                for kind in QUICK_KINDS if options.quick else KINDS:
                    bench.sustained(kind, entities)
            bench.memory(QUICK_KEPT if options.quick else KEPT)


@contextmanager
def generator(scratch: Path) -> Generator[Remote]:
    """Start the load generator."""
    command = [sys.executable, "-m", "benchmarks.serving.generator"]
    with Remote(command, {"OMP_NUM_THREADS": "1"}, scratch) as remote:
        yield remote


class Bench:
    """One run: where its files lie, and the generator that all of it uses."""

    def __init__(
        self, recorder: Recorder, options: Options, scratch: Path, model: Path, remote: Remote
    ) -> None:
        self._recorder, self._quick = recorder, options.quick
        self._scratch, self._model, self._remote = scratch, model, remote
        self._seeds = count(1)  # ids of events are never used twice

    def ceiling(self, kind: Kind) -> None:
        """Find what the generator can offer to a server that does nothing."""
        with NullServer() as null:
            self._ladder(kind, 1000, "null server", null)

    def sustained(self, kind: Kind, entities: int) -> None:
        """Offer more and more, until the server cannot keep up."""
        with self._server() as server:
            self._fill(server, 0, entities)
            self._ladder(kind, entities, "cellstate", server)

    def memory(self, counts: tuple[int, ...]) -> None:
        """Let one entity after the other come, each once, and look at memory and disk."""
        with self._server() as server:
            known = 0
            resident: list[int] = []
            for wanted in counts:
                answer = self._fill(server, known, wanted - known)
                case, known = f"{wanted:,} entities, one event each", wanted
                now = server.usage()
                resident.append(now.resident)
                for metric, value in (
                    ("resident_megabytes", now.resident / MB),
                    ("anonymous_megabytes", now.anonymous / MB),
                    ("disk_bytes_per_entity", server.store_bytes() / wanted),
                    ("new_entities_per_second", answer["rate"]),
                ):
                    self._recorder.add(case, "cellstate", metric, value)
            growth = 100 * (resident[-1] / resident[0] - 1)
            case = f"from {counts[0]:,} to {counts[-1]:,} entities"
            self._recorder.add(case, "cellstate", "resident_percent_grown", growth)

    @contextmanager
    def _server(self) -> Generator[Server]:
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            store = str(Path(folder, "state.db"))
            with Server(self._model, store, self._scratch) as server:
                yield server.wait()

    def _fill(self, server: Server, first: int, entities: int) -> dict[str, Any]:
        """Make entities known, each by one event, as fast as they are taken."""
        self._remote.ask({"connect": [HOST, server.port, "http", FILL_LANES]})
        size = min(FILL_SIZE, entities)
        traffic = Traffic(
            "http", AT_ONCE, 0.0, size, entities, first, each_once=True, warm_up=0.0, grace=LONG
        )
        answer = self._run(traffic)
        if answer["answered"] < entities:
            raise RuntimeError(f"only {answer['answered']} of {entities} entities were taken")
        return answer

    def _ladder(self, kind: Kind, entities: int, system: str, server: Server | NullServer) -> None:
        self._remote.ask({"connect": [HOST, server.port, kind.way, kind.lanes]})
        best, failed = 0.0, math.inf
        for rate in sorted({kind.half, *(rate for rate in RATES if rate >= kind.first)}):
            if self._step(kind, entities, rate, system, server):
                best = rate
            else:
                failed = rate
                break
        for _ in range(HALVINGS if math.isfinite(failed) and not self._quick else 0):
            middle = (best + failed) / 2
            if self._step(kind, entities, middle, system, server):
                best = middle
            else:
                failed = middle
        case = case_of(kind, entities)
        self._recorder.add(case, system, "sustained_events_per_second", best)

    def _step(
        self, kind: Kind, entities: int, rate: float, system: str, server: Server | NullServer
    ) -> bool:
        """Offer one rate, record what came of it, and say whether it was sustained."""
        seconds = QUICK_SECONDS if self._quick else SECONDS
        before = server.usage()
        answer = self._run(Traffic(kind.way, rate, seconds, kind.size, entities))
        used = server.usage().cpu_seconds - before.cpu_seconds
        share = answer["answered"] / answer["offered"]
        figures = {
            "answered_percent": 100 * share,
            **{f"milliseconds_{name}": value for name, value in answer["milliseconds"].items()},
            "server_cpu_percent": 100 * used / answer["seconds"],
            "generator_cpu_percent": 100 * answer["cpu_share"],
            "generator_lag_milliseconds_p99": answer["lag_ms_p99"],
        }
        case = f"{case_of(kind, entities)}, offered {rate:,.0f}/s"
        for metric, value in figures.items():
            if math.isfinite(value):  # what was never answered has no delay
                self._recorder.add(case, system, metric, value, seconds=answer["seconds"])
        kept = share >= ANSWERED and answer["milliseconds"]["p99"] <= BOUND_MS
        print(case, system, {k: round(v, 2) for k, v in figures.items()}, file=sys.stderr)
        return kept

    def _run(self, traffic: Traffic) -> dict[str, Any]:
        question = {"run": traffic.as_json() | {"seed": next(self._seeds)}}
        return self._remote.ask(question, LONG)


def case_of(kind: Kind, entities: int) -> str:
    """Name a way of sending and the number of entities that take part."""
    return f"{kind.name}, {entities:,} {'entity' if entities == 1 else 'entities'}"
