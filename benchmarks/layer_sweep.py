"""Forty shapes drawn at random, beside torch: is any of them slower?"""

from __future__ import annotations

import numpy as np
import torch

from benchmarks import layers
from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from benchmarks.harness.timing import alternate

SHAPES = 40
MOST = {"T": 1024, "B": 256, "I": 1024, "H": 1024}
MOST_WORK = 4e10  # multiplications: what takes seconds is like what takes tenths


def run(recorder: Recorder, options: Options) -> None:
    """Time inference of shapes whose sizes are drawn evenly in their logarithms."""
    torch.set_num_threads(options.threads)
    rng = np.random.default_rng(0)
    faster: list[float] = []
    while len(faster) < (4 if options.quick else SHAPES):
        steps, batch, inputs, hidden = (
            int(np.exp(rng.uniform(0, np.log(most + 0.5)))) for most in MOST.values()
        )
        if layers.multiplications(batch, steps, inputs, hidden) > MOST_WORK:
            continue
        ours, theirs = layers.pair(inputs, hidden)
        x = torch.randn(steps, batch, inputs)
        calls = {
            "cellstate": lambda layer=ours, x=x: layer(x),
            "torch.nn.LSTM": lambda layer=theirs, x=x: layer(x),
        }
        with torch.inference_mode():
            timing = alternate(calls, rounds=15, seconds=5, pause=layers.PAUSE)
        timing.record(recorder, f"B {batch}, T {steps}, I {inputs}, H {hidden}")
        faster.append(timing.times_faster("cellstate", "torch.nn.LSTM"))
    for name, share in (("least", 0.0), ("median", 0.5), ("most", 1.0)):
        value = float(np.quantile(faster, share))
        recorder.add("all shapes", "cellstate", f"times_faster_than_torch_{name}", value)
