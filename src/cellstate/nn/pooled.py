"""A network from a whole sequence to one answer: convolutional front, LSTM, pooling over time."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from cellstate.nn.lstm import LSTM


class PooledNetwork(nn.Module):
    """Read sequences in both directions and answer once for each.

    A strided convolution turns segments of the input into steps, a second one mixes neighbours,
    and a bidirectional LSTM runs over the steps. The head sees the mean and the maximum over time
    of the LSTM's outputs, and the mean of what the convolutions found: a detector that needs no
    memory passes by the recurrence, as in F. Karim et al., "LSTM fully convolutional networks for
    time series classification" (2018), though in series with it rather than beside it.

    Parameters
    ----------
    inputs : int
        Features of each time step.
    outputs : int
        Numbers to answer with.
    window : int
        Time steps that one segment covers, odd.
    stride : int
        Time steps between segments; a sequence of T steps has ⌈T / stride⌉ segments.
    width : int
        Channels of the convolutions.
    hidden : int
        Units of the LSTM in each direction.
    layers : int
        LSTM layers on top of each other.
    dropout : float
        Share of the head's inputs zeroed in training.

    Examples
    --------
    >>> network = PooledNetwork(2, 3, window=5, stride=2, width=8, hidden=8, layers=1, dropout=0.0)
    >>> x = torch.randn(4, 9, 2)
    >>> network(x).shape
    torch.Size([4, 3])

    What lies beyond a sequence's length does not matter:

    >>> lengths = torch.tensor([9, 7, 1, 4])
    >>> y = network(x, lengths)
    >>> x[1, 7:] = 99.0
    >>> torch.equal(network(x, lengths), y)
    True
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        window: int,
        stride: int,
        width: int,
        hidden: int,
        layers: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.window, self.stride = window, stride
        self.segments = nn.Conv1d(inputs, width, window, stride=stride)
        self.neighbours = nn.Conv1d(width, width, NEIGHBOURS, padding=NEIGHBOURS // 2)
        self.memory = LSTM(width, hidden, layers, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(4 * hidden + width, outputs)

    def forward(self, x_BTI: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """Answer for each sequence.

        Parameters
        ----------
        x_BTI : Tensor
            (B, T, inputs), T ≥ 1.
        lengths_B : Tensor, optional
            (B,) valid time steps of each row, at least 1; all T when not given.

        Returns
        -------
        Tensor
            (B, outputs)
        """
        steps_B = None
        valid_BS1 = torch.ones((), device=x_BTI.device, dtype=torch.bool)
        if lengths_B is not None:
            inside_BT = torch.arange(x_BTI.shape[1], device=x_BTI.device) < lengths_B[:, None]
            x_BTI = torch.where(inside_BT[..., None], x_BTI, 0.0)
            steps_B = (lengths_B + self.stride - 1) // self.stride
            total = -(-x_BTI.shape[1] // self.stride)
            valid_BS1 = (torch.arange(total, device=x_BTI.device) < steps_B[:, None])[..., None]
        found_BSW = self._front(x_BTI, valid_BS1)
        # The count of steps is needed on the CPU; everything before it is on its way already.
        cpu_lengths = None if steps_B is None else steps_B.cpu()
        memory_BSH, _ = self.memory(found_BSW, lengths=cpu_lengths)
        pooled = [
            _mean(memory_BSH, steps_B),
            torch.where(valid_BS1, memory_BSH, -torch.inf).amax(1),
            _mean(found_BSW, steps_B),
        ]
        return self.head(self.dropout(torch.cat(pooled, dim=1)))

    def _front(self, x_BTI: Tensor, valid_BS1: Tensor) -> Tensor:
        """Find what is in each segment and around it: (B, S, W), zero beyond the lengths."""
        left = self.window // 2
        x_BIT = pad(x_BTI.transpose(1, 2), (left, self.window - 1 - left))
        found_BSW = self.segments(x_BIT).transpose(1, 2).relu()
        found_BSW = torch.where(valid_BS1, found_BSW, 0.0)
        found_BSW = self.neighbours(found_BSW.transpose(1, 2)).transpose(1, 2).relu()
        return torch.where(valid_BS1, found_BSW, 0.0)


NEIGHBOURS = 5
"""Segments that the second convolution covers."""


def _mean(values_BSF: Tensor, steps_B: Tensor | None) -> Tensor:
    """Average over the valid steps; values beyond them are zero."""
    if steps_B is None:
        return values_BSF.mean(1)
    return values_BSF.sum(1) / steps_B[:, None]
