"""torch's own fused LSTM, which runs oneDNN or ATen on a CPU and cuDNN on a CUDA device.

Ragged batches go through packing, which is torch's only way to say that rows differ in length.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from typing import cast

import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from cellstate.ops.problem import (
    CellWeights,
    Forward,
    LSTMResult,
    LSTMState,
    Operands,
    Problem,
)
from cellstate.ops.variant import PLAIN

# torch ships no types for the functions that `torch.nn.LSTM` itself calls.
_lstm = cast("Callable[..., tuple[Tensor, Tensor, Tensor]]", torch._VF.lstm)  # pyright: ignore
_lstm_cell = cast("Callable[..., tuple[Tensor, Tensor]]", torch._VF.lstm_cell)  # pyright: ignore


def why_not(problem: Problem) -> str | None:
    """Say what torch's fused LSTM cannot do on any device."""
    if problem.variant != PLAIN:
        return f"torch's LSTM has no {problem.variant}"
    if problem.reset:
        return "torch's LSTM cannot reset its state within a sequence"
    if problem.trace:
        return "torch's LSTM does not show its gates"
    if problem.traced:
        return "torch's LSTM knows no vmap and no forward-mode AD"
    if problem.recompute and problem.needs_grad:
        return "torch's LSTM cannot recompute what its backward pass wants"
    if problem.steps == 0 or problem.batch == 0:
        return "torch's LSTM takes no empty input"
    return None


def forward(problem: Problem, operands: Operands) -> Forward:
    """Run the whole stack in one call; torch's autograd records it."""
    if operands.lengths is None:
        y, h, c = _call(problem, operands.x, operands.state, _flat(operands.weights))
        return Forward(LSTMResult(y, LSTMState(h, c), None))
    return Forward(_ragged(problem, operands, operands.lengths))


def _ragged(problem: Problem, operands: Operands, lengths: Tensor) -> LSTMResult:
    """Run rows of different lengths, packed; a row of length zero keeps its state.

    Packing knows no row without a step, so such a row makes one step on zeros, whose results are
    dropped.
    """
    x = operands.x
    empty_B = (lengths == 0).to(x.device)
    some_empty = bool((lengths == 0).any())
    if some_empty:
        x = torch.where(empty_B[None, :, None], 0, x)
    packed = pack_padded_sequence(x, lengths.clamp(min=1), enforce_sorted=False)
    order, inverse = cast("tuple[Tensor, Tensor]", packed[2:])
    before = LSTMState(*(s.index_select(1, order) for s in operands.state))
    data, h, c = _call(problem, packed.data, before, _flat(operands.weights), packed.batch_sizes)
    y, _ = pad_packed_sequence(packed._replace(data=data), total_length=problem.steps)
    after = LSTMState(h.index_select(1, inverse), c.index_select(1, inverse))
    if some_empty:
        y = torch.where(empty_B[None, :, None], 0, y)
        kept = zip(operands.state, after, strict=True)
        after = LSTMState(*(torch.where(empty_B[None, :, None], s, n) for s, n in kept))
    return LSTMResult(y, after, None)


def step(problem: Problem, operands: Operands) -> Forward:
    """Run one time step without gradient, cell by cell, unidirectional and unprojected.

    oneDNN reorders the weights at every call, which a single step of few rows never earns back: at
    B = 1 this is 3 to 16 times faster (H = 64, 512).
    """
    y = operands.x[0]
    states: list[tuple[Tensor, Tensor]] = []
    for layer, cell in enumerate(operands.weights):
        before = (operands.state.h[layer], operands.state.c[layer])
        y, c = _lstm_cell(y, before, *cell[:4])
        states.append((y, c))
    state = LSTMState(torch.stack([h for h, _ in states]), torch.stack([c for _, c in states]))
    return Forward(LSTMResult(y[None], state, None))


def _flat(weights: tuple[CellWeights, ...]) -> list[Tensor]:
    return [tensor for cell in weights for tensor in cell if tensor is not None]


def _call(
    problem: Problem,
    x: Tensor,
    state: LSTMState,
    flat: list[Tensor],
    batch_sizes: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Call torch's function: padded with its `batch_first` off, or packed with batch sizes."""
    # Dropout is the caller's: it stands between layers, outside the recurrence.
    state = LSTMState(*(s.contiguous() for s in state))  # which cuDNN insists on
    dropout, train = 0.0, problem.needs_grad
    options = (problem.bias, problem.layers, dropout, train, problem.directions == 2)
    with _quiet() if problem.proj_size else nullcontext():
        if batch_sizes is None:
            return _lstm(x, state, flat, *options, False)
        return _lstm(x, batch_sizes, state, flat, *options)


@contextmanager
def _quiet() -> Generator[None]:
    """Silence what torch says at each call: that oneDNN has no projections."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "LSTM with projections is not supported")
        yield
