"""cuDNN's LSTM, through torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor

from cellstate.ops import torch_fused
from cellstate.ops.problem import Backend, Problem

_DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


def why_not(problem: Problem) -> str | None:
    """Say in one sentence why cuDNN cannot run the problem, or None."""
    if problem.device != "cuda":
        return f"cuDNN takes tensors on a CUDA device, these are on {problem.device}"
    if not torch.cuda.is_available():
        return "torch finds no CUDA device on this machine"
    if not (torch.backends.cudnn.is_available() and torch.backends.cudnn.enabled):
        return "cuDNN is absent from this build of torch or switched off"
    if problem.dtype not in _DTYPES:
        return f"cuDNN has no {problem.dtype}"
    return torch_fused.why_not(problem)


_LSTM_MODE = 2  # CUDNN_LSTM of cudnnRNNMode_t
_use_flatten_weight = cast("Callable[[], bool]", torch._use_cudnn_rnn_flatten_weight)  # pyright: ignore
_flatten_weight = cast("Callable[..., Tensor]", torch._cudnn_rnn_flatten_weight)  # pyright: ignore


def flatten(
    weights: list[Tensor],
    *,
    per_cell: int,
    input_size: int,
    hidden_size: int,
    proj_size: int,
    layers: int,
    directions: int,
) -> None:
    """Move the parameters of a stack side by side in memory, as cuDNN wants them.

    cuDNN copies parameters that lie elsewhere at each call. Off a CUDA device nothing is done.
    """
    first = weights[0]
    if not torch.backends.cudnn.is_acceptable(first) or any(
        weight.dtype != first.dtype or weight.device != first.device for weight in weights
    ):
        return
    if len({weight.data_ptr() for weight in weights}) != len(weights):
        return  # parameters that share memory cannot be moved apart
    if not _use_flatten_weight():
        return
    with torch.cuda.device_of(first), torch.no_grad():
        _flatten_weight(
            weights,
            per_cell,
            input_size,
            _LSTM_MODE,
            hidden_size,
            proj_size,
            layers,
            False,  # parameters do not depend on batch_first
            directions == 2,
        )


BACKEND = Backend(name="cudnn", why_not=why_not, forward=torch_fused.forward)
