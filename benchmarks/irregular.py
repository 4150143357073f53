"""Layers for irregular time, forward and backward, beside the loop that one writes by hand.

The loop is what implementations of GRU-D and T-LSTM do in torch: at each step the decays, the
filled input and the cell, and autograd through all of it. It is handed each variable's last
measurement and the time since then, which ours works out within the call.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import linear

from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from benchmarks.harness.timing import alternate
from cellstate import nn
from cellstate.nn.observations import Observations

SHAPES = ((64, 48, 74, 64), (64, 48, 37, 128))  # B, T, I, H
MISSING = 0.7
SECONDS = 60.0  # of one case at most


def run(recorder: Recorder, options: Options) -> None:
    """Time training of both layers and their loops, with one thread."""
    torch.set_num_threads(1)
    recorder.threads = 1
    rounds = 3 if options.quick else 21
    for batch, steps, inputs, hidden in SHAPES[:1] if options.quick else SHAPES:
        torch.manual_seed(0)
        values = torch.randn(steps, batch, inputs)
        values[torch.rand(values.shape) < MISSING] = torch.nan
        times = torch.rand(steps, batch, dtype=torch.float64).cumsum(0)
        sizes = f"B {batch}, T {steps}, I {inputs}, H {hidden}"
        for name, calls in cases(values, times, hidden).items():
            timing = alternate(calls, rounds=rounds, seconds=SECONDS)
            timing.record(recorder, f"{name}, {sizes}, training, threads 1")


def cases(values: Tensor, times: Tensor, hidden: int) -> dict[str, dict[str, Callable[[], object]]]:
    """Give the calls that do the same work, for each layer."""
    steps, batch, inputs = values.shape
    dy = torch.randn(steps, batch, hidden)
    decay, aware = nn.DecayLSTM(inputs, hidden), nn.TimeAwareLSTM(inputs, hidden)
    plain, wide = nn.LSTM(inputs, hidden), nn.LSTM(2 * inputs, hidden)
    filled = values.nan_to_num()
    both = torch.cat([filled, (~values.isnan()).float()], -1)
    seen = _observations(decay, values, times)
    gaps = torch.diff(times, dim=0, prepend=times[:1]).float()
    return {
        "DecayLSTM": {
            "cellstate": training(decay, lambda: decay(values, times)[0], dy),
            "eager loop": training(decay, lambda: decay_loop(decay, seen), dy),
            "plain layer": training(wide, lambda: wide(both)[0], dy),
        },
        "TimeAwareLSTM": {
            "cellstate": training(aware, lambda: aware(values, times)[0], dy),
            "eager loop": training(aware, lambda: aware_loop(aware, filled, gaps), dy),
            "plain layer": training(plain, lambda: plain(filled)[0], dy),
        },
    }


def training(
    layer: torch.nn.Module, forward: Callable[[], Tensor], dy: Tensor
) -> Callable[[], object]:
    """Give a call that runs forward and backward, to all parameters."""

    def both() -> None:
        layer.zero_grad()
        forward().backward(dy)

    return both


def _observations(layer: nn.DecayLSTM, values: Tensor, times: Tensor) -> Observations:
    from cellstate.nn.times import read_sequences

    form = read_sequences(
        "benchmark", values, features=values.shape[2], batch_first=False, lengths=None
    )
    before = layer.inputs.begin(form)
    return layer.inputs.observe("benchmark", form, before, times=times, gaps=None, mask=None)


def cell_step(cell: torch.nn.Module, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Give h and c after a step, by torch's own cell."""
    weights = cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh
    return torch.lstm_cell(x, (h, c), *weights)  # type: ignore[arg-type, return-value]


def decay_loop(layer: nn.DecayLSTM, seen: Observations) -> Tensor:
    """Run GRU-D's decays with an LSTM cell, step by step."""
    fill, measured = layer.inputs, seen.measured
    h = c = seen.values.new_zeros(seen.values.shape[1], layer.hidden_size)
    ys: list[Tensor] = []
    for t in range(len(seen.values)):
        gap, m = seen.gaps[t], measured[t]
        kept = torch.exp(-torch.relu(gap * fill.weight + fill.bias))
        x = m * seen.values[t] + (1 - m) * (kept * seen.last[t] + (1 - kept) * fill.means)
        factor = torch.exp(-torch.relu(linear(gap, layer.decay_weight, layer.decay_bias)))
        h, c = cell_step(layer.cell, torch.cat([x, m], -1), factor * h, c)
        ys.append(h)
    return torch.stack(ys)


def aware_loop(layer: nn.TimeAwareLSTM, values: Tensor, gaps: Tensor) -> Tensor:
    """Run T-LSTM's equations step by step."""
    h = c = values.new_zeros(values.shape[1], layer.hidden_size)
    ys: list[Tensor] = []
    for t in range(len(values)):
        short = torch.tanh(linear(c, layer.memory_weight, layer.memory_bias))
        discounted = short / torch.log(math.e + gaps[t])[:, None]
        h, c = cell_step(layer.cell, values[t], h, c - short + discounted)
        ys.append(h)
    return torch.stack(ys)
