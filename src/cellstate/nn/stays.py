"""Networks over stays: one answer for a stay from its steps and a summary of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cellstate.nn.decay_lstm import DecayLSTM
from cellstate.nn.lstm import LSTM
from cellstate.nn.time_aware import TimeAwareLSTM


class StayNetwork(nn.Module):
    """Read the steps of a stay in order and answer once, when the last one has been read.

    Steps and a summary of the stay pass through a layer each; the LSTM's memory at the end, its
    mean and its largest values over the steps go into the head with the summary.

    Parameters
    ----------
    inputs, summaries, outputs : int
        Features of a step and of the summary, and numbers to answer with.
    width, hidden, layers : int
        Units of the layer before the LSTM, and of the LSTM.
    dropout : float
        Share of activations zeroed in training.
    gaps : {"masks", "decay", "time_aware"}
        What becomes of time between measurements: it is left to the features of a plain `LSTM`;
        inputs are variables that decay to their mean where they were not measured, and so does the
        state (`DecayLSTM`); or a part of the memory fades between steps (`TimeAwareLSTM`).

    Examples
    --------
    >>> network = StayNetwork(3, 2, 1, width=8, hidden=8, layers=1, dropout=0.0)
    >>> x, summary = torch.randn(4, 5, 3), torch.randn(4, 2)
    >>> network(x, summary, torch.tensor([5, 1, 3, 2])).shape
    torch.Size([4, 1])
    """

    def __init__(
        self,
        inputs: int,
        summaries: int,
        outputs: int,
        *,
        width: int,
        hidden: int,
        layers: int,
        dropout: float,
        gaps: str = "masks",
    ) -> None:
        super().__init__()
        self.gaps = gaps
        self.front = nn.Identity() if gaps == "decay" else nn.Linear(inputs, width)
        if gaps == "masks":
            between = dropout if layers > 1 else 0.0
            self.memory: nn.Module = LSTM(width, hidden, layers, batch_first=True, dropout=between)
        elif gaps == "decay":
            self.memory = DecayLSTM(inputs, hidden, batch_first=True)
        else:
            self.memory = TimeAwareLSTM(width, hidden, batch_first=True)
        self.summary = nn.Linear(summaries, width)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(3 * hidden + width, outputs)

    def forward(
        self,
        x_BTI: Tensor,
        summary_BS: Tensor,
        lengths_B: Tensor,
        hours_BT: Tensor | None = None,
        mask_BTI: Tensor | None = None,
    ) -> Tensor:
        """Answer for each stay.

        Parameters
        ----------
        x_BTI : Tensor
            (B, T, inputs), finite everywhere.
        summary_BS : Tensor
            (B, summaries)
        lengths_B : Tensor
            (B,) steps of each stay, at least 1.
        hours_BT : Tensor, optional
            (B, T) when the steps were, not decreasing; of no use to a plain LSTM.
        mask_BTI : Tensor, optional
            (B, T, inputs) bool, whether an input was measured, for inputs that decay.

        Returns
        -------
        Tensor
            (B, outputs)
        """
        lengths = lengths_B.cpu()
        if self.gaps == "decay":
            y_BTH, state = self.memory(x_BTI, hours_BT, mask=mask_BTI, lengths=lengths)
        else:
            x_BTW = self.dropout(torch.relu(self.front(x_BTI)))
            timed = () if self.gaps == "masks" else (hours_BT,)
            y_BTH, state = self.memory(x_BTW, *timed, lengths=lengths)
        steps = torch.arange(x_BTI.shape[1], device=x_BTI.device)
        inside = (steps < lengths_B[:, None])[..., None]
        mean = torch.where(inside, y_BTH, 0.0).sum(1) / lengths_B[:, None]
        most = torch.where(inside, y_BTH, -torch.inf).amax(1)
        told = torch.relu(self.summary(self.dropout(summary_BS)))
        last: Any = state[0][-1]
        return self.head(self.dropout(torch.cat([last, mean, most, told], dim=1)))
