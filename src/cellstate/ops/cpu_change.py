"""What happens between two native calls of `cellstate.ops.cpu_elapsed`, forward and backward.

Steps come in order, in the backward pass stretch by stretch from the last to the first. States and
their gradients are arrays (B, H). Little is kept for the backward pass, where a stretch is computed
again at once: memory that is touched for the first time costs more than the products do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from cellstate import _native
from cellstate.ops.between import Change, Decay, Discount

Pair = tuple[Any, Any]


def between(change: Change, h0: Tensor, c0: Tensor, padding: Tensor | None) -> Between:
    """Give what changes the state, from `h0` and `c0` (B, H) on.

    `padding` numbers the rows, of T·B, in which nothing changes.
    """
    if isinstance(change, Decay):
        return Decaying(change, h0, c0, padding)
    return Discounting(change, h0, c0, padding)


def filled(tensor: Tensor, padding: Tensor | None, value: float) -> Tensor:
    """Put a value into the padding of a copy of a tensor (T, B, …)."""
    if padding is None:
        return tensor
    return tensor.flatten(0, 1).index_fill(0, padding, value).view_as(tensor)


def _before(initial: Tensor, after: Tensor, first: int, end: int) -> Tensor:
    """Give the state before the steps `first` … `end` - 1, from those after every step."""
    if first:
        return after[first - 1 : end - 1]
    return torch.cat([initial[None], after[: end - 1]])


class Decaying:
    """Factors of h and of c before each step (15)."""

    def __init__(self, change: Decay, h0: Tensor, c0: Tensor, padding: Tensor | None) -> None:
        self._h, self._c = _Part(change.of_h, h0, padding), _Part(change.of_c, c0, padding)

    def forward(self, t: int, h: Any, c: Any) -> Pair:
        """Give what step t sees, from the state after the step before it."""
        return self._h.forward(t, h), self._c.forward(t, c)

    def begin_backward(self, y: Tensor, cells: Tensor, wanted: tuple[bool, ...]) -> None:
        """Take h and c after each step, and which of the change's tensors want a gradient."""
        self._h.begin_backward(y, wanted[0])
        self._c.begin_backward(cells, wanted[1])

    def begin_stretch(self, first: int, end: int) -> tuple[Tensor, Any]:
        """Give h and c as the steps `first` … `end` - 1 saw them, (S, B, H), c as an array."""
        return self._h.seen(first, end), self._c.seen(first, end).numpy()

    def backward(self, t: int, dh: Any, dc: Any) -> Pair:
        """Give the gradient of the state after the step before t, from that of what t saw."""
        return self._h.backward(t, dh), self._c.backward(t, dc)

    def end_stretch(self, threads: int) -> None:
        """Add the stretch to the gradients."""

    def gradients(self) -> tuple[Tensor | None, ...]:
        """Give the gradient of each of the change's tensors."""
        return self._h.gradient(), self._c.gradient()


class _Part:
    """One part of the state, h or c, and its factors, if it has any."""

    def __init__(self, factors: Tensor | None, initial: Tensor, padding: Tensor | None) -> None:
        self._initial, self._padding = initial, padding
        self._factors = None if factors is None else filled(factors, padding, 1)
        self._rows: Any = None if self._factors is None else self._factors.numpy()
        self._scratch: Any = None if factors is None else torch.empty_like(initial).numpy()

    def forward(self, t: int, value: Any) -> Any:
        if self._rows is None:
            return value
        return np.multiply(value, self._rows[t], out=self._scratch)

    def begin_backward(self, after: Tensor, wanted: bool) -> None:
        self._after, self._after_rows = after, after.numpy()
        wanted = wanted and self._factors is not None
        self._gradient = torch.empty_like(after) if wanted else None
        self._gradient_rows: Any = None if self._gradient is None else self._gradient.numpy()

    def seen(self, first: int, end: int) -> Tensor:
        before = _before(self._initial, self._after, first, end)
        return before if self._factors is None else before * self._factors[first:end]

    def backward(self, t: int, received: Any) -> Any:
        if self._rows is None:
            return received
        if self._gradient_rows is not None:
            before = self._after_rows[t - 1] if t else self._initial.numpy()
            np.multiply(received, before, out=self._gradient_rows[t])
        return np.multiply(received, self._rows[t], out=received)

    def gradient(self) -> Tensor | None:
        return None if self._gradient is None else filled(self._gradient, self._padding, 0)


