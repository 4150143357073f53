"""The last inputs side by side: a short memory without weights."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from cellstate.errors import ShapeError, explain


class FrameState(NamedTuple):
    """State of a frame stack.

    Attributes
    ----------
    frames : Tensor
        The inputs before, the oldest first, (frames - 1, B, I).
    """

    frames: Tensor


class FrameStack(nn.Module):
    """Give each step the last few inputs, the oldest first; zeros before the first.

    Parameters
    ----------
    inputs : int
        Features I.
    frames : int
        How many inputs a step sees, its own included.

    Examples
    --------
    >>> import torch
    >>> stack = FrameStack(1, 3)
    >>> y, state = stack(torch.tensor([[[1.0]], [[2.0]], [[3.0]], [[4.0]]]))
    >>> y[:, 0]
    tensor([[0., 0., 1.],
            [0., 1., 2.],
            [1., 2., 3.],
            [2., 3., 4.]])
    """

    def __init__(self, inputs: int, frames: int) -> None:
        super().__init__()
        self.inputs = inputs
        self.frames = frames

    def forward(self, x: Tensor, state: FrameState | None = None) -> tuple[Tensor, FrameState]:
        """Run over a sequence.

        Parameters
        ----------
        x : Tensor
            Input (T, B, I).
        state : FrameState, optional
            The inputs before; zeros by default.

        Returns
        -------
        y : Tensor
            Output (T, B, frames · I).
        state : FrameState
            The last inputs.

        Raises
        ------
        ShapeError
            The state does not fit.
        """
        shape = (self.frames - 1, *x.shape[1:])
        before = x.new_zeros(shape) if state is None else state[0]
        if before.shape != shape:
            raise ShapeError(
                explain(
                    "FrameStack",
                    f"the state must hold the inputs before, {tuple(shape)}",
                    str(tuple(before.shape)),
                    "Pass the state that the last call returned for the same rows",
                )
            )
        every = torch.cat([before, x])
        y = torch.cat([every[k : k + len(x)] for k in range(self.frames)], dim=-1)
        return y, FrameState(every[len(x) :])

    def extra_repr(self) -> str:
        """Show the sizes."""
        return f"{self.inputs}, frames={self.frames}"
