r"""The equations, eager, for any floating dtype and device; the gradient is autograd's.

For one layer and one direction, from :math:`h_{t-1}` and :math:`c_{t-1}` [1]_ [2]_:

.. math::

    i_t &= \sigma(W_{ii} x_t + b_{ii} + W_{hi} h_{t-1} + b_{hi})    \tag{1} \\
    f_t &= \sigma(W_{if} x_t + b_{if} + W_{hf} h_{t-1} + b_{hf})    \tag{2} \\
    g_t &= \tanh(W_{ig} x_t + b_{ig} + W_{hg} h_{t-1} + b_{hg})     \tag{3} \\
    o_t &= \sigma(W_{io} x_t + b_{io} + W_{ho} h_{t-1} + b_{ho})    \tag{4} \\
    c_t &= f_t \odot c_{t-1} + i_t \odot g_t                        \tag{5} \\
    h_t &= W_{hr} \, (o_t \odot \tanh c_t)                          \tag{6}

with :math:`W_{hr} = 1` where there is no projection [3]_. Equations (7) to (14), of the variants,
stand in `cellstate.ops.variant`. This is the oracle that every other backend is held to, so it is
written to be read: no fusion, no memory reuse.

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
from torch.nn.functional import layer_norm, linear
from torch.utils import checkpoint

from cellstate.ops import noise
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
from cellstate.ops.variant import PLAIN, Variant


class Masks(NamedTuple):
    """What is dropped, or kept as it was, in a step of one cell; None for nothing.

    `h` (B, P) and `g` (B, H) are factors. `zone_h` (B, P) and `zone_c` (B, H) say which entries
    keep their value: booleans, or in evaluation their expectation.
    """

    h: Tensor | None = None
    g: Tensor | None = None
    zone_h: Tensor | float | None = None
    zone_c: Tensor | float | None = None


class Step(NamedTuple):
    """One step of one cell: its new state, h (B, P) and c (B, H), and its gates, each (B, H)."""

    h: Tensor
    c: Tensor
    i: Tensor
    f: Tensor
    g: Tensor
    o: Tensor


def step(
    x_BG: Tensor,
    h_BP: Tensor,
    c_BH: Tensor,
    weights: CellWeights,
    variant: Variant = PLAIN,
    masks: Masks = Masks(),  # noqa: B008
) -> Step:
    """Advance one cell by one step, equations (1) to (6), and (7) to (14) for its variant.

    Parameters
    ----------
    x_BG : Tensor
        The input's share of the gates before activation, `input_product` of this step.
    h_BP, c_BH : Tensor
        State before the step.
    weights : CellWeights
        Parameters of the cell.
    variant : Variant
        How the cell departs from the plain one.
    masks : Masks
        What this step drops or keeps.
    """
    squash = hard_sigmoid if variant.hard_sigmoid else torch.sigmoid
    seen_BP = h_BP if masks.h is None else h_BP * masks.h  # (12)
    sums_BG = linear(seen_BP, weights.weight_hh)
    if variant.layer_norm:
        sums_BG = _normalised(sums_BG, weights.norm_hh)  # (9)
    gates = list((x_BG + sums_BG).chunk(variant.gates, dim=-1))
    if variant.coupled:
        gates = [torch.zeros_like(c_BH), *gates]
    i, f, g, o = gates
    if weights.weight_ch is not None:
        seen = weights.weight_ch.chunk(variant.peepholes)  # by i, f, o, or f, o
        f = f + seen[-2] * c_BH  # (7)
        i = i if variant.coupled else i + seen[0] * c_BH
    f = squash(f)  # (2)
    i = 1 - f if variant.coupled else squash(i)  # (8), (1)
    g = torch.tanh(g)  # (3)
    new_BH = f * c_BH + i * (g if masks.g is None else g * masks.g)  # (5), (13)
    if variant.cell_clip is not None:
        new_BH = new_BH.clamp(-variant.cell_clip, variant.cell_clip)  # (11)
    if weights.weight_ch is not None:
        o = o + weights.weight_ch.chunk(variant.peepholes)[-1] * new_BH
    o = squash(o)  # (4)
    shown_BH = new_BH
    if variant.layer_norm:
        shown_BH = _normalised(new_BH, weights.norm_c, weights.norm_c_bias)
    new_BP = o * torch.tanh(shown_BH)  # (6)
    if weights.weight_hr is not None:
        new_BP = linear(new_BP, weights.weight_hr)
    return Step(_zoned(masks.zone_h, h_BP, new_BP), _zoned(masks.zone_c, c_BH, new_BH), i, f, g, o)


def hard_sigmoid(a: Tensor) -> Tensor:
    """Give a / 6 + 1/2, kept within 0 and 1, equation (10).

    torch's own has the slope of 1/6 in float32 even where the input is float64.
    """
    return (a / 6 + 0.5).clamp(0, 1)


def _normalised(sums: Tensor, gain: Tensor | None, bias: Tensor | None = None) -> Tensor:
    return layer_norm(sums, sums.shape[-1:], gain, bias)


def _zoned(mask: Tensor | float | None, old: Tensor, new: Tensor) -> Tensor:
    """Keep the old value where the mask says so, equation (14)."""
    if mask is None:
        return new
    if isinstance(mask, Tensor):
        return torch.where(mask, old, new)
    return new + mask * (old - new)


def input_product(x: Tensor, weights: CellWeights) -> Tensor:
    """Compute W_i x + b_i + b_h of equations (1) to (4) for all steps at once."""
    if weights.norm_ih is not None:
        product = _normalised(linear(x, weights.weight_ih), weights.norm_ih)  # (9)
        product = product if weights.bias_ih is None else product + weights.bias_ih
    else:
        product = linear(x, weights.weight_ih, weights.bias_ih)
    return product if weights.bias_hh is None else product + weights.bias_hh


class CellNoise:
    """The masks of one cell: those of the whole sequence, and those of each step."""

    def __init__(self, problem: Problem, operands: Operands, cell: int) -> None:
        self._variant, self._like = problem.variant, operands.x
        self._sizes = problem.batch, problem.output_size, problem.hidden_size
        self._projects = problem.proj_size > 0
        self._key = None if operands.keys is None else operands.keys[cell]

    def of_sequence(self) -> Masks:
        """Draw what is dropped from the first step to the last."""
        B, P, H = self._sizes
        rate = self._variant.recurrent_dropout
        if self._key is None or not rate:
            return Masks()
        if self._variant.dropped_at == "hidden":
            return Masks(h=noise.mask(self._key, noise.HIDDEN, rate, B, P, self._like))
        return Masks(g=noise.mask(self._key, noise.CANDIDATE, rate, B, H, self._like))

    def of_step(self, t: int, masks: Masks) -> Masks:
        """Add what keeps its value in one step."""
        rate_h, rate_c = self._variant.zoneout_h, self._variant.zoneout_c
        if not (rate_h or rate_c):
            return masks
        if self._key is None:
            return masks._replace(zone_h=rate_h or None, zone_c=rate_c or None)
        B, P, H = self._sizes
        key, device = self._key.to(self._like.device), self._like.device
        of_c, of_h = noise.words(key, noise.ZONEOUT, t, B, H, device)
        if self._projects:
            _, of_h = noise.words(key, noise.ZONEOUT_PROJECTED, t, B, P, device)
        return masks._replace(
            zone_h=~noise.is_kept(of_h, rate_h) if rate_h else None,
            zone_c=~noise.is_kept(of_c, rate_c) if rate_c else None,
        )


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
    cell_noise = CellNoise(problem, operands, cell)
    masks = cell_noise.of_sequence()
    ys: list[Tensor] = []
    records: list[tuple[Tensor, ...]] = []
    for first in range(0, problem.steps, size):
        part = steps[first : first + size]
        run = partial(_steps, problem, operands, cell, valid_TB, part, cell_noise, masks)
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
    problem: Problem,
    operands: Operands,
    cell: int,
    valid_TB: Tensor | None,
    steps: range,
    cell_noise: CellNoise,
    masks: Masks,
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
        now = cell_noise.of_step(t, masks)
        seen_h = h if valid is None else torch.where(valid, h, 0)
        seen_c = c if valid is None else torch.where(valid, c, 0)
        new = step(x_TBG[t - first], seen_h, seen_c, weights, problem.variant, now)
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
