"""Peak memory of training on long sequences, each system in a process of its own."""

from __future__ import annotations

import sys

from benchmarks.harness.options import ROOT, Options
from benchmarks.harness.process import measure
from benchmarks.harness.record import Recorder

BATCH, INPUTS, HIDDEN = 16, 64, 256
PROGRAM = f"""
import sys, time, torch
import cellstate.nn
from benchmarks import layers
name, steps, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)
ours, theirs = layers.pair({INPUTS}, {HIDDEN})
ours.recompute = {{"recompute=True": True, "recompute='sqrt'": "sqrt"}}.get(name, False)
x, dy = torch.randn(steps, {BATCH}, {INPUTS}), torch.randn(steps, {BATCH}, {HIDDEN})
layers.training(ours, x[:2], dy[:2])(), layers.training(theirs, x[:2], dy[:2])()
if name != "nothing":
    call = layers.training(theirs if name == "torch.nn.LSTM" else ours, x, dy)
    start = time.perf_counter()
    call()
    print(time.perf_counter() - start)
"""
SYSTEMS = ("torch.nn.LSTM", "cellstate", "recompute=True", "recompute='sqrt'")


def run(recorder: Recorder, options: Options) -> None:
    """Measure one forward and backward pass less a process that does all but that."""
    for steps in (500,) if options.quick else (500, 2000, 8000):
        case = f"B {BATCH}, T {steps}, I {INPUTS}, H {HIDDEN}"
        empty = _run("nothing", steps, options).peak_bytes
        peaks: dict[str, float] = {}
        for system in SYSTEMS:
            done = _run(system, steps, options)
            peaks[system] = (done.peak_bytes - empty) / 2**20
            name = "cellstate" if system == "cellstate" else system
            recorder.add(case, name, "peak_mib_of_a_pass", peaks[system])
            recorder.add(case, name, "pass_seconds", float(done.stdout))
        for system in SYSTEMS[1:]:
            share = 100 * peaks[system] / peaks["torch.nn.LSTM"]
            recorder.add(case, system, "percent_of_torch_peak", share)


def _run(name: str, steps: int, options: Options):
    command = [sys.executable, "-c", PROGRAM, name, str(steps), str(options.threads)]
    return measure(command, folder=ROOT).require_success(name)