class Discounting:
    """T-LSTM's adjusted memory, (16) and (17); methods as those of `Decaying`."""

    def __init__(self, change: Discount, h0: Tensor, c0: Tensor, padding: Tensor | None) -> None:
        self._weight, self._bias = change.weight, change.bias
        self._turned, self._padding = change.weight.t(), padding
        self._lost = filled(change.lost, padding, 0)[..., None]
        self._h0, self._c0 = h0, c0
        self._short = c0.new_empty((len(change.lost), *c0.shape))
        self._scratch = torch.empty_like(c0)
        self._scratch_array = self._scratch.numpy()

    def forward(self, t: int, h: Any, c: Any) -> Pair:
        """Give what step t sees, from the state after the step before it."""
        before = torch.from_numpy(c)
        short = torch.addmm(self._bias, before, self._turned, out=self._short[t]).tanh_()
        torch.addcmul(before, self._lost[t], short, value=-1, out=self._scratch)
        return h, self._scratch_array

    def begin_backward(self, y: Tensor, cells: Tensor, wanted: tuple[bool, ...]) -> None:
        """Take h and c after each step, and which of the change's tensors want a gradient."""
        self._y, self._cells, self._wanted = y, cells, wanted
        self._of_lost = y.new_zeros(y.shape[:2]) if wanted[0] else None
        self._of_weight = torch.zeros_like(self._weight)
        self._of_bias = torch.zeros_like(self._bias)

    def begin_stretch(self, first: int, end: int) -> tuple[Tensor, Any]:
        """Give h and c as the steps `first` … `end` - 1 saw them, (S, B, H), c as an array."""
        self._first, self._end = first, end
        self._before = _before(self._c0, self._cells, first, end)
        short, lost = self._short[first:end], self._lost[first:end]
        # What leads from the adjusted memory to the sums of (16).
        self._slope = torch.square(short).sub_(1).mul_(lost)
        self._dsums = torch.empty_like(short)
        self._dseen = torch.empty_like(short) if self._of_lost is not None else None
        seen = torch.addcmul(self._before, lost, short, value=-1)
        return _before(self._h0, self._y, first, end), seen.numpy()

    def backward(self, t: int, dh: Any, dc: Any) -> Pair:
        """Give the gradient of the state after the step before t, from that of what t saw."""
        dseen, at = torch.from_numpy(dc), t - self._first
        if self._dseen is not None:
            self._dseen[at] = dseen
        dsums = torch.mul(dseen, self._slope[at], out=self._dsums[at])
        return dh, torch.addmm(dseen, dsums, self._weight).numpy()

    def end_stretch(self, threads: int) -> None:
        """Add the stretch to the gradients."""
        if self._of_lost is not None and self._dseen is not None:
            shares = self._dseen * self._short[self._first : self._end]
            self._of_lost[self._first : self._end] = shares.sum(-1).neg_()
        rows, before = (t.flatten(0, 1).numpy() for t in (self._dsums, self._before))
        of_weight, of_bias = self._of_weight.numpy(), self._of_bias.numpy()
        _native.accumulate(rows, before, of_weight, of_bias, threads)

    def gradients(self) -> tuple[Tensor | None, ...]:
        """Give the gradient of each of the change's tensors."""
        of_lost = self._of_lost
        of_lost = None if of_lost is None else filled(of_lost, self._padding, 0)
        return of_lost, self._of_weight, self._of_bias


Between = Decaying | Discounting
