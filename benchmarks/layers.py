"""The same layer in every system, and what the machine allows."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.harness.record import Recorder
from cellstate import nn

GATES = 4
SHAPES = (  # B, T, I, H
    (1, 100, 64, 64),
    (32, 100, 32, 64),
    (32, 100, 128, 128),
    (64, 100, 256, 256),
    (64, 50, 512, 512),
)


def pair(inputs: int, hidden: int, **options: object) -> tuple[nn.LSTM, torch.nn.LSTM]:
    """Give our layer and torch's with the same weights."""
    torch.manual_seed(0)
    theirs = torch.nn.LSTM(inputs, hidden, **options)  # type: ignore[arg-type]
    return nn.from_torch(theirs), theirs


def multiplications(batch: int, steps: int, inputs: int, hidden: int) -> int:
    """Count the multiplications of a forward pass in its products."""
    return batch * steps * GATES * hidden * (inputs + hidden)


def onnx_runtime(layer: nn.LSTM, x: np.ndarray, threads: int) -> Callable[[], object]:
    """Give a call of ONNX Runtime on the layer's ONNX form, with zero states."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    model = nn.to_onnx(layer, check=False).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    state = np.zeros((1, x.shape[1], layer.hidden_size), np.float32)
    feeds = {"x": x, "h_0": state, "c_0": state}
    return lambda: session.run(None, feeds)


def add_limits(recorder: Recorder, threads: int) -> float:
    """Measure what the machine's products reach, as its peak; give GFLOP/s.

    A large product of the linear algebra library stands for the peak of fused multiply-adds, a
    copy of a large array for the memory's bandwidth.
    """
    torch.set_num_threads(threads)
    one = torch.randn(1536, 1536)
    peak = 0.0
    for _ in range(15):
        start = time.perf_counter()
        torch.mm(one, one)
        peak = max(peak, 2 * len(one) ** 3 / (time.perf_counter() - start) * 1e-9)
    large, copy = torch.randn(64 * 2**20 // 4), torch.empty(64 * 2**20 // 4)
    bandwidth = 0.0
    for _ in range(15):
        start = time.perf_counter()
        copy.copy_(large)
        bandwidth = max(bandwidth, 2 * 4 * len(large) / (time.perf_counter() - start) * 1e-9)
    recorder.add("machine", "product of 1536 x 1536", "gflop_per_second", peak)
    recorder.add("machine", "copy of 64 MiB", "gigabyte_per_second", bandwidth)
    return peak
