"""The common case on the CPU kernels, with few operations of torch: they cost microseconds.

Plain cells whose rows all run to their end: one native call for a cell's forward pass, one for its
whole gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cellstate import _native
from cellstate.ops.packing import packed_cell, packed_gradient
from cellstate.ops.problem import (
    CellWeights,
    Cotangents,
    Forward,
    LSTMResult,
    LSTMState,
    Operands,
    Problem,
)
from cellstate.ops.variant import PLAIN


def is_plain(problem: Problem) -> bool:
    """Say whether the forward pass in training is the common case."""
    return (
        problem.variant == PLAIN
        and not problem.proj_size
        and not (problem.lengths or problem.reset or problem.trace or problem.recompute)
        and problem.steps * problem.batch > 0
    )


def wants_all(operands: Operands) -> bool:
    """Say whether the gradient of every parameter is wanted."""
    cells = operands.weights
    return operands.start is None and all(t is None or t.requires_grad for c in cells for t in c)


def forward(problem: Problem, operands: Operands) -> Forward:
    """Run the stack; save the layers' outputs, then gates and cell states of each cell."""
    T, B, D, H = problem.steps, problem.batch, problem.directions, problem.hidden_size
    x = operands.x.detach().contiguous()
    before = LSTMState(*(s.detach().contiguous() for s in operands.state))
    after = LSTMState(*map(torch.empty_like, before))
    h0, c0, h, c = (s.numpy() for s in (*before, *after))
    threads = torch.get_num_threads()
    outputs: list[Tensor] = []
    kept: list[Tensor] = []
    for layer in range(problem.layers):
        y = x.new_empty((T, B, D * H))
        inputs, columns = x.numpy(), y.numpy()
        for direction in range(D):
            k = layer * D + direction
            gates, cells = x.new_empty((T, B, 4 * H)), x.new_empty((T, B, H))
            _native.lstm_forward(
                packed_cell(operands.weights[k]),
                inputs,
                h0[k],
                c0[k],
                columns if D == 1 else columns[..., direction * H : (direction + 1) * H],
                h[k],
                c[k],
                reverse=direction == 1,
                gates=gates.numpy(),
                cells=cells.numpy(),
                threads=threads,
            )
            kept += (gates, cells)
        outputs.append(y)
        x = y
    return Forward(LSTMResult(x, after, None), (*outputs, *kept))


def backward(
    problem: Problem, operands: Operands, saved: tuple[Tensor, ...], cotangents: Cotangents
) -> tuple[Tensor | None, ...]:
    """Differentiate the stack, from the last layer to the first."""
    D, L, H = problem.directions, problem.layers, problem.hidden_size
    outputs, kept = saved[:L], saved[L:]
    state = LSTMState(*(s.detach().contiguous() for s in operands.state))
    last = (s.contiguous() for s in cotangents.state)
    before = LSTMState(*(torch.empty_like(s, memory_format=torch.contiguous_format) for s in state))
    h0, c0, dh_n, dc_n, dh0, dc0 = (s.numpy() for s in (*state, *last, *before))
    threads = torch.get_num_threads()
    dy: Tensor | None = cotangents.y.contiguous()
    gradients: list[CellWeights] = []
    for layer in reversed(range(L)):
        assert dy is not None
        x = outputs[layer - 1] if layer else operands.x.detach().contiguous()
        wants_dx = layer > 0 or operands.x.requires_grad
        inputs, y, received = x.numpy(), outputs[layer].numpy(), dy.numpy()
        dy = None
        for direction in reversed(range(D)):
            k, columns = layer * D + direction, slice(direction * H, (direction + 1) * H)
            weights = operands.weights[k]
            gradient = _room(weights)
            dx = torch.empty_like(x) if wants_dx else None
            _native.lstm_gradient(
                packed_gradient(weights),
                inputs,
                y if D == 1 else y[..., columns],
                h0[k],
                c0[k],
                kept[2 * k].numpy(),
                kept[2 * k + 1].numpy(),
                received if D == 1 else received[..., columns],
                dh_n[k],
                dc_n[k],
                dh0[k],
                dc0[k],
                None if dx is None else dx.numpy(),
                gradient.weight_ih.numpy(),
                gradient.weight_hh.numpy(),
                None if gradient.bias_ih is None else gradient.bias_ih.numpy(),
                direction == 1,
                threads,
            )
            gradients.append(gradient)
            if dx is not None:
                dy = dx if dy is None else dx.add_(dy)
    wanted = (t.requires_grad for t in (operands.x, *operands.state))
    found = zip((dy, *before), wanted, strict=True)
    return (
        *(gradient if is_wanted else None for gradient, is_wanted in found),
        None,
        None,
        *(t for gradient in reversed(gradients) for t in gradient),
    )


def _room(weights: CellWeights) -> CellWeights:
    """Make room for the gradient of one cell; both biases have the same."""
    weight_ih, weight_hh, bias = weights.weight_ih, weights.weight_hh, weights.bias_ih
    dense = torch.contiguous_format
    db = None if bias is None else torch.empty_like(bias, memory_format=dense)
    return CellWeights(
        torch.empty_like(weight_ih, memory_format=dense),
        torch.empty_like(weight_hh, memory_format=dense),
        db,
        db,
    )
