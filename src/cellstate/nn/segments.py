"""The trainable form of a forecaster over segments: read a window, answer for a whole horizon."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from cellstate import network
from cellstate.nn.chain import Chain
from cellstate.ops.problem import LSTMState


class SegmentNetwork(nn.Module):
    """An LSTM over the segments of a window that answers for every segment of the horizon.

    The encoder reads S segments and leaves its state. Each of the J segments to forecast is then
    one query: from that same state, one further step of the same LSTM, whose input says what is
    known of the segment; its position in the horizon is an embedding added to the query. The idea
    of answering in parallel is from S. Lin et al., "SegRNN: Segment Recurrent Neural Network for
    Long-Term Time Series Forecasting" (2023).

    Parameters
    ----------
    encoder : tuple of network.Layer
        From a segment's features to the LSTM called "memory", which comes last.
    query : tuple of network.Layer
        From what is known of a segment to forecast to the input of the memory.
    position : network.Embedding
        One vector for each of the J segments to forecast.
    decoder : tuple of network.Layer
        The memory again, then the head.
    skip : tuple of network.Layer
        From the window to one number for each step of the horizon, beside the memory: what a
        linear model can say need not go through the gates. It starts at zero. After the
        autoregressive part of G. Lai et al., "Modeling Long- and Short-Term Temporal Patterns
        with Deep Neural Networks" (2018). Empty for none.
    """

    def __init__(
        self,
        encoder: tuple[network.Layer, ...],
        query: tuple[network.Layer, ...],
        position: network.Embedding,
        decoder: tuple[network.Layer, ...],
        skip: tuple[network.Layer, ...],
    ) -> None:
        super().__init__()
        self.encoder = Chain(encoder)
        self.query = Chain(query)
        self.position = Chain((position,))
        self.decoder = Chain(decoder, share=self.encoder)
        self.skip = Chain(skip) if skip else None
        nn.init.normal_(self.positions)
        for parameter in () if self.skip is None else self.skip.parameters():
            nn.init.zeros_(parameter)

    @property
    def positions(self) -> Tensor:
        """The embedding of each position, (J, H)."""
        return next(self.position.parameters())

    def forward(
        self, segments_SBI: Tensor, queries_BJK: Tensor, window_BT: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Answer for the horizon.

        Parameters
        ----------
        segments_SBI : Tensor
            (S, B, features of a segment), normalised.
        queries_BJK : Tensor
            (B, J, what is known of a segment to forecast).
        window_BT : Tensor
            (B, L), the normalised window, 0 where missing.

        Returns
        -------
        raw : Tensor
            (B, J, outputs of the head).
        line : Tensor or None
            (B, H), the linear part, if there is one.
        """
        batch, answers, _ = queries_BJK.shape
        _, state = self.encoder(segments_SBI)
        queries, _ = self.query(queries_BJK)
        memory = LSTMState(*(part.repeat_interleave(answers, dim=1) for part in state["memory"]))
        inputs = (queries + self.positions).reshape(1, batch * answers, -1)
        raw, _ = self.decoder(inputs, {"memory": memory})
        line = None if self.skip is None else self.skip(window_BT[None])[0][0]
        return raw.reshape(batch, answers, -1), line

    def tensors(self) -> dict[str, np.ndarray]:
        """Copy the parameters out by their description's names; shared layers come once."""
        parts = (self.encoder, self.query, self.position, self.decoder, self.skip)
        return {n: value for part in parts if part for n, value in part.tensors().items()}
