"""What happens between two native calls of `cellstate.ops.cpu_elapsed`, forward and backward.

Steps come in order, in the backward pass from the last to the first. States and their gradients are
arrays (B, H). Arrays share the memory of the tensors beside them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from cellstate.ops.between import Change, Decay, Discount

Pair = tuple[Any, Any]


def between(change: Change, h0: Tensor, c0: Tensor, padding: Tensor | None) -> Between:
    """Give what changes the state, from `h0` and `c0` (B, H) on.

    `padding` numbers the rows, of T·B, in which nothing changes.
    """
    kind = Decaying if isinstance(change, Decay) else Discounting
    return kind(change, h0, c0, padding)  # pyright: ignore[reportArgumentType]


def filled(tensor: Tensor, padding: Tensor | None, value: float) -> Tensor:
    """Put a value into the padding of a copy of a tensor (T, B, …)."""
    if padding is None:
        return tensor
    return tensor.flatten(0, 1).index_fill(0, padding, value).view_as(tensor)


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

    def seen_c(self, t: int) -> Any:
        """Give c as step t saw it."""
        return self._c.seen(t)

    def all_seen_h(self) -> Tensor:
        """Give h as each step saw it, (T, B, H)."""
        return self._h.all_seen()

    def backward(self, t: int, dh: Any, dc: Any) -> Pair:
        """Give the gradient of the state after the step before t, from that of what t saw."""
        return self._h.backward(t, dh), self._c.backward(t, dc)

    def gradients(self) -> tuple[Tensor | None, ...]:
        """Give the gradient of each of the change's tensors."""
        return self._h.gradient(), self._c.gradient()


class Discounting:
    """T-LSTM's adjusted memory, (16) and (17); methods as those of `Decaying`."""

    def __init__(self, change: Discount, h0: Tensor, c0: Tensor, padding: Tensor | None) -> None:
        T, (B, H) = len(change.lost), c0.shape
        self._weight, self._bias = change.weight, change.bias
        self._turned = change.weight.t()
        self._lost = filled(change.lost, padding, 0)[..., None]
        self._padding = padding
        self._initial_h, self._initial_c = h0, c0
        self._short, self._seen = c0.new_empty((2, T, B, H))
        self._seen_array = self._seen.numpy()

    def forward(self, t: int, h: Any, c: Any) -> Pair:
        """Give what step t sees, from the state after the step before it."""
        before = torch.from_numpy(c)
        short = torch.addmm(self._bias, before, self._turned, out=self._short[t]).tanh_()
        torch.addcmul(before, self._lost[t], short, value=-1, out=self._seen[t])
        return h, self._seen_array[t]

    def begin_backward(self, y: Tensor, cells: Tensor, wanted: tuple[bool, ...]) -> None:
        """Take h and c after each step, and which of the change's tensors want a gradient."""
        self._h = torch.cat([self._initial_h[None], y[:-1]])
        self._c = torch.cat([self._initial_c[None], cells[:-1]])
        self._wanted = wanted
        # What leads from the adjusted memory to the sums of (16).
        self._slope = torch.square(self._short).sub_(1).mul_(self._lost)
        self._dsums = torch.empty_like(self._seen)
        self._dseen = torch.empty_like(self._seen) if wanted[0] else None

    def seen_c(self, t: int) -> Any:
        """Give c as step t saw it."""
        return self._seen_array[t]

    def all_seen_h(self) -> Tensor:
        """Give h as each step saw it, (T, B, H)."""
        return self._h

    def backward(self, t: int, dh: Any, dc: Any) -> Pair:
        """Give the gradient of the state after the step before t, from that of what t saw."""
        dseen = torch.from_numpy(dc)
        if self._dseen is not None:
            self._dseen[t] = dseen
        dsums = torch.mul(dseen, self._slope[t], out=self._dsums[t])
        return dh, torch.addmm(dseen, dsums, self._weight).numpy()

    def gradients(self) -> tuple[Tensor | None, ...]:
        """Give the gradient of each of the change's tensors."""
        _, of_weight, of_bias = self._wanted
        dsums, of_lost = self._dsums.flatten(0, 1), None
        if self._dseen is not None:
            of_lost = (self._dseen * self._short).sum(-1).neg_()
            of_lost = filled(of_lost, self._padding, 0)
        return (
            of_lost,
            dsums.t() @ self._c.flatten(0, 1) if of_weight else None,
            dsums.sum(0) if of_bias else None,
        )


Between = Decaying | Discounting


class _Part:
    """One part of the state, h or c, and its factors, if it has any."""

    def __init__(self, factors: Tensor | None, initial: Tensor, padding: Tensor | None) -> None:
        self._padding = padding
        self._factors = None if factors is None else filled(factors, padding, 1).numpy()
        self._seen = None if factors is None else torch.empty_like(factors)
        self._seen_array: Any = None if self._seen is None else self._seen.numpy()
        self._initial, self._initial_array = initial, initial.numpy()
        self._gradient: Tensor | None = None

    def forward(self, t: int, value: Any) -> Any:
        if self._factors is None:
            return value
        return np.multiply(value, self._factors[t], out=self._seen_array[t])

    def begin_backward(self, after: Tensor, wanted: bool) -> None:
        self._after, self._after_array = after, after.numpy()
        self._gradient = torch.empty_like(self._seen) if wanted and self._seen is not None else None
        self._gradient_array: Any = None if self._gradient is None else self._gradient.numpy()

    def seen(self, t: int) -> Any:
        return self._before(t) if self._factors is None else self._seen_array[t]

    def all_seen(self) -> Tensor:
        if self._seen is not None:
            return self._seen
        return torch.cat([self._initial[None], self._after[:-1]])

    def backward(self, t: int, received: Any) -> Any:
        if self._factors is None:
            return received
        if self._gradient_array is not None:
            np.multiply(received, self._before(t), out=self._gradient_array[t])
        return np.multiply(received, self._factors[t], out=received)

    def gradient(self) -> Tensor | None:
        return None if self._gradient is None else filled(self._gradient, self._padding, 0)

    def _before(self, t: int) -> Any:
        return self._after_array[t - 1] if t else self._initial_array
