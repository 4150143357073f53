r"""The equations, eager, for any floating dtype and device; the gradient is autograd's.

For one layer and one direction, from :math:`h_{t-1}` and :math:`c_{t-1}` [1]_ [2]_:

.. math::

    i_t &= \sigma(W_{ii} x_t + b_{ii} + W_{hi} h_{t-1} + b_{hi})    \tag{1} \\
    f_t &= \sigma(W_{if} x_t + b_{if} + W_{hf} h_{t-1} + b_{hf})    \tag{2} \\
    g_t &= \tanh(W_{ig} x_t + b_{ig} + W_{hg} h_{t-1} + b_{hg})     \tag{3} \\
    o_t &= \sigma(W_{io} x_t + b_{io} + W_{ho} h_{t-1} + b_{ho})    \tag{4} \\
    c_t &= f_t \odot c_{t-1} + i_t \odot g_t                        \tag{5} \\
    h_t &= W_{hr} \, (o_t \odot \tanh c_t)                          \tag{6}

with :math:`W_{hr} = 1` where there is no projection [3]_. This is the oracle that every other
backend is held to, so it is written to be read: no fusion, no memory reuse.

Values are chosen by `torch.where`, never by multiplication, so that NaN in the padding, or in a
state that is reset, reaches neither a result nor a gradient.

.. [1] Hochreiter, Schmidhuber: Long short-term memory. Neural Computation 9(8), 1997.
.. [2] Gers, Schmidhuber, Cummins: Learning to forget. Neural Computation 12(10), 2000.
.. [3] Sak, Senior, Beaufays: Long short-term memory based recurrent neural network architectures
   for large vocabulary speech recognition. arXiv:1402.1128, 2014.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, cast

import torch
from torch import Tensor
from torch.nn.functional import linear
from torch.utils import checkpoint

from cellstate.ops.problem import (
    Backend,
    CellWeights,
    Forward,
    LSTMResult,
    LSTMState,
    LSTMTrace,
    Operands,
    Problem,
)


class Step(NamedTuple):
    """One step of one cell: its new state, h (B, P) and c (B, H), and its gates, each (B, H)."""

    h: Tensor
    c: Tensor
    i: Tensor
    f: Tensor
    g: Tensor
    o: Tensor


def step(x_BG: Tensor, h_BP: Tensor, c_BH: Tensor, weights: CellWeights) -> Step:
    """Advance one cell by one step, equations (1) to (6).

    Parameters
    ----------
    x_BG : Tensor
        The input's share of the gates before activation, `input_product` of this step.
    h_BP, c_BH : Tensor
        State before the step.
    weights : CellWeights
        Parameters of the cell.
    """
    gates_BG = x_BG + linear(h_BP, weights.weight_hh)
    i, f, g, o = gates_BG.chunk(4, dim=-1)
    i = torch.sigmoid(i)  # (1)
    f = torch.sigmoid(f)  # (2)
    g = torch.tanh(g)  # (3)
    o = torch.sigmoid(o)  # (4)
    c_BH = f * c_BH + i * g  # (5)
    h_BP = o * torch.tanh(c_BH)  # (6)
    if weights.weight_hr is not None:
        h_BP = linear(h_BP, weights.weight_hr)
    return Step(h_BP, c_BH, i, f, g, o)


def input_product(x: Tensor, weights: CellWeights) -> Tensor:
    """Compute W_i x + b_i + b_h of equations (1) to (4) for all steps at once."""
    product = linear(x, weights.weight_ih, weights.bias_ih)
    return product if weights.bias_hh is None else product + weights.bias_hh


_Part = tuple[Tensor, Tensor, list[Tensor], list[tuple[Tensor, ...]]]


def _again(run: Callable[[Tensor, Tensor, Tensor], _Part], *tensors: Tensor) -> _Part:
    """Run a part that keeps nothing for the backward pass, which runs it again."""
    return cast("_Part", checkpoint.checkpoint(run, *tensors, use_reentrant=False))  # pyright: ignore


class _Scan(NamedTuple):
    """One cell over all steps: outputs (T, B, P), final h and c, trace of five (T, B, H)."""

    y: Tensor
    h: Tensor
    c: Tensor
    trace: tuple[Tensor, ...] | None


def forward(problem: Problem, operands: Operands) -> Forward:
    """Run the stack layer by layer, in each direction."""
    valid_TB = _valid(problem, operands)
    y = operands.x
    if valid_TB is not None:
        # Zeroed before the first product: a NaN that a later `where` drops would still return in
        # the backward pass, as 0 · NaN.
        y = torch.where(valid_TB[..., None], y, 0)
    finals: list[tuple[Tensor, Tensor]] = []
    traces: list[tuple[Tensor, ...]] = []
    for layer in range(problem.layers):
        scans = [
            _scan(problem, operands, layer * problem.directions + direction, y, valid_TB)
            for direction in range(problem.directions)
        ]
        y = scans[0].y if len(scans) == 1 else torch.cat([scan.y for scan in scans], dim=-1)
        finals.extend((scan.h, scan.c) for scan in scans)
        traces.extend(scan.trace for scan in scans if scan.trace is not None)
    state = LSTMState(torch.stack([h for h, _ in finals]), torch.stack([c for _, c in finals]))
    return Forward(LSTMResult(y, state, _stacked(problem, traces)))


def _valid(problem: Problem, operands: Operands) -> Tensor | None:
    """Say which steps of which rows are no padding, (T, B) bool; None where all are."""
    if operands.lengths is None:
        return None
    device = operands.x.device
    steps_T = torch.arange(problem.steps, device=device)
    return steps_T[:, None] < operands.lengths.to(device)[None, :]


def _scan(
    problem: Problem, operands: Operands, cell: int, x_TBI: Tensor, valid_TB: Tensor | None
) -> _Scan:
    """Run one cell over all steps: the reverse direction from the last to the first."""
    h, c = operands.state.h[cell], operands.state.c[cell]
    reverse = problem.directions == 2 and cell % 2 == 1
    steps = range(problem.steps)[:: -1 if reverse else 1]
    again = problem.recompute and problem.needs_grad
    size = math.isqrt(problem.steps) + 1 if again else max(problem.steps, 1)
    ys: list[Tensor] = []
    records: list[tuple[Tensor, ...]] = []
    for first in range(0, problem.steps, size):
        run = partial(_steps, operands, cell, valid_TB, steps[first : first + size])
        if again:
            h, c, y, record = _again(run, x_TBI, h, c)
        else:
            h, c, y, record = run(x_TBI, h, c)
        ys.extend(y)
        records.extend(record)
    if reverse:
        ys.reverse()
        records.reverse()
    trace = None
    if problem.trace:
        trace = tuple(_stack(list(column), c) for column in zip(*records, strict=True))
        trace = trace or (c.new_empty((0, *c.shape)),) * len(LSTMTrace._fields)
    return _Scan(_stack(ys, h), h, c, trace)


def _steps(
    operands: Operands,
    cell: int,
    valid_TB: Tensor | None,
    steps: range,
    x_TBI: Tensor,
    h: Tensor,
    c: Tensor,
) -> _Part:
    """Run one cell over some steps: its state, its outputs, and its gates and cell states."""
    weights = operands.weights[cell]
    start_h, start_c = _start(operands, cell, h, c)
    first = min(steps)
    x_TBG = input_product(x_TBI[first : max(steps) + 1], weights)
    ys: list[Tensor] = []
    records: list[tuple[Tensor, ...]] = []
    for t in steps:
        valid = None if valid_TB is None else valid_TB[t, :, None]
        if operands.reset is not None:
            fresh = operands.reset[t, :, None]
            fresh = fresh if valid is None else fresh & valid
            h, c = torch.where(fresh, start_h, h), torch.where(fresh, start_c, c)
        new = step(x_TBG[t - first], h, c, weights)
        record = (new.i, new.f, new.g, new.o, new.c)
        if valid is None:
            h, c, y = new.h, new.c, new.h
        else:
            h, c = torch.where(valid, new.h, h), torch.where(valid, new.c, c)
            y = torch.where(valid, new.h, 0)
            record = tuple(torch.where(valid, value, 0) for value in record)
        ys.append(y)
        records.append(record)
    return h, c, ys, records


def _start(operands: Operands, cell: int, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Give the state that a reset starts from."""
    if operands.start is None:
        return h.new_zeros(()), c.new_zeros(())
    return operands.start.h[cell], operands.start.c[cell]


def _stack(steps: list[Tensor], like: Tensor) -> Tensor:
    """Stack along time; a sequence without steps gives (0, B, …)."""
    return torch.stack(steps) if steps else like.new_empty((0, *like.shape))


def _stacked(problem: Problem, traces: list[tuple[Tensor, ...]]) -> LSTMTrace | None:
    if not problem.trace:
        return None
    columns = (torch.stack(column) for column in zip(*traces, strict=True))
    return LSTMTrace(*(c.unflatten(0, (problem.layers, problem.directions)) for c in columns))


def why_not(problem: Problem) -> str | None:
    """Run anything."""
    return None


BACKEND = Backend(name="reference", why_not=why_not, forward=forward)
