"""The served model in several runtimes: events of a batch in, answers out, states in a dictionary.

Each call gets names of entities, all different, and their readings as lists of numbers, and returns
the answers as lists of numbers. What it remembers of an entity lives as long as the process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from benchmarks.serving.model import HIDDEN, INPUTS, LAYERS, OUTPUTS, weights
from cellstate.runtime.onnx_export import chain_to_onnx
from cellstate.tasks.streams import load_stream

Names = Sequence[str]
Readings = Sequence[list[float]]
Stepper = Callable[[Names, Readings], list[list[float]]]


def cellstate(folder: Path) -> Stepper:
    """Step by `AbstractStream.step`, as the server does."""
    stream = load_stream(folder)
    size = stream.state_dtype.itemsize
    new = stream.start([""]).tobytes()
    states: dict[str, bytes] = {}

    def call(names: Names, readings: Readings) -> list[list[float]]:
        rows = [stream.read({"x": x}) for x in readings]
        held = b"".join([states.get(name, new) for name in names])
        before = np.frombuffer(held, stream.state_dtype)
        after, answers = stream.step(before, rows, np.zeros(len(rows), np.int64))
        kept = after.tobytes()
        for k, name in enumerate(names):
            states[name] = kept[k * size : (k + 1) * size]
        return [answer["y"] for answer in answers]

    return call


def step_model() -> bytes:
    """Write one step of the model as ONNX."""
    return chain_to_onnx(LAYERS, weights(), single_step=True).SerializeToString()


def onnx_session(threads: int) -> onnxruntime.InferenceSession:
    """Load the ONNX form of one step."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(step_model(), options, providers=["CPUExecutionProvider"])


def onnx_runtime(threads: int) -> Stepper:
    """Step by ONNX Runtime."""
    session = onnx_session(threads)
    states: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    zero = np.zeros((1, 1, HIDDEN), np.float32)

    def call(names: Names, readings: Readings) -> list[list[float]]:
        held = [states.get(name, (zero, zero)) for name in names]
        feeds = {
            "x": np.array(readings, np.float32),
            "body.h_0": np.concatenate([h for h, _ in held], 1),
            "body.c_0": np.concatenate([c for _, c in held], 1),
        }
        y, h, c = session.run(["y", "body.h_n", "body.c_n"], feeds)
        for k, name in enumerate(names):
            states[name] = h[:, k : k + 1], c[:, k : k + 1]
        return y.tolist()

    return call


def torch_layer(threads: int) -> Stepper:
    """Step by `torch.nn.LSTM` and `torch.nn.Linear`."""
    torch.set_num_threads(threads)
    body, head = torch.nn.LSTM(INPUTS, HIDDEN), torch.nn.Linear(HIDDEN, OUTPUTS)
    for name, module in (("body", body), ("head", head)):
        own = {
            key.removeprefix(f"{name}."): torch.from_numpy(value)
            for key, value in weights().items()
            if key.startswith(f"{name}.")
        }
        module.load_state_dict(own)
    states: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    zero = torch.zeros(1, 1, HIDDEN)

    def call(names: Names, readings: Readings) -> list[list[float]]:
        with torch.inference_mode():
            held = [states.get(name, (zero, zero)) for name in names]
            h, c = (torch.cat(parts, 1) for parts in zip(*held, strict=True))
            y, (h, c) = body(torch.tensor(readings)[None], (h, c))
            for name, own_h, own_c in zip(names, h.split(1, 1), c.split(1, 1), strict=True):
                states[name] = own_h, own_c
            return head(y[0]).tolist()

    return call
