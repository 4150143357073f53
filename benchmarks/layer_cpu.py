"""Inference of one layer on a CPU, through the module, beside torch and ONNX Runtime."""

from __future__ import annotations

import torch

from benchmarks import layers
from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from benchmarks.harness.timing import alternate


def run(recorder: Recorder, options: Options) -> None:
    """Time sequences in one alternating run, and say which share of the peak is used."""
    for threads in (1, 2):
        torch.set_num_threads(threads)
        _measure(recorder, options, threads)


def _measure(recorder: Recorder, options: Options, threads: int) -> None:
    peak = layers.add_limits(recorder, threads)
    for batch, steps, inputs, hidden in layers.SHAPES:
        ours, theirs = layers.pair(inputs, hidden)
        x = torch.randn(steps, batch, inputs)
        calls = {
            "cellstate": lambda layer=ours, x=x: layer(x),
            "torch.nn.LSTM": lambda layer=theirs, x=x: layer(x),
            "onnxruntime": layers.onnx_runtime(ours, x.numpy(), threads),
        }
        with torch.inference_mode():
            timing = alternate(calls, rounds=5 if options.quick else 41, pause=layers.PAUSE)
        case = f"B {batch}, T {steps}, I {inputs}, H {hidden}, threads {threads}"
        timing.record(recorder, case)
        work = 2 * layers.multiplications(batch, steps, inputs, hidden) * 1e-9
        for name in calls:
            share = 100 * work / timing.median(name) / peak
            recorder.add(case, name, "percent_of_peak", share)
