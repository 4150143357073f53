"""Inference of one layer on a CPU, through the module, beside the layers of other systems."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks import layer_peers, layers
from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from benchmarks.harness.timing import alternate

SECONDS = 12.0  # of one case at most
WIDEST_LOOP = 128  # units; the unrolled loop compiles for half a minute in each case


def run(recorder: Recorder, options: Options) -> None:
    """Time sequences in one alternating run, and say which share of the machine is used."""
    for threads in (1, 2):
        torch.set_num_threads(threads)
        recorder.threads = threads
        with layer_peers.started(threads) as peers:
            _measure(recorder, options, threads, peers)


def _measure(
    recorder: Recorder, options: Options, threads: int, peers: dict[str, layer_peers.Peer]
) -> None:
    limits = layers.add_limits(recorder, threads)
    for batch, steps, inputs, hidden in layers.SHAPES[1:2] if options.quick else layers.SHAPES:
        ours, theirs = layers.pair(inputs, hidden)
        x = torch.randn(steps, batch, inputs)
        case = f"B {batch}, T {steps}, I {inputs}, H {hidden}, threads {threads}"
        is_long = hidden > WIDEST_LOOP or (options.quick and threads > 1)
        skip = (layer_peers.LOOP,) if is_long else ()
        remotes = layer_peers.prepared(recorder, peers, case, ours, x, skip=skip)
        calls: dict[str, Callable[[], object]] = {
            "cellstate": lambda layer=ours, x=x: layer(x),
            "torch.nn.LSTM": lambda layer=theirs, x=x: layer(x),
            "onnxruntime": layers.onnx_runtime(ours, x.numpy(), threads),
            **remotes,
        }
        rounds = 5 if options.quick else 41
        with torch.inference_mode():
            timing = alternate(calls, rounds=rounds, seconds=SECONDS, pause=layers.PAUSE)
        timing.record(recorder, case, versions={n: one.versions for n, one in remotes.items()})
        layers.add_shares(
            recorder,
            case,
            timing,
            limits,
            operations=2 * layers.multiplications(batch, steps, inputs, hidden),
            traffic=layers.forward_traffic(batch, steps, inputs, hidden),
        )
