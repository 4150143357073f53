"""A network from words to one score for each tag at each word."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cellstate.nn.crf import CRF, Allowed
from cellstate.nn.lstm import LSTM

CASE_WIDTH = 8
UNITS_SPREAD = 0.1
"""Standard deviation of embeddings at first."""


@dataclass(frozen=True)
class Forms:
    """The different word forms of a batch, each once.

    Attributes
    ----------
    words, cases : Tensor
        (U,) int64 numbers of each form's word and of how it is written.
    chars : Tensor
        (U, C) int64 numbers of its characters, 0 beyond its length.
    char_lengths : Tensor
        (U,) int64, at least 1.
    grams : Tensor
        (U, N) int64 numbers of its character n-grams, 0 beyond their count.
    """

    words: Tensor
    cases: Tensor
    chars: Tensor
    char_lengths: Tensor
    grams: Tensor


class VariationalDropout(nn.Module):
    """Zero features in training, the same ones at all steps of a row.

    Parameters
    ----------
    share : float
        Of features to zero, in [0, 1).

    Examples
    --------
    >>> drop = VariationalDropout(0.5)
    >>> y = drop(torch.ones(2, 3, 4))
    >>> bool((y == y[:, :1]).all()), bool(((y == 0) | (y == 2)).all())
    (True, True)

    References
    ----------
    Y. Gal and Z. Ghahramani, "A theoretically grounded application of dropout in recurrent neural
    networks", NeurIPS 2016.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x_BTF: Tensor) -> Tensor:
        """Drop features: (B, T, F)."""
        if not self.training or self.share == 0.0:
            return x_BTF
        kept = 1.0 - self.share
        mask_B1F = torch.empty_like(x_BTF[:, :1]).bernoulli_(kept).div_(kept)
        return x_BTF * mask_B1F

    def extra_repr(self) -> str:
        """Show the share."""
        return f"{self.share:g}"


class TaggingNetwork(nn.Module):
    """Read words by what they are and by how they are written; score each tag at each word.

    A word's vector is its embedding, one for how it is cased, the end states of an LSTM that runs
    over its characters both ways, and the sum of embeddings of its character n-grams (P.
    Bojanowski et al., "Enriching word vectors with subword information", 2017), by which words that
    were never seen resemble those that share their stems and endings. A bidirectional LSTM reads
    the vectors in their sentence, after G. Lample et al., "Neural architectures for named entity
    recognition" (2016). Tags are scored together by `crf`.

    Parameters
    ----------
    words, cases, chars, grams : int
        Sizes of the vocabularies; number 0 is padding for characters and n-grams.
    tags : int
    word_width, char_width, gram_width : int
        Widths of the embeddings.
    char_hidden : int
        Units of the character LSTM in each direction.
    hidden : int
        Units of the sentence LSTM in each direction.
    layers : int
    dropout : float
        Share of features dropped before and after the sentence LSTM.
    recurrent_dropout : float
        Share of its recurrent connections dropped.
    allowed : Allowed, optional
        Which tags may follow which.

    Examples
    --------
    >>> sizes = {"word_width": 8, "char_width": 4, "gram_width": 4, "char_hidden": 4, "hidden": 8}
    >>> net = TaggingNetwork(9, 3, 7, 16, tags=5, layers=1, dropout=0.5, **sizes)
    >>> one = torch.ones(2, dtype=torch.int64)
    >>> forms = Forms(one, one, torch.ones(2, 3, dtype=torch.int64), 3 * one, one[:, None])
    >>> net(forms, torch.tensor([[0, 1, 0], [1, 0, 0]]), torch.tensor([3, 2])).shape
    torch.Size([2, 3, 5])
    """

    def __init__(
        self,
        words: int,
        cases: int,
        chars: int,
        grams: int,
        *,
        tags: int,
        word_width: int,
        char_width: int,
        gram_width: int,
        char_hidden: int,
        hidden: int,
        layers: int,
        dropout: float,
        recurrent_dropout: float = 0.0,
        allowed: Allowed | None = None,
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(words, word_width)
        self.cases = nn.Embedding(cases, CASE_WIDTH)
        self.chars = nn.Embedding(chars, char_width, padding_idx=0)
        self.grams = nn.EmbeddingBag(grams, gram_width, mode="sum", padding_idx=0)
        self.spelling = LSTM(char_width, char_hidden, batch_first=True, bidirectional=True)
        self.before = VariationalDropout(dropout)
        self.sentence = LSTM(
            word_width + CASE_WIDTH + 2 * char_hidden + gram_width,
            hidden,
            layers,
            batch_first=True,
            bidirectional=True,
            dropout=dropout if layers > 1 else 0.0,
            recurrent_dropout=recurrent_dropout,
        )
        self.after = VariationalDropout(dropout)
        self.head = nn.Linear(2 * hidden, tags)
        self.crf = CRF(tags, allowed)
        for embedding in (self.words, self.cases, self.chars, self.grams):
            nn.init.normal_(embedding.weight, std=UNITS_SPREAD)
        with torch.no_grad():
            self.chars.weight[0] = 0.0
            self.grams.weight[0] = 0.0

    def forward(self, forms: Forms, forms_BT: Tensor, lengths_B: Tensor) -> Tensor:
        """Score each tag at each word.

        Parameters
        ----------
        forms : Forms
            The U different word forms of the batch.
        forms_BT : Tensor
            (B, T) int64, the form at each place; any in [0, U) beyond a row's length.
        lengths_B : Tensor
            (B,) words of each row, at least 0.

        Returns
        -------
        Tensor
            (B, T, tags)
        """
        x_BTF = self.before(self.vectors(forms)[forms_BT])
        y_BTH, _ = self.sentence(x_BTF, lengths=lengths_B.cpu())
        return self.head(self.after(y_BTH))

    def vectors(self, forms: Forms) -> Tensor:
        """Give each form its vector: (U, F)."""
        chars_UCE = self.chars(forms.chars)
        _, ends = self.spelling(chars_UCE, lengths=forms.char_lengths.cpu())
        spelled_UH = ends.h.transpose(0, 1).flatten(1)
        parts = (self.words(forms.words), self.cases(forms.cases), spelled_UH)
        return torch.cat([*parts, self.grams(forms.grams)], dim=1)
