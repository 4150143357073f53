"""Encoder and decoder with attention: one sequence of tokens into another."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from cellstate.nn.attention import Kind
from cellstate.nn.decoder import Decoded, Decoder, DecoderState, RowDropout, Source
from cellstate.nn.lstm import LSTM
from cellstate.nn.token_loss import token_loss
from cellstate.ops.problem import LSTMState


class TranslationNetwork(nn.Module):
    """Read a sentence in both directions, then write another, looking back at the first.

    The decoder starts from what the last layer of the encoder ends with. Its embedding is its
    output layer too (Press and Wolf, 2017), and, where the vocabulary is shared, the encoder's
    embedding.

    Parameters
    ----------
    source_tokens, target_tokens : int
        Tokens of either vocabulary.
    is_shared : bool
        Whether both are the same vocabulary with one embedding.
    width : int
        Features of a token.
    hidden : int
        Units of the encoder's layers, half for each direction, and of the decoder's; even.
    encoder_layers, decoder_layers : int
    attention : {"dot", "general", "additive"}
    input_feeding : bool
        Whether each step of the decoder reads what the step before found; see `Decoder`.
    dropout : float
        Share of the features zeroed between all parts in training.
    recurrent_dropout : float
        Share of the recurrent connections dropped in training.

    Examples
    --------
    >>> network = TranslationNetwork(
    ...     9, 9, is_shared=True, width=8, hidden=8, encoder_layers=1, decoder_layers=2,
    ...     attention="general", input_feeding=False, dropout=0.0, recurrent_dropout=0.0,
    ... )
    >>> source, state = network.encode(torch.tensor([[4, 5, 3], [6, 3, 0]]), torch.tensor([3, 2]))
    >>> decoded = network.decode(torch.tensor([[2, 7], [2, 8]]), source, state)
    >>> network.logits(decoded.features).shape, decoded.weights.shape
    (torch.Size([2, 2, 9]), torch.Size([2, 2, 3]))
    >>> decoded.weights[1, :, 2].tolist()
    [0.0, 0.0]
    """

    def __init__(
        self,
        source_tokens: int,
        target_tokens: int,
        *,
        is_shared: bool,
        width: int,
        hidden: int,
        encoder_layers: int,
        decoder_layers: int,
        attention: Kind,
        input_feeding: bool,
        dropout: float,
        recurrent_dropout: float,
    ) -> None:
        super().__init__()
        self.source_embedding = _embedding(source_tokens, width)
        self.target_embedding = (
            self.source_embedding if is_shared else _embedding(target_tokens, width)
        )
        self.output_bias = nn.Parameter(torch.zeros(target_tokens))
        self.encoder = nn.ModuleList(
            LSTM(
                hidden if layer else width,
                hidden // 2,
                bidirectional=True,
                batch_first=True,
                recurrent_dropout=recurrent_dropout,
            )
            for layer in range(encoder_layers)
        )
        self.bridge = nn.Linear(hidden, 2 * decoder_layers * hidden)
        self.decoder = Decoder(
            width=width,
            hidden=hidden,
            memory=hidden,
            layers=decoder_layers,
            attention=attention,
            input_feeding=input_feeding,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
        )
        self.dropout = RowDropout(dropout)
        # An output layer wants small weights, an encoder inputs of size 1 or so.
        self.scale = 0.5 * width**0.5

    def encode(self, source_BS: Tensor, lengths_B: Tensor) -> tuple[Source, DecoderState]:
        """Read sentences.

        Parameters
        ----------
        source_BS : Tensor
            (B, S) int64
        lengths_B : Tensor
            (B,) int64, at least 1.

        Returns
        -------
        source : Source
        state : DecoderState
            From which to start to write.
        """
        x_BSF = self.dropout(self.source_embedding(source_BS) * self.scale)
        last_BH = x_BSF[:, 0]
        for layer in self.encoder:
            x_BSF, (h_DBH, _) = layer(x_BSF, lengths=lengths_B.cpu())
            x_BSF = self.dropout(x_BSF)
            last_BH = torch.cat([h_DBH[0], h_DBH[1]], 1)
        steps_S = torch.arange(source_BS.shape[1], device=source_BS.device)
        mask_BS = steps_S < lengths_B[:, None].to(source_BS.device)
        source = Source(x_BSF, self.decoder.attention.keys(x_BSF), mask_BS)
        starts = self.bridge(last_BH).tanh()[None].chunk(2 * len(self.decoder.layers), 2)
        cells = tuple(
            LSTMState(h=h.contiguous(), c=c.contiguous())
            for h, c in zip(starts[::2], starts[1::2], strict=True)
        )
        return source, self.decoder.start(cells, source)

    def decode(self, target_RT: Tensor, source: Source, state: DecoderState) -> Decoded:
        """Go on from a state with tokens that are known, (R, T); see `Decoder.forward`."""
        x_RTW = self.dropout(self.target_embedding(target_RT) * self.scale)
        return self.decoder(x_RTW, source, state)

    def logits(self, features: Tensor) -> Tensor:
        """Score the next token: (…, W) to (…, V)."""
        return linear(features, self.target_embedding.weight, self.output_bias)

    def loss(
        self,
        source_BS: Tensor,
        lengths_B: Tensor,
        target_BT: Tensor,
        answer_BT: Tensor,
        mask_BT: Tensor,
        *,
        smoothing: float = 0.0,
        sampled: float = 0.0,
    ) -> Tensor:
        """Average the cross-entropy of the tokens that follow.

        Parameters
        ----------
        source_BS, lengths_B : Tensor
        target_BT, answer_BT : Tensor
            (B, T) int64, what each step is given and what should follow.
        mask_BT : Tensor
            (B, T) bool, which answers count.
        smoothing : float
            See `token_loss`.
        sampled : float
            Share of the given tokens, the first of each row aside, that are replaced by what the
            network itself would have said there, in a first pass over the known tokens
            (D. Duckworth et al., "Parallel scheduled sampling", 2019).
        """
        source, state = self.encode(source_BS, lengths_B)
        if sampled:
            target_BT = self._sampled(target_BT, source, state, sampled)
        features_BTW = self.decode(target_BT, source, state).features
        weight_VW = self.target_embedding.weight
        features_NW, answer_N = features_BTW[mask_BT], answer_BT[mask_BT]
        return token_loss(features_NW, weight_VW, self.output_bias, answer_N, smoothing)

    @torch.no_grad()
    def _sampled(
        self, target_BT: Tensor, source: Source, state: DecoderState, share: float
    ) -> Tensor:
        features_BTW = self.decode(target_BT[:, :-1], source, state).features
        said_BT = self.logits(features_BTW).argmax(2)
        is_replaced_BT = torch.rand(said_BT.shape, device=said_BT.device) < share
        later_BT = torch.where(is_replaced_BT, said_BT, target_BT[:, 1:])
        return torch.cat([target_BT[:, :1], later_BT], 1)


def _embedding(tokens: int, width: int) -> nn.Embedding:
    embedding = nn.Embedding(tokens, width)
    nn.init.normal_(embedding.weight, std=width**-0.5)
    return embedding
