"""Sequences of unequal lengths: ours by `lengths`, torch's by packing."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from benchmarks import layers
from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from benchmarks.harness.timing import alternate

SHAPES = ((32, 100, 32, 64), (32, 100, 128, 128), (64, 100, 256, 256))


def run(recorder: Recorder, options: Options) -> None:
    """Time inference and training with lengths drawn evenly from 1 … T."""
    torch.set_num_threads(options.threads)
    for batch, steps, inputs, hidden in SHAPES:
        ours, theirs = layers.pair(inputs, hidden)
        torch.manual_seed(1)
        lengths = torch.randint(1, steps + 1, (batch,))
        x, dy = torch.randn(steps, batch, inputs), torch.randn(steps, batch, hidden)
        forms: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
            "cellstate": lambda x, layer=ours, lengths=lengths: layer(x, lengths=lengths)[0],
            "torch.nn.LSTM": lambda x, layer=theirs, lengths=lengths: _packed(layer, x, lengths),
        }
        case = f"B {batch}, T {steps}, I {inputs}, H {hidden}"
        rounds = 5 if options.quick else 31
        with torch.inference_mode():
            calls = {name: lambda form=form, x=x: form(x) for name, form in forms.items()}
            timing = alternate(calls, rounds=rounds, pause=layers.PAUSE)
        timing.record(recorder, f"{case}, inference")
        training = {name: _training(form, x, dy) for name, form in forms.items()}
        alternate(training, rounds=rounds, pause=layers.PAUSE).record(recorder, f"{case}, training")


def _packed(layer: torch.nn.LSTM, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
    return pad_packed_sequence(layer(packed)[0], total_length=len(x))[0]


def _training(
    form: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, dy: torch.Tensor
) -> Callable[[], object]:
    x = x.clone().requires_grad_()
    return lambda: form(x).backward(dy)
