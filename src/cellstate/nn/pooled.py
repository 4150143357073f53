"""A network from a whole sequence to one answer: convolutional front, LSTM, pooling over time."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from cellstate.nn.lstm import LSTM

NEIGHBOURS = 5
"""Segments that the second convolution covers."""
PARTS = 8
"""Parts of a sequence over which the memory is averaged, one for one."""


class PooledNetwork(nn.Module):
    """Read sequences in both directions and answer once for each.

    A strided convolution turns segments of the input into steps, a second one mixes neighbours,
    and a bidirectional LSTM runs over the steps. The head sees the LSTM's outputs, averaged over
    each eighth of the sequence and at their maximum over all of it, and the mean of what the
    convolutions found: a detector that needs no memory passes by the recurrence, as in F. Karim et
    al., "LSTM fully convolutional networks for time series classification" (2018), though in
    series with it rather than beside it. A linear path from the values at `places` in time is
    added, which is all that some data need.

    Parameters
    ----------
    inputs : int
        Features of each time step.
    outputs : int
        Numbers to answer with.
    window : int
        Time steps that one segment covers.
    stride : int
        Time steps between segments; a sequence of T steps has ⌈T / stride⌉ segments.
    places : int
        Parts of a sequence whose averages the linear path sees.
    width : int
        Channels of the convolutions.
    hidden : int
        Units of the LSTM in each direction.
    layers : int
        LSTM layers on top of each other.
    dropout : float
        Share of the inputs of head and linear path zeroed in training.

    Examples
    --------
    >>> sizes = {"width": 8, "hidden": 8, "layers": 1, "dropout": 0.0}
    >>> network = PooledNetwork(2, 3, window=5, stride=2, places=4, **sizes)
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
        places: int,
        width: int,
        hidden: int,
        layers: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.window, self.stride, self.places = window, stride, places
        self.segments = nn.Conv1d(inputs, width, window, stride=stride)
        self.neighbours = nn.Conv1d(width, width, NEIGHBOURS, padding=NEIGHBOURS // 2)
        self.memory = LSTM(width, hidden, layers, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * hidden * (PARTS + 1) + width, outputs)
        self.linear = nn.Linear(inputs * places, outputs, bias=False)

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
        total = -(-x_BTI.shape[1] // self.stride)
        steps_B = torch.full((1,), total, device=x_BTI.device)
        cpu_lengths = None
        if lengths_B is None:
            lengths_B = torch.full((1,), x_BTI.shape[1], device=x_BTI.device)
        else:
            x_BTI = torch.where(_valid(lengths_B, x_BTI), x_BTI, 0.0)
            steps_B = (lengths_B + self.stride - 1) // self.stride
            cpu_lengths = steps_B.cpu()
        found_BSW = self._front(x_BTI, steps_B)
        memory_BSH, _ = self.memory(found_BSW, lengths=cpu_lengths)
        pooled = [
            part_means(memory_BSH, steps_B, PARTS).flatten(1),
            torch.where(_valid(steps_B, memory_BSH), memory_BSH, -torch.inf).amax(1),
            part_means(found_BSW, steps_B, 1).flatten(1),
        ]
        places = part_means(x_BTI, lengths_B, self.places).flatten(1)
        answer = self.head(self.dropout(torch.cat(pooled, dim=1)))
        return answer + self.linear(self.dropout(places))

    def _front(self, x_BTI: Tensor, steps_B: Tensor) -> Tensor:
        """Find what is in each segment and around it: (B, S, W), zero beyond the lengths."""
        left = self.window // 2
        x_BIT = pad(x_BTI.transpose(1, 2), (left, self.window - 1 - left))
        found_BSW = self.segments(x_BIT).transpose(1, 2).relu()
        found_BSW = torch.where(_valid(steps_B, found_BSW), found_BSW, 0.0)
        found_BSW = self.neighbours(found_BSW.transpose(1, 2)).transpose(1, 2).relu()
        return torch.where(_valid(steps_B, found_BSW), found_BSW, 0.0)


def part_means(values_BSF: Tensor, lengths_B: Tensor, parts: int) -> Tensor:
    """Average over equal parts of each row's valid steps, overlapping where there are few.

    Part k of n steps goes from ⌊k n / parts⌋ to before ⌈(k + 1) n / parts⌉.

    Parameters
    ----------
    values_BSF : Tensor
        (B, S, F), finite beyond the lengths too.
    lengths_B : Tensor
        (B,), or (1,) for all rows alike; at least 1.
    parts : int

    Returns
    -------
    Tensor
        (B, parts, F)

    Examples
    --------
    >>> x = torch.tensor([1.0, 2.0, 4.0, 8.0])[None, :, None]
    >>> part_means(x, torch.tensor([4]), 2).flatten().tolist()
    [1.5, 6.0]
    >>> part_means(x, torch.tensor([3]), 2).flatten().tolist()
    [1.5, 3.0]
    """
    lengths_B1 = lengths_B[:, None]
    part = torch.arange(parts, device=lengths_B.device)
    start_BP1 = (part * lengths_B1 // parts)[..., None]
    end_BP1 = (((part + 1) * lengths_B1 + parts - 1) // parts)[..., None]
    step = torch.arange(values_BSF.shape[1], device=lengths_B.device)
    inside_BPS = ((step >= start_BP1) & (step < end_BP1)).to(values_BSF.dtype)
    return torch.matmul(inside_BPS / (end_BP1 - start_BP1), values_BSF)


def _valid(lengths_B: Tensor, values_BSF: Tensor) -> Tensor:
    """Tell which steps lie within the lengths: (B, S, 1)."""
    steps = torch.arange(values_BSF.shape[1], device=values_BSF.device)
    return (steps < lengths_B[:, None])[..., None]
