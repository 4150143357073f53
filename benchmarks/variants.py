"""What each departure of the cell costs: its time beside the plain layer's, in one run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from benchmarks import layers
from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from benchmarks.harness.timing import Timing, alternate
from cellstate import nn

SHAPES = ((32, 100, 32, 64), (32, 100, 128, 128), (64, 100, 256, 256))  # B, T, I, H
SECONDS = 25.0  # of one case at most
PLAIN = "cellstate"
VARIANTS: dict[str, dict[str, Any]] = {
    "peephole": {"peephole": True},
    "coupled": {"coupled": True},
    "layer_norm": {"layer_norm": True},
    "hard_sigmoid": {"hard_sigmoid": True},
    "cell_clip": {"cell_clip": 3.0},
    "recurrent_dropout of h": {"recurrent_dropout": 0.25},
    "recurrent_dropout of g": {"recurrent_dropout": 0.25, "recurrent_dropout_at": "candidate"},
    "weight_drop": {"weight_drop": 0.5},
    "zoneout": {"zoneout": (0.5, 0.05)},
    "all of these": {
        "peephole": True,
        "coupled": True,
        "layer_norm": True,
        "hard_sigmoid": True,
        "cell_clip": 3.0,
        "recurrent_dropout": 0.25,
        "weight_drop": 0.5,
        "zoneout": (0.5, 0.05),
    },
    "projection to H / 2": {},
    "learn_initial_state": {"learn_initial_state": True},
    "chrono": {"forget_bias": "chrono", "chrono_max_steps": 100},
}


def run(recorder: Recorder, options: Options) -> None:
    """Time inference and training of each variant, with one thread and with two.

    All share one pool of threads, so that nobody has to wait for another's to fall asleep.
    """
    for threads in (1, 2):
        torch.set_num_threads(threads)
        recorder.threads = threads
        for batch, steps, inputs, hidden in SHAPES[:2] if options.quick else SHAPES:
            torch.manual_seed(0)
            x = torch.randn(steps, batch, inputs)
            case = f"B {batch}, T {steps}, I {inputs}, H {hidden}, threads {threads}"
            built = _layers(inputs, hidden)
            rounds = 3 if options.quick else 15
            for layer in built.values():
                layer.eval()
            calls: dict[str, Callable[[], object]] = {
                name: lambda layer=layer, x=x: layer(x) for name, layer in built.items()
            }
            with torch.inference_mode():
                timing = alternate(calls, rounds=rounds, warm_ups=1, seconds=SECONDS)
            _record(recorder, f"{case}, inference", timing)
            calls = {
                name: layers.training(
                    layer.train(), x, torch.randn(steps, batch, layer.proj_size or hidden)
                )
                for name, layer in built.items()
            }
            timing = alternate(calls, rounds=rounds, warm_ups=1, seconds=SECONDS)
            _record(recorder, f"{case}, training", timing)


def _layers(inputs: int, hidden: int) -> dict[str, nn.LSTM]:
    """Build the plain layer and each variant, from the same seed."""
    built: dict[str, nn.LSTM] = {}
    for name, options in {PLAIN: {}, **VARIANTS}.items():
        torch.manual_seed(0)
        projected = hidden // 2 if name.startswith("projection") else 0
        built[name] = nn.LSTM(inputs, hidden, proj_size=projected, **options)
    return built


def _record(recorder: Recorder, case: str, timing: Timing) -> None:
    """Add each median, and what it is of the plain layer's."""
    for name, samples in timing.samples.items():
        recorder.add(
            case,
            name,
            "seconds_per_call",
            timing.median(name),
            seconds=sum(samples),
        )
    for name in timing.samples:
        if name != PLAIN:
            share = 100 * timing.median(name) / timing.median(PLAIN)
            recorder.add(case, name, "percent_of_plain", share)
