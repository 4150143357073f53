"""Forward and backward of one layer on a CPU, through the module, beside torch."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks import layers
from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from benchmarks.harness.timing import alternate

SHAPES = (*layers.SHAPES[:-1], (20, 35, 650, 650))


def run(recorder: Recorder, options: Options) -> None:
    """Time forward, backward and the gradient of every parameter and of the input."""
    layers.add_limits(recorder, options.threads)
    for batch, steps, inputs, hidden in SHAPES:
        ours, theirs = layers.pair(inputs, hidden)
        x = torch.randn(steps, batch, inputs)
        dy = torch.randn(steps, batch, hidden)
        calls = {"cellstate": _pass(ours, x, dy), "torch.nn.LSTM": _pass(theirs, x, dy)}
        timing = alternate(calls, rounds=5 if options.quick else 41)
        timing.record(recorder, f"B {batch}, T {steps}, I {inputs}, H {hidden}")


def _pass(layer: torch.nn.Module, x: torch.Tensor, dy: torch.Tensor) -> Callable[[], object]:
    x = x.clone().requires_grad_()

    def both() -> None:
        layer.zero_grad()
        x.grad = None
        y, _ = layer(x)
        y.backward(dy)

    return both
