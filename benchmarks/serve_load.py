"""The server under an open loop of load: delays by offered rate, the rate that it sustains, memory.

Server and generator are processes on the same cores. Every answer that counts was committed and
flushed to the disk that the first rows name.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from benchmarks.serving.disk import record_disk, record_flushes
from benchmarks.serving.ladder import Kind, Ladder, case_of, generator
from benchmarks.serving.model import save_model
from benchmarks.serving.server import NullServer, Server

KINDS = (
    Kind("HTTP, 1 event", "events", 1, lanes=128, first=500, half=1_000),
    Kind("HTTP, 10 events", "events", 10, lanes=64, first=4_000, half=15_000),
    Kind("HTTP, 100 events", "events", 100, lanes=32, first=8_000, half=15_000),
    Kind("HTTP, 1000 events", "events", 1000, lanes=16, first=8_000, half=15_000),
    Kind("WebSocket, 1 event", "websocket", 1, lanes=8, first=500, half=1_000),
)
MAIN = tuple(kind for kind in KINDS if kind.size != 10)
QUICK_KINDS = (KINDS[0], KINDS[2], KINDS[4])
CASES = {1: MAIN, 100: KINDS, 100_000: MAIN}  # entities that take part
QUICK_CASES = {1: QUICK_KINDS[:1], 1000: QUICK_KINDS}
SECONDS, QUICK_SECONDS = 10.0, 2.0
KEPT, QUICK_KEPT = (100_000, 500_000, 1_000_000), (2_000, 10_000)
BOLD = 8  # times a kind's first rate, where the generator begins against nothing
MB = 1e6


def run(recorder: Recorder, options: Options) -> None:
    """Measure the disk, the generator against nothing, each way of sending, and memory."""
    cases, kept, seconds = (
        (QUICK_CASES, QUICK_KEPT, QUICK_SECONDS) if options.quick else (CASES, KEPT, SECONDS)
    )
    with tempfile.TemporaryDirectory(prefix="serve-load-") as name:
        scratch = Path(name)
        record_disk(recorder, scratch, quick=options.quick)
        model = save_model(scratch / "model")
        with generator(scratch) as remote:
            alone = Ladder(recorder, remote, QUICK_SECONDS, halvings=0)
            for kind in dict.fromkeys(kind for kinds in cases.values() for kind in kinds):
                with NullServer() as null:
                    bold = kind._replace(first=BOLD * kind.first, half=BOLD * kind.first)
                    alone.climb(bold, 1000, "null server", null)
            ladder = Ladder(recorder, remote, seconds, halvings=0 if options.quick else 2)
            for entities, kinds in cases.items():
                for kind in kinds:
                    with served(model, scratch) as server:
                        ladder.fill(server, 0, entities)
                        record_flushes(recorder, case_of(kind, entities), scratch)
                        ladder.climb(kind, entities, "cellstate", server)
            with served(model, scratch) as server:
                record_memory(recorder, ladder, server, kept)


@contextmanager
def served(model: Path, scratch: Path, options: Sequence[str] = ()) -> Generator[Server]:
    """Serve a model on an empty store."""
    with (
        tempfile.TemporaryDirectory(dir=scratch) as folder,
        Server(model, str(Path(folder, "state.db")), scratch, options) as server,
    ):
        yield server.wait()


def record_memory(
    recorder: Recorder, ladder: Ladder, server: Server, counts: tuple[int, ...]
) -> None:
    """Let one entity after the other come, each once, and look at memory and disk."""
    known, resident = 0, []
    for wanted in counts:
        answer = ladder.fill(server, known, wanted - known)
        case, known, now = f"{wanted:,} entities, one event each", wanted, server.usage()
        resident.append(now.resident)
        for metric, value in (
            ("resident_megabytes", now.resident / MB),
            ("anonymous_megabytes", now.anonymous / MB),
            ("disk_bytes_per_entity", server.store_bytes() / wanted),
            ("new_entities_per_second", answer["rate"]),
        ):
            recorder.add(case, "cellstate", metric, value)
    case = f"from {counts[0]:,} to {counts[-1]:,} entities"
    growth = 100 * (resident[-1] / resident[0] - 1)
    recorder.add(case, "cellstate", "resident_percent_grown", growth)
