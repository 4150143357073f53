"""The same layer in every system, and what the machine allows."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.harness.record import Recorder
from benchmarks.harness.timing import Timing
from cellstate import nn

GATES = 4
SHAPES = (  # B, T, I, H
    (1, 100, 64, 64),
    (32, 100, 32, 64),
    (32, 100, 128, 128),
    (64, 100, 256, 256),
    (64, 50, 512, 512),
)


PEAK = Path(__file__).with_name("peak.c")
COMPILER = ("cc", "-O3", "-march=native", "-ffp-contract=fast")
PAUSE = 0.1  # for the threads of other systems to fall asleep


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


def training(layer: torch.nn.Module, x: torch.Tensor, dy: torch.Tensor) -> Callable[[], object]:
    """Give a call that runs forward and backward, to all parameters and the input."""
    x = x.clone().requires_grad_()

    def both() -> None:
        layer.zero_grad()
        x.grad = None
        y, _ = layer(x)
        y.backward(dy)

    return both


def _at_once(program: Path, count: int) -> float:
    running = [subprocess.Popen([program], stdout=subprocess.PIPE) for _ in range(count)]
    return sum(float(process.communicate()[0]) for process in running)


class Limits(NamedTuple):
    """What the machine allows."""

    peak: float  # GFLOP/s
    bandwidth: float  # GB/s


def forward_traffic(batch: int, steps: int, inputs: int, hidden: int) -> int:
    """Count the bytes that a forward pass must move once: weights, input and output."""
    weights = GATES * hidden * (inputs + hidden + 2)
    return 4 * (weights + batch * steps * (inputs + hidden))


def add_shares(
    recorder: Recorder,
    case: str,
    timing: Timing,
    limits: Limits,
    *,
    operations: float,
    traffic: float,
) -> None:
    """Add which share of the peak and of the bandwidth each system has reached.

    Parameters
    ----------
    operations : float
        Floating point operations of a call, in its products alone.
    traffic : float
        Bytes that a call must move once, whatever it computes.
    """
    for name in timing.samples:
        seconds = timing.median(name)
        share = 100e-9 * operations / seconds / limits.peak
        recorder.add(case, name, "percent_of_peak", share)
        share = 100e-9 * traffic / seconds / limits.bandwidth
        recorder.add(case, name, "percent_of_bandwidth", share)


def multiply_adds(rounds: int = 20_000) -> tuple[Callable[[], object], float]:
    """Give a call that does nothing but fused multiply-adds on one core, and how many operations.

    It can take turns with what is to be held against the peak, on a machine that others use too.
    """
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "peak.so")
        subprocess.run([*COMPILER, "-shared", "-fPIC", PEAK, "-o", library], check=True)
        peak = ctypes.CDLL(str(library))
    peak.spin.argtypes = peak.operations.argtypes = [ctypes.c_long]
    peak.spin.restype, peak.operations.restype = ctypes.c_float, ctypes.c_double
    return lambda: peak.spin(rounds), peak.operations(rounds)


def add_limits(recorder: Recorder, threads: int) -> Limits:
    """Measure the peak of fused multiply-adds and the memory's bandwidth.

    The peak is that of a loop of nothing else, in as many processes as there are threads.
    """
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "peak")
        subprocess.run([*COMPILER, PEAK, "-o", program], check=True)
        peak = max(_at_once(program, threads) for _ in range(3))
    torch.set_num_threads(threads)
    large, copy = torch.randn(64 * 2**20 // 4), torch.empty(64 * 2**20 // 4)
    bandwidth = 0.0
    for _ in range(15):
        start = time.perf_counter()
        copy.copy_(large)
        bandwidth = max(bandwidth, 2 * 4 * len(large) / (time.perf_counter() - start) * 1e-9)
    case = f"machine, threads {threads}"
    recorder.add(case, "fused multiply-adds", "gflop_per_second", peak)
    recorder.add(case, "copy of 64 MiB", "gigabyte_per_second", bandwidth)
    return Limits(peak, bandwidth)
