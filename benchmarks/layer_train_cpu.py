"""Forward and backward of one layer on a CPU, through the module, beside torch."""

from __future__ import annotations

import torch

from benchmarks import layers
from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from benchmarks.harness.timing import alternate

SHAPES = (*layers.SHAPES[:-1], (20, 35, 650, 650))


def run(recorder: Recorder, options: Options) -> None:
    """Time forward, backward and the gradient of every parameter and of the input."""
    for threads in (1, 2):
        torch.set_num_threads(threads)
        _measure(recorder, options, threads)


def _measure(recorder: Recorder, options: Options, threads: int) -> None:
    for batch, steps, inputs, hidden in SHAPES:
        ours, theirs = layers.pair(inputs, hidden)
        x = torch.randn(steps, batch, inputs)
        dy = torch.randn(steps, batch, hidden)
        calls = {
            "cellstate": layers.training(ours, x, dy),
            "torch.nn.LSTM": layers.training(theirs, x, dy),
        }
        timing = alternate(calls, rounds=5 if options.quick else 41, pause=layers.PAUSE)
        timing.record(recorder, f"B {batch}, T {steps}, I {inputs}, H {hidden}, threads {threads}")
