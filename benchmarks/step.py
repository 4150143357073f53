"""One step of an LSTM layer on a CPU: what every event of every live session costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch

from benchmarks import layers
from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from benchmarks.harness.timing import Timing, alternate
from cellstate import network
from cellstate.runtime import Chain

SIZES = (  # rows, I, H
    (1, 64, 64),
    (1, 128, 128),
    (1, 256, 256),
    (1, 512, 512),
    (32, 64, 64),
    (256, 64, 64),
    (256, 256, 256),
)
GATES = 4
NARROW = {"cellstate bf16": "bf16", "cellstate int8": "int8"}


def run(recorder: Recorder, options: Options) -> None:
    """Time `runtime.Chain.step`, in each form of weights, beside torch and ONNX Runtime."""
    torch.set_num_threads(options.threads)
    for rows, inputs, hidden in SIZES:
        case = f"rows {rows}, inputs {inputs}, units {hidden}"
        calls = _calls(rows, inputs, hidden, options.threads)
        with torch.inference_mode():
            timing = alternate(calls, rounds=5 if options.quick else 51, pause=layers.PAUSE)
        wide = {name: taken for name, taken in timing.samples.items() if name not in NARROW}
        Timing(wide).record(recorder, case)
        for name in NARROW:
            recorder.add(case, name, "seconds_per_call", timing.median(name))
            for other in wide:
                faster = timing.times_faster(name, than=other)
                recorder.add(case, name, f"times_faster_than_{other}", faster)
        operations = 2 * GATES * hidden * (inputs + hidden) * rows
        for name in calls:
            recorder.add(case, name, "gflop_per_second", operations / timing.median(name) * 1e-9)


def _calls(rows: int, inputs: int, hidden: int, threads: int) -> Mapping[str, Callable[[], object]]:
    """Give each system the same weights, input and state."""
    ours, layer = layers.pair(inputs, hidden)
    cell = torch.nn.LSTMCell(inputs, hidden)
    cell.load_state_dict(
        {name.removesuffix("_l0"): value for name, value in layer.state_dict().items()}
    )
    tensors = {f"body.{name}": value.numpy() for name, value in layer.state_dict().items()}
    chain, bf16, int8 = (
        Chain((network.LSTM("body", inputs, hidden),), tensors, threads=threads, weights=weights)
        for weights in ("float32", *NARROW.values())
    )
    x, h, c = (torch.randn(rows, size) for size in (inputs, hidden, hidden))
    x_numpy, state = x.numpy(), {"body": (h.numpy()[np.newaxis], c.numpy()[np.newaxis])}
    return {
        "cellstate": lambda: chain.step(x_numpy, state),
        "cellstate bf16": lambda: bf16.step(x_numpy, state),
        "cellstate int8": lambda: int8.step(x_numpy, state),
        "torch.nn.LSTM": lambda: layer(x[None], (h[None], c[None])),
        "torch.nn.LSTMCell": lambda: cell(x, (h, c)),
        "onnxruntime": layers.onnx_runtime(ours, x_numpy[np.newaxis], threads),
    }
