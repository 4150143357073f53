"""Many entities stepped at once without torch: packed states, gathered by row, on one core.

A row is one entity's state, h and c, in one array of all entities. Every call takes other rows, in
random order. The peers step as many rows with the same weights and input; unless the case says that
theirs are gathered too, they carry dense states from call to call, the cheapest they can do. A loop
of nothing but fused multiply-adds takes turns with them: that is the peak.
"""

from __future__ import annotations

import itertools
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import layers
from benchmarks.harness.options import ROOT, Options
from benchmarks.harness.process import measure
from benchmarks.harness.record import Recorder
from benchmarks.harness.timing import Timing, alternate
from cellstate import network, nn
from cellstate.runtime import Chain

ENTITIES, MANY = 1024, 100_000  # whose states stay in the second cache, or in none
CASES = (  # rows, I = H, entities
    (1, 64, ENTITIES),
    (1, 256, ENTITIES),
    (32, 64, ENTITIES),
    (256, 64, ENTITIES),
    (256, 64, MANY),
    (256, 256, ENTITIES),
)
FORMS = {"cellstate": "float32", "cellstate bf16": "bf16", "cellstate int8": "int8"}
PEAK = "fused multiply-adds"
ORDERS = 64  # different choices of rows, in turn
STARTS = 11  # fresh processes
PROGRAM = """
import json, sys, time
start = time.perf_counter()
import {module}
seconds = time.perf_counter() - start
{then}
with open("/proc/self/status") as status:
    kib = {{line.split(":")[0]: int(line.split()[1]) for line in status if line.startswith("Vm")}}
print(json.dumps({{"import_seconds": seconds, "resident_mib": kib["VmRSS"] / 1024}}))
"""
STEP = """
from cellstate.runtime import Session
from cellstate.tasks.streams import load_stream
Session(load_stream(sys.argv[1]), "one").push({"x": [0.0] * 64})
"""


def run(recorder: Recorder, options: Options) -> None:
    """Time steps in one alternating run for each case, then whole processes."""
    torch.set_num_threads(1)
    recorder.threads = 1
    spin, spun = layers.multiply_adds()
    for rows, hidden, entities in CASES:
        gathered = entities == MANY
        case = f"rows {rows}, inputs {hidden}, units {hidden}, entities {entities}"
        calls = _calls(rows, hidden, entities, gathered=gathered)
        with torch.inference_mode():
            timing = alternate(
                {**calls, PEAK: spin}, rounds=5 if options.quick else 101, seconds=60
            )
        _record(recorder, case, timing)
        operations = 2 * layers.GATES * hidden * 2 * hidden * rows
        for name in calls:
            seconds = timing.median(name)
            recorder.add(case, name, "entity_steps_per_second", rows / seconds)
            share = 100 * operations / seconds / (spun / timing.median(PEAK))
            recorder.add(case, name, "percent_of_peak", share)
        recorder.add(case, PEAK, "gflop_per_second", 1e-9 * spun / timing.median(PEAK))
    _add_processes(recorder, options)


def _record(recorder: Recorder, case: str, timing: Timing) -> None:
    peers = [name for name in timing.samples if name not in (*FORMS, PEAK)]
    for name, samples in timing.samples.items():
        recorder.add(case, name, "seconds_per_call", timing.median(name), seconds=sum(samples))
    for name, peer in itertools.product(FORMS, peers):
        faster = timing.times_faster(name, than=peer)
        recorder.add(case, name, f"times_faster_than_{peer}", faster)


def _calls(
    rows: int, hidden: int, entities: int, *, gathered: bool
) -> Mapping[str, Callable[[], object]]:
    """Give each system the same weights and input, and other rows in every call."""
    ours, layer = layers.pair(hidden, hidden)
    tensors = {f"body.{name}": value.numpy() for name, value in layer.state_dict().items()}
    described = (network.LSTM("body", hidden, hidden),)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, hidden), dtype=np.float32)
    orders = [rng.permutation(entities)[:rows] for _ in range(ORDERS)]
    calls: dict[str, Callable[[], object]] = {}
    for name, weights in FORMS.items():
        chain = Chain(described, tensors, weights=weights)
        states = rng.standard_normal((entities, chain.state_size), dtype=np.float32)
        calls[name] = _packed(chain, x, states, orders)
    h, c = (rng.standard_normal((entities, hidden), dtype=np.float32) for _ in "hc")
    own = h[: entities if gathered else rows], c[: entities if gathered else rows]
    calls["torch.nn.LSTM"] = _torch_step(layer, x, own, orders if gathered else None)
    calls["onnxruntime"] = _onnx_step(ours, x, own, orders if gathered else None)
    return calls


def _packed(
    chain: Chain, x: np.ndarray, states: np.ndarray, orders: list[np.ndarray]
) -> Callable[[], object]:
    turns = itertools.cycle(orders)
    return lambda: chain.step_packed(x, states, next(turns))


def _torch_step(
    layer: torch.nn.LSTM,
    x: np.ndarray,
    states: tuple[np.ndarray, np.ndarray],
    orders: list[np.ndarray] | None,
) -> Callable[[], object]:
    given = torch.from_numpy(x)[None]
    held = [torch.from_numpy(part.copy())[None] for part in states]
    turns = None if orders is None else itertools.cycle([torch.from_numpy(one) for one in orders])

    def step() -> None:
        at = None if turns is None else next(turns)
        before = held if at is None else [part.index_select(1, at) for part in held]
        _, after = layer(given, tuple(before))
        if at is None:
            held[:] = after
        else:
            for part, fresh in zip(held, after, strict=True):
                part.index_copy_(1, at, fresh)

    return step


def _onnx_step(
    layer: nn.LSTM,
    x: np.ndarray,
    states: tuple[np.ndarray, np.ndarray],
    orders: list[np.ndarray] | None,
) -> Callable[[], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = nn.to_onnx(layer, single_step=True, check=False).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    held = [part.copy()[None] for part in states]
    turns = None if orders is None else itertools.cycle(orders)

    def step() -> None:
        at = None if turns is None else next(turns)
        before = held if at is None else [np.take(part, at, axis=1) for part in held]
        feeds = {"x": x, "h_0": before[0], "c_0": before[1]}
        after = session.run(["h_n", "c_n"], feeds)
        if at is None:
            held[:] = after
        else:
            for part, fresh in zip(held, after, strict=True):
                part[:, at] = fresh

    return step


def _add_processes(recorder: Recorder, options: Options) -> None:
    """Measure processes from a cold start: the import, and what they hold once they can step."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "model")
        nn.Chain((network.LSTM("body", 64, 64), network.Linear("head", 64, 1))).save(model)
        programs = {
            "cellstate": PROGRAM.format(module="cellstate.runtime", then=STEP),
            "numpy": PROGRAM.format(module="numpy", then=""),
            "onnxruntime": PROGRAM.format(module="onnxruntime", then=""),
            "torch": PROGRAM.format(module="torch", then=""),
        }
        said: dict[str, list[dict[str, Any]]] = {name: [] for name in programs}
        for _ in range(3 if options.quick else STARTS):
            for name, program in programs.items():
                command = [sys.executable, "-c", program, model]
                done = measure(command, folder=ROOT).require_success(name)
                said[name].append(json.loads(done.stdout))
    for name, runs in said.items():
        seconds = [run["import_seconds"] for run in runs]
        recorder.add("a fresh process", name, "import_seconds", statistics.median(seconds))
        recorder.add("a fresh process", name, "import_seconds_best", min(seconds))
        resident = statistics.median(run["resident_mib"] for run in runs)
        recorder.add("a fresh process", name, "resident_mib", resident)
