"""The served model beside other ways to step it, event by event, in one run.

First the steps alone, with the states of all entities in a dictionary: nothing is durable, and
nothing is served. Then with every batch committed and flushed, also by a stream engine, Bytewax,
which writes states down and keeps no log. Last whole servers on loopback under the same requests of
the Open Inference Protocol: cellstate, which commits and flushes before it answers, and Triton,
whose sequences live and die with its process.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from operator import itemgetter
from pathlib import Path

import numpy as np

from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from benchmarks.harness.timing import Timing, alternate
from benchmarks.serve_load import QUICK_SECONDS, SECONDS, served
from benchmarks.serving import steppers
from benchmarks.serving.by_hand import onnx_and_sqlite
from benchmarks.serving.bytewax import SERVING_PYTHON, run_bytewax
from benchmarks.serving.disk import record_disk
from benchmarks.serving.ladder import Kind, Ladder, generator
from benchmarks.serving.model import INPUTS, save_model
from benchmarks.serving.steppers import Stepper
from benchmarks.serving.triton import Triton
from cellstate.serve.engine import Engine
from cellstate.serve.events import Incoming
from cellstate.serve.stores import open_store
from cellstate.tasks.streams import load_stream

ENTITIES = 10_000
BATCHES = (1, 256)
BYTEWAX = "Bytewax"
STREAMED = {1: 256, 256: 10_240}  # events by size of a batch
TURNS = 3
TOLERANCE = 1e-5  # between the answers of two systems
THREADS = 1  # a server shares its cores with what it serves
SEQUENCES = 1000
INFERENCE = Kind("Open Inference Protocol, HTTP", "inference", 1, lanes=128, first=500, half=1_000)
QUICK_ROUNDS, ROUNDS = 5, 51


def run(recorder: Recorder, options: Options) -> None:
    """Compare steps, then durable steps, then servers."""
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    with tempfile.TemporaryDirectory(prefix="serve-peers-") as name:
        scratch = Path(name)
        record_disk(recorder, scratch, quick=options.quick)
        model = save_model(scratch / "model")
        in_memory = {
            "cellstate": steppers.cellstate(model),
            "onnxruntime": steppers.onnx_runtime(THREADS),
            "torch.nn.LSTM": steppers.torch_layer(THREADS),
        }
        compare(recorder, "states in a dictionary", in_memory, rounds)
        engine = Engine(load_stream(model), open_store(str(scratch / "state.db")))
        engine.start()
        durable = {
            "cellstate": engine_stepper(engine),
            "onnxruntime and sqlite3 by hand": onnx_and_sqlite(scratch / "hand.db", THREADS),
        }
        compare(recorder, "states committed and flushed", durable, rounds)
        if SERVING_PYTHON.exists():
            compare_bytewax(recorder, scratch, durable["cellstate"])
        else:
            print("without Bytewax and Triton: make bench-peers-env brings them", file=sys.stderr)
        engine.stop()
        compare_servers(recorder, scratch, model, quick=options.quick)


def compare(recorder: Recorder, how: str, systems: Mapping[str, Stepper], rounds: int) -> None:
    """Require equal answers, then let all systems take turns."""
    rng = np.random.default_rng(0)
    readings = rng.normal(size=(4096, INPUTS)).round(3).tolist()
    for turn in range(3):
        names = [f"sensor-{k}" for k in range(64)]
        answers = {
            system: np.array(step(names, readings[64 * turn : 64 * turn + 64]))
            for system, step in systems.items()
        }
        for system, given in answers.items():
            if not np.allclose(given, answers["cellstate"], rtol=0, atol=TOLERANCE):
                raise RuntimeError(f"{system} does not give the answers of cellstate")
    for batch in BATCHES:
        case = f"{how}, {ENTITIES:,} entities, batches of {batch}"
        calls = {name: _turns(step, batch, readings) for name, step in systems.items()}
        timing = alternate(calls, rounds=rounds)
        timing.record(recorder, case)
        for system in systems:
            recorder.add(case, system, "events_per_second", batch / timing.median(system))


def compare_bytewax(recorder: Recorder, scratch: Path, ours: Stepper) -> None:
    """Let the same events go through Bytewax and through the engine, in turns."""
    model, rng = steppers.step_model(), np.random.default_rng(1)
    for batch, count in STREAMED.items():
        readings = rng.normal(size=(count, INPUTS)).round(3).tolist()
        seconds: dict[str, list[float]] = {"cellstate": [], BYTEWAX: []}
        for turn in range(TURNS):
            names = [f"{batch}-{turn}-{k}" for k in rng.integers(ENTITIES, size=count)]
            events = list(zip(names, readings, strict=True))
            taken, theirs = run_bytewax(model, events, batch, scratch)
            seconds[BYTEWAX].append(taken)
            start = time.perf_counter()
            own: list[list[float]] = []
            for k in range(0, count, batch):
                own += ours(names[k : k + batch], readings[k : k + batch])
            seconds["cellstate"].append(time.perf_counter() - start)
            by_name = [
                sorted(pairs, key=itemgetter(0)) for pairs in (zip(names, own, strict=True), theirs)
            ]
            ours_y, theirs_y = ([y for _, y in pairs] for pairs in by_name)
            if not np.allclose(ours_y, theirs_y, rtol=0, atol=TOLERANCE):
                raise RuntimeError("Bytewax does not give the answers of cellstate")
        case = f"a stream of {count:,} events, states written every {batch}"
        timing = Timing({name: tuple(taken) for name, taken in seconds.items()})
        timing.record(recorder, case)
        for system in seconds:
            recorder.add(case, system, "events_per_second", count / timing.median(system))


def engine_stepper(engine: Engine) -> Stepper:
    """Push events into the engine, and wait until they are committed."""
    from cellstate.serve.wire import from_json

    def call(names: steppers.Names, readings: steppers.Readings) -> list[list[float]]:
        events = [Incoming(name, {"x": x}) for name, x in zip(names, readings, strict=True)]
        return [from_json(outcome.answer)["y"] for outcome in engine.push("", events)]

    return call


def compare_servers(recorder: Recorder, scratch: Path, model: Path, *, quick: bool) -> None:
    """Climb the same offered rates with the same requests."""
    seconds = QUICK_SECONDS if quick else SECONDS
    with generator(scratch) as remote:
        ladder = Ladder(recorder, remote, seconds, halvings=0 if quick else 2)
        with served(model, scratch) as server:
            ladder.fill(server, 0, SEQUENCES, "inference")
            ours = ladder.climb(INFERENCE, SEQUENCES, "cellstate", server)
        if not SERVING_PYTHON.exists():
            return
        with Triton(steppers.step_model(), scratch) as triton:
            ladder.fill(triton.wait(), 0, SEQUENCES, "inference")
            theirs = ladder.climb(INFERENCE, SEQUENCES, "Triton, nothing durable", triton)
        case = f"{INFERENCE.name}, {SEQUENCES:,} entities"
        recorder.add(case, "cellstate", "times_the_rate_of_Triton", ours / theirs)


def _turns(step: Stepper, batch: int, readings: list[list[float]]) -> Callable[[], object]:
    """Give a call that takes one batch after the other, of entities drawn before."""
    rng = np.random.default_rng(batch)
    order = [[f"sensor-{k}" for k in rng.choice(ENTITIES, batch, replace=False)] for _ in range(64)]
    parts = [readings[k * batch % 2048 :][:batch] for k in range(64)]
    turn = 0

    def call() -> object:
        nonlocal turn
        turn = (turn + 1) % len(order)
        return step(order[turn], parts[turn])

    return call
