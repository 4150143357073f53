"""Networks from a text to one answer: words in, pooled memory, scores out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cellstate.nn.language import LanguageNetwork
from cellstate.nn.lstm import LSTM

PAD, UNKNOWN = 0, 1
SPREAD = 0.1
"""Standard deviation of the embeddings at the start."""


class TextNetwork(nn.Module):
    r"""Read words in both directions and answer once for each text.

    A word's vector is its own embedding plus the mean of the embeddings of its pieces (character
    n-grams, hashed), so that a word never seen in training has one too. A bidirectional LSTM
    runs over the vectors; the head sees its maximum and mean over the text, its state at either
    end, and the mean of the word vectors, which passes by the recurrence.

    In training, whole words are replaced by the unknown one, and features of the vectors are
    zeroed for all words of a text alike.

    Parameters
    ----------
    vocabulary : int
        Words V with an embedding of their own; 0 is padding, 1 the unknown word.
    pieces : int
        Buckets of pieces, 0 for padding apart; 0 for no pieces.
    outputs : int
        Numbers to answer with.
    width : int
        Features E of a word.
    hidden : int
        Units H of the LSTM in each direction.
    layers : int
        LSTM layers on top of each other.
    word_dropout : float
        Share of words made unknown in training; their pieces stay.
    embedding_dropout : float
        Share of the features of the word vectors zeroed in training.
    dropout : float
        Share of the head's inputs zeroed in training.

    Examples
    --------
    >>> sizes = {"width": 8, "hidden": 8, "layers": 1}
    >>> rates = {"word_dropout": 0.1, "embedding_dropout": 0.1, "dropout": 0.5}
    >>> network = TextNetwork(vocabulary=20, pieces=0, outputs=3, **sizes, **rates).eval()
    >>> tokens = torch.tensor([[4, 5, 6], [7, 0, 0]])
    >>> y = network(tokens, torch.tensor([3, 1]))
    >>> y.shape
    torch.Size([2, 3])

    A text alone gets the answer that it gets among longer ones:

    >>> torch.allclose(network(tokens[1:, :1], torch.tensor([1])), y[1:])
    True

    References
    ----------
    P. Bojanowski et al., "Enriching word vectors with subword information", TACL 2017.
    """

    def __init__(
        self,
        *,
        vocabulary: int,
        pieces: int,
        outputs: int,
        width: int,
        hidden: int,
        layers: int,
        word_dropout: float,
        embedding_dropout: float,
        dropout: float,
    ) -> None:
        super().__init__()
        self.word_dropout, self.embedding_dropout = word_dropout, embedding_dropout
        self.words = nn.Embedding(vocabulary, width, padding_idx=PAD)
        nn.init.normal_(self.words.weight, std=SPREAD)
        self.pieces: nn.EmbeddingBag | None = None
        if pieces:
            # Stored with the padding at 0; a mean of many is small, hence the wider spread.
            self.pieces = nn.EmbeddingBag(pieces + 1, width, mode="mean", padding_idx=PAD)
            nn.init.normal_(self.pieces.weight, std=2 * SPREAD)
        with torch.no_grad():
            self.words.weight[PAD] = 0.0
            if self.pieces is not None:
                self.pieces.weight[PAD] = 0.0
        between = embedding_dropout if layers > 1 else 0.0
        self.memory = LSTM(
            width, hidden, layers, batch_first=True, bidirectional=True, dropout=between
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(6 * hidden + width, outputs)

    def forward(
        self,
        tokens_BT: Tensor,
        lengths_B: Tensor,
        pieces_UG: Tensor | None = None,
        places_BT: Tensor | None = None,
    ) -> Tensor:
        """Answer for each text: (B, outputs); see `embed` and `answer`."""
        return self.answer(self.embed(tokens_BT, pieces_UG, places_BT), lengths_B)

    def embed(
        self,
        tokens_BT: Tensor,
        pieces_UG: Tensor | None = None,
        places_BT: Tensor | None = None,
    ) -> Tensor:
        """Look the words' vectors up: (B, T, E).

        Parameters
        ----------
        tokens_BT : Tensor
            (B, T) numbers of words, 0 behind the end.
        pieces_UG : Tensor, optional
            (U, G) numbers of pieces of the U words of this batch, 0 where there are fewer than G.
        places_BT : Tensor, optional
            (B, T) row of `pieces_UG` that belongs to each word.
        """
        if self.training and self.word_dropout:
            dropped = torch.rand(tokens_BT.shape, device=tokens_BT.device) < self.word_dropout
            tokens_BT = torch.where(dropped & (tokens_BT != PAD), UNKNOWN, tokens_BT)
        x_BTE = self.words(tokens_BT)
        if self.pieces is not None and pieces_UG is not None and places_BT is not None:
            x_BTE = x_BTE + self.pieces(pieces_UG)[places_BT]
        return x_BTE

    def answer(self, x_BTE: Tensor, lengths_B: Tensor) -> Tensor:
        """Answer from word vectors: (B, outputs).

        Parameters
        ----------
        x_BTE : Tensor
            (B, T, E), anything behind the end.
        lengths_B : Tensor
            (B,) words of each text, at least 1.
        """
        valid_BT1 = within(lengths_B, x_BTE.shape[1])
        x_BTE = torch.where(valid_BT1, x_BTE, 0.0)
        if self.training and self.embedding_dropout:
            kept = x_BTE.new_empty(x_BTE.shape[0], 1, x_BTE.shape[2])
            kept = kept.bernoulli_(1.0 - self.embedding_dropout)
            x_BTE = x_BTE * kept / (1.0 - self.embedding_dropout)
        y_BTH, (h_LBH, _) = self.memory(x_BTE, lengths=lengths_B.cpu())
        parts = [*pooled(y_BTH, lengths_B), h_LBH[-2], h_LBH[-1], x_BTE.sum(1) / lengths_B[:, None]]
        return self.head(self.dropout(torch.cat(parts, dim=1)))


class FineTunedNetwork(nn.Module):
    """Stand a classifier on the memory of a language model.

    The head sees the memory's last output, its maximum and its mean over the text (concat pooling),
    and has one hidden layer. In training the language model's own dropouts apply.

    Parameters
    ----------
    encoder : LanguageNetwork
        Its output layer is left out.
    outputs : int
        Numbers to answer with.
    width : int
        Units of the head's hidden layer.
    dropout : float
        Share of the head's inputs zeroed in training.

    Examples
    --------
    >>> encoder = LanguageNetwork(20, embedding_size=4, hidden_size=6)
    >>> network = FineTunedNetwork(encoder, outputs=3, width=5, dropout=0.1).eval()
    >>> network(torch.tensor([[4, 5, 6], [7, 0, 0]]), torch.tensor([3, 1])).shape
    torch.Size([2, 3])

    References
    ----------
    J. Howard and S. Ruder, "Universal language model fine-tuning for text classification",
    ACL 2018.
    """

    def __init__(
        self, encoder: LanguageNetwork, *, outputs: int, width: int, dropout: float
    ) -> None:
        super().__init__()
        self.encoder = encoder
        units = encoder.output.in_features
        # The output layer answers no more; tied weights stay, in the embedding.
        encoder.register_module("output", None)
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(3 * units, width)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)

    def forward(self, tokens_BT: Tensor, lengths_B: Tensor) -> Tensor:
        """Answer for each text: (B, outputs)."""
        return self.answer(self.embed(tokens_BT), lengths_B)

    def embed(self, tokens_BT: Tensor) -> Tensor:
        """Look the words' vectors up: (B, T, E)."""
        return self.encoder.embedded(tokens_BT)

    def answer(self, x_BTE: Tensor, lengths_B: Tensor) -> Tensor:
        """Answer from word vectors: (B, outputs); see `TextNetwork.answer`."""
        # The memory runs forward: what is behind the end comes too late to matter.
        y_BTH = self.encoder.remembered(x_BTE.transpose(0, 1)).dropped.transpose(0, 1)
        last_BH = y_BTH[torch.arange(len(y_BTH), device=y_BTH.device), lengths_B - 1]
        features = torch.cat([last_BH, *pooled(y_BTH, lengths_B)], dim=1)
        hidden = self.norm(self.hidden(self.dropout(features))).relu()
        return self.head(self.dropout(hidden))


def within(lengths_B: Tensor, steps: int) -> Tensor:
    """Tell which steps lie within the lengths: (B, T, 1)."""
    return (torch.arange(steps, device=lengths_B.device) < lengths_B[:, None])[..., None]


def pooled(y_BTH: Tensor, lengths_B: Tensor) -> tuple[Tensor, Tensor]:
    """Take maximum and mean over the valid steps, each (B, H).

    Examples
    --------
    >>> y = torch.tensor([[[1.0], [3.0], [9.0]]])
    >>> [part.item() for part in pooled(y, torch.tensor([2]))]
    [3.0, 2.0]
    """
    valid_BT1 = within(lengths_B, y_BTH.shape[1])
    highest = torch.where(valid_BT1, y_BTH, -torch.inf).amax(1)
    return highest, torch.where(valid_BT1, y_BTH, 0.0).sum(1) / lengths_B[:, None]
