"""Decoders with attention: all steps of known tokens at once, or one after the other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cellstate.nn.attention import Attention, Kind
from cellstate.nn.lstm import LSTM
from cellstate.ops.problem import LSTMState


@dataclass(frozen=True)
class Source:
    """What an encoder leaves of A sentences.

    Attributes
    ----------
    memory : Tensor
        (A, S, M)
    keys : Tensor
        (A, S, K), the memory as the decoder's attention wants it.
    mask : Tensor
        (A, S) bool, True where there is a token.
    """

    memory: Tensor
    keys: Tensor
    mask: Tensor

    def rows(self, rows: Tensor) -> Source:
        """Pick sentences."""
        return Source(self.memory[rows], self.keys[rows], self.mask[rows])


@dataclass(frozen=True)
class DecoderState:
    """Where a decoder stands, for R rows.

    Attributes
    ----------
    cells : tuple of LSTMState
        h and c of each layer, (1, R, H).
    fed : Tensor or None
        (R, 1, W) features of the step before, where they are fed back.
    weights : Tensor or None
        (R, S) where the last step looked; None before the first.
    """

    cells: tuple[LSTMState, ...]
    fed: Tensor | None = None
    weights: Tensor | None = None

    def rows(self, rows: Tensor) -> DecoderState:
        """Pick rows."""
        cells = tuple(LSTMState(h=cell.h[:, rows], c=cell.c[:, rows]) for cell in self.cells)
        fed, weights = (None if part is None else part[rows] for part in (self.fed, self.weights))
        return DecoderState(cells, fed, weights)


@dataclass(frozen=True)
class Decoded:
    """What a decoder gives for R rows of T tokens.

    Attributes
    ----------
    features : Tensor
        (R, T, W), from which the next token is told.
    weights : Tensor
        (R, T, S), where each step looked; each row sums to 1.
    state : DecoderState
        After the last step.
    """

    features: Tensor
    weights: Tensor
    state: DecoderState


class RowDropout(nn.Module):
    """Zero features in training, the same ones at every step of a row.

    Parameters
    ----------
    share : float
        Of the features, in [0, 1).

    References
    ----------
    Y. Gal, Z. Ghahramani, "A theoretically grounded application of dropout in recurrent neural
    networks", NeurIPS 2016.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def mask(self, like_B1F: Tensor) -> Tensor | None:
        """Draw factors (B, 1, F) for all steps of a batch; None where nothing is dropped."""
        if not self.training or self.share == 0.0:
            return None
        kept = 1.0 - self.share
        return torch.empty_like(like_B1F).bernoulli_(kept).div_(kept)

    def forward(self, x_BTF: Tensor) -> Tensor:
        """Drop."""
        return masked(x_BTF, self.mask(x_BTF[:, :1]))

    def extra_repr(self) -> str:
        """Show the share."""
        return f"{self.share}"


def masked(x_BTF: Tensor, mask_B1F: Tensor | None) -> Tensor:
    """Multiply by the factors, where there are any."""
    return x_BTF if mask_B1F is None else x_BTF * mask_B1F


