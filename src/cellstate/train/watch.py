"""Noticing that a training has gone wrong, without waiting for the device at every step."""

from __future__ import annotations

import math
from statistics import median
from typing import cast

import torch

FIRST = 20
"""Losses that show what is normal."""
LAST = 5
"""Losses whose median must be far above normal to count as an explosion."""
FAR = 10.0
"""How many times the normal level or spread is far."""


class Watch:
    """Collect losses and gradient norms, and read them off the device every few steps.

    Parameters
    ----------
    every : int
        Steps between two readings; 1 on the CPU, where reading costs nothing.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self.first: list[float] = []
        self.since_row: list[float] = []
        self._recent: list[float] = []
        self._unread: list[torch.Tensor] = []

    def add(self, loss: torch.Tensor, norm: torch.Tensor) -> None:
        """Take one step's loss and gradient norm, both scalars."""
        self._unread.append(loss.detach().float())
        self._unread.append(norm.detach().float())

    @property
    def is_due(self) -> bool:
        """Whether enough steps are unread."""
        return len(self._unread) >= 2 * self.every

    def read(self) -> str | None:
        """Read what is unread; say what is wrong, if anything."""
        if not self._unread:
            return None
        if len(self._unread) == 2:
            numbers = [float(self._unread[0]), float(self._unread[1])]
        else:
            numbers = cast("list[float]", torch.stack(self._unread).tolist())
        self._unread.clear()
        losses, norms = numbers[::2], numbers[1::2]
        for loss, norm in zip(losses, norms, strict=True):
            if not math.isfinite(loss):
                return f"the loss became {loss}"
            if not math.isfinite(norm):
                return f"the gradient's norm became {norm}"
        self.since_row += losses
        self.first += losses[: FIRST - len(self.first)] if len(self.first) < FIRST else []
        self._recent = (self._recent + losses)[-LAST:]
        return self._explosion()

    def forget(self) -> None:
        """Drop the recent losses after a roll-back."""
        self._recent.clear()
        self._unread.clear()

    def mean_since_row(self) -> float:
        """Give the mean loss since the last call, NaN if there was no step."""
        losses, self.since_row = self.since_row, []
        return sum(losses) / len(losses) if losses else math.nan

    @property
    def latest(self) -> float:
        """The last loss that was read, NaN at first."""
        return self._recent[-1] if self._recent else math.nan

    def _explosion(self) -> str | None:
        if len(self.first) < FIRST or len(self._recent) < LAST:
            return None
        normal = median(self.first)
        top = max(self.first)
        # Losses may be negative or start at zero, hence the spread and the constant.
        limit = top + FAR * max(abs(normal), top - min(self.first)) + 1.0
        now = median(self._recent)
        return f"the loss exploded from {normal:.3g} to {now:.3g}" if now > limit else None
