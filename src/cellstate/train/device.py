"""Where a training runs: the device, its precision, and the way of a batch to it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch

from cellstate.errors import InputError, explain
from cellstate.train.task import Batch, TensorBatch


def choose_device(name: str) -> torch.device:
    """Find the device that `name` asks for; "auto" is CUDA where there is one.

    Raises
    ------
    InputError
        The name is unknown or this machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda", torch.cuda.current_device()) if _has_cuda() else _CPU
    try:
        device = torch.device(name)
    except RuntimeError as problem:
        raise _no_device(name) from problem
    if device.type == "cuda" and _has_cuda() and (device.index or 0) < torch.cuda.device_count():
        return torch.device("cuda", device.index or 0)
    if device.type == "cpu" or (device.type == "mps" and torch.backends.mps.is_available()):
        return device
    raise _no_device(name)


def choose_precision(name: str, device: torch.device) -> str:
    """Resolve "auto": bfloat16 where a CUDA device supports it, float32 elsewhere."""
    if name != "auto":
        return name
    bfloat16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return "bfloat16" if bfloat16 else "float32"


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Give the context in which losses are computed; parameters stay in float32."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def to_device(batch: Batch, device: torch.device) -> TensorBatch:
    """Move a batch of arrays; CUDA copies overlap with computing."""
    tensors = {name: _tensor(array) for name, array in batch.items()}
    if device.type == "cpu":
        return tensors
    if device.type == "cuda":
        return {
            name: tensor.pin_memory().to(device, non_blocking=True)
            for name, tensor in tensors.items()
        }
    return {name: tensor.to(device) for name, tensor in tensors.items()}


_CPU = torch.device("cpu")


def _has_cuda() -> bool:
    return torch.cuda.is_available()


def _tensor(array: np.ndarray) -> torch.Tensor:
    # torch cannot view arrays with negative strides and warns about read-only ones.
    if not array.flags.writeable or any(stride < 0 for stride in array.strides):
        array = array.copy()
    return torch.from_numpy(array)


def _no_device(name: str) -> InputError:
    here = ["cpu"] + [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    must = f"device must be one that this machine has ({', '.join(here)})"
    return InputError(
        explain("TrainConfig", must, repr(name), "Use device='auto' to take the best one here")
    )