class Decoder(nn.Module):
    r"""Layers of LSTM with attention over the source.

    Without input feeding the first layer reads the tokens alone and looks at the source; further
    layers read the layer below with what it found. No step waits for what the step before found,
    so each layer runs over all known tokens in one call:

    .. math::

        h^1_t &= \operatorname{LSTM}(y_t), & c_t &= \operatorname{attend}(h^1_t), \\
        h^k_t &= \operatorname{LSTM}([h^{k-1}_t; c_t]), & f_t &= \tanh(W [h^L_t; c_t])

    With it, each step reads the features of the step before, as M.-T. Luong et al. (EMNLP 2015)
    do, and steps run one by one:

    .. math::

        h_t = \operatorname{LSTM}([y_t; f_{t-1}]), \quad
        c_t = \operatorname{attend}(h^L_t), \quad f_t = \tanh(W [h^L_t; c_t])

    Parameters
    ----------
    width : int
        Features W of a token, before and after.
    hidden : int
        Units H of each layer.
    memory : int
        Features M of the source's memory.
    layers : int
        At least 1.
    attention : {"dot", "general", "additive"}
    input_feeding : bool
    dropout, recurrent_dropout : float
    """

    def __init__(
        self,
        *,
        width: int,
        hidden: int,
        memory: int,
        layers: int,
        attention: Kind,
        input_feeding: bool,
        dropout: float,
        recurrent_dropout: float,
    ) -> None:
        super().__init__()
        self.input_feeding = input_feeding
        first = 2 * width if input_feeding else width
        further = hidden if input_feeding else hidden + memory
        self.layers = nn.ModuleList(
            LSTM(
                further if layer else first,
                hidden,
                batch_first=True,
                recurrent_dropout=recurrent_dropout,
            )
            for layer in range(layers)
        )
        self.attention = Attention(hidden, memory, kind=attention)
        self.combine = nn.Linear(hidden + memory, width)
        self.dropout = RowDropout(dropout)

    def start(self, cells: tuple[LSTMState, ...], source: Source) -> DecoderState:
        """Give the state before the first step."""
        fed = None
        if self.input_feeding:
            fed = source.memory.new_zeros(len(source.memory), 1, self.combine.out_features)
        return DecoderState(cells, fed)

    def forward(self, x_RTW: Tensor, source: Source, state: DecoderState) -> Decoded:
        """Read tokens.

        Parameters
        ----------
        x_RTW : Tensor
            (R, T, W); rows of the same sentence stand together, equally many for each.
        source : Source
            A sentences, R / A rows each.
        state : DecoderState
            Of R rows.
        """
        if self.input_feeding:
            return self._one_by_one(x_RTW, source, state)
        x_RTH, after = self.layers[0](x_RTW, state.cells[0])
        x_RTH, cells = self.dropout(x_RTH), [after]
        context_RTM, weights_RTS = self._look(x_RTH, source)
        for layer, cell in zip(self.layers[1:], state.cells[1:], strict=True):
            x_RTH, after = layer(torch.cat([x_RTH, context_RTM], 2), cell)
            x_RTH = self.dropout(x_RTH)
            cells.append(after)
        features_RTW = self._features(x_RTH, context_RTM)
        last = DecoderState(tuple(cells), None, weights_RTS[:, -1])
        return Decoded(self.dropout(features_RTW), weights_RTS, last)

    def _one_by_one(self, x_RTW: Tensor, source: Source, state: DecoderState) -> Decoded:
        assert state.fed is not None, "start gives what is fed first"
        fed_R1W, cells = state.fed, list(state.cells)
        masks = [self.dropout.mask(cell.h.transpose(0, 1)) for cell in cells]
        mask_R1W = self.dropout.mask(x_RTW[:, :1])
        features: list[Tensor] = []
        looks: list[Tensor] = []
        for t in range(x_RTW.shape[1]):
            x_R1F = torch.cat([x_RTW[:, t : t + 1], fed_R1W], 2)
            for k, layer in enumerate(self.layers):
                x_R1F, cells[k] = layer(x_R1F, cells[k])
                x_R1F = masked(x_R1F, masks[k])
            context_R1M, weights_R1S = self._look(x_R1F, source)
            fed_R1W = masked(self._features(x_R1F, context_R1M), mask_R1W)
            features.append(fed_R1W)
            looks.append(weights_R1S)
        last = DecoderState(tuple(cells), fed_R1W, looks[-1][:, 0])
        return Decoded(torch.cat(features, 1), torch.cat(looks, 1), last)

    def _look(self, x_RTH: Tensor, source: Source) -> tuple[Tensor, Tensor]:
        """Attend; the rows of one sentence look together, so that its memory is there once."""
        rows, steps, _ = x_RTH.shape
        query_ATH = x_RTH.reshape(len(source.memory), -1, x_RTH.shape[2])
        context, weights = self.attention(query_ATH, source.memory, source.keys, source.mask)
        return context.view(rows, steps, -1), weights.view(rows, steps, -1)

    def _features(self, x_RTH: Tensor, context_RTM: Tensor) -> Tensor:
        return self.combine(torch.cat([x_RTH, context_RTM], 2)).tanh()
