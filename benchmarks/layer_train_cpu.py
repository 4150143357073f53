"""Forward and backward of one layer on a CPU, beside the layers of other systems."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks import layer_peers, layers
from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from benchmarks.harness.timing import alternate

SHAPES = (*layers.SHAPES[:-1], (20, 35, 650, 650))
LONGEST_LOOP = 50  # steps; longer ones compile for most of a minute
SECONDS = 12.0  # of one case at most


def run(recorder: Recorder, options: Options) -> None:
    """Time forward, backward and the gradient of every parameter and of the input."""
    for threads in (1, 2):
        torch.set_num_threads(threads)
        recorder.threads = threads
        with layer_peers.started(threads) as peers:
            _measure(recorder, options, threads, peers)


def _measure(
    recorder: Recorder, options: Options, threads: int, peers: dict[str, layer_peers.Peer]
) -> None:
    limits = layers.add_limits(recorder, threads)
    for batch, steps, inputs, hidden in SHAPES[-1:] if options.quick else SHAPES:
        ours, theirs = layers.pair(inputs, hidden)
        x = torch.randn(steps, batch, inputs)
        dy = torch.randn(steps, batch, hidden)
        case = f"B {batch}, T {steps}, I {inputs}, H {hidden}, threads {threads}"
        is_long = steps > LONGEST_LOOP or (options.quick and threads > 1)
        skip = (layer_peers.LOOP,) if is_long else ()
        remotes = layer_peers.prepared(recorder, peers, case, ours, x, dy, skip=skip)
        calls: dict[str, Callable[[], object]] = {
            "cellstate": layers.training(ours, x, dy),
            "torch.nn.LSTM": layers.training(theirs, x, dy),
            **remotes,
        }
        rounds = 5 if options.quick else 41
        timing = alternate(calls, rounds=rounds, seconds=SECONDS, pause=layers.PAUSE)
        timing.record(recorder, case, versions={n: one.versions for n, one in remotes.items()})
        # Backward has two products for each of forward's. Weights, input and output move three
        # times: forward, again in backward, and the gradient of each.
        layers.add_shares(
            recorder,
            case,
            timing,
            limits,
            operations=3 * 2 * layers.multiplications(batch, steps, inputs, hidden),
            traffic=3 * layers.forward_traffic(batch, steps, inputs, hidden),
        )
