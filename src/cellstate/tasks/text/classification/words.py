"""Texts as the networks read them: numbers of words, and the pieces that words are made of."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cellstate.data.text.batches import pad
from cellstate.data.text.tokenizer import EOS, PAD, SPECIALS, UNK, Tokenizer

GRAMS = (3, 4, 5)
"""Characters of a piece, the marks of a word's ends included."""
MOST_PIECES = 40
"""Pieces of one word; what comes behind them in a longer one is left out."""
WITH_PIECES = ("word", "whitespace")


@dataclass(frozen=True)
class Words:
    """Texts, cut and numbered.

    Attributes
    ----------
    rows : list of np.ndarray
        (N,) int64 of each text, N ≥ 1: below the vocabulary's size numbers of tokens, from there on
        words that it lacks.
    pieces : np.ndarray
        (W, G) int32 pieces of every number, 0 behind them; G is 0 where words have no pieces.
    cut : int
        Texts that were longer than what is read.
    """

    rows: list[np.ndarray]
    pieces: np.ndarray
    cut: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of each text: (n,)."""
        return np.array([len(row) for row in self.rows], dtype=np.int64)

    def take(self, chosen: np.ndarray) -> Words:
        """Pick texts."""
        return Words([self.rows[k] for k in chosen], self.pieces)


@dataclass(frozen=True)
class WordEncoder:
    """Cuts texts into words and words into pieces.

    Parameters
    ----------
    tokenizer : Tokenizer
    buckets : int
        Numbers of pieces, which are hashed; 0 for none. Only words have them.
    longest : int, optional
        Most tokens that are read of a text.
    is_framed : bool
        Whether each text stands between two marks of its end, as in a stream of texts.

    Examples
    --------
    >>> encoder = WordEncoder(Tokenizer.train(["a good film"]), buckets=100)
    >>> words = encoder.encode(["a good one", ""])
    >>> [row.tolist() for row in words.rows]  # "one" comes behind the vocabulary
    [[4, 6, 7], [3]]
    >>> sorted(encoder.batch(words, np.array([0])))
    ['lengths', 'pieces', 'places', 'tokens']
    """

    tokenizer: Tokenizer
    buckets: int = 0
    longest: int | None = None
    is_framed: bool = False

    @property
    def has_pieces(self) -> bool:
        """Whether words are made of pieces."""
        return self.buckets > 0 and self.tokenizer.kind in WITH_PIECES

    def encode(self, texts: Sequence[str]) -> Words:
        """Cut and number texts; an empty one becomes a mark of an end alone."""
        rows, cut = [], 0
        new: dict[str, int] = {}
        for text, numbers in zip(texts, self.tokenizer.encode_all(texts), strict=True):
            row = numbers.astype(np.int64)
            if self.has_pieces and (row == UNK).any():
                spans = self.tokenizer.spans(text)
                for k in np.flatnonzero(row == UNK):
                    word = text[spans[k, 0] : spans[k, 1]]
                    row[k] = new.setdefault(word, self.tokenizer.size + len(new))
            if self.longest is not None and len(row) > self.longest:
                row, cut = row[: self.longest], cut + 1
            if self.is_framed:
                row = np.concatenate([[EOS], row, [EOS]])
            rows.append(row if len(row) else np.array([EOS]))
        if not self.has_pieces:
            return Words(rows, np.zeros((self.tokenizer.size, 0), np.int32), cut)
        pieces = self._table
        if new:
            pieces = np.concatenate([pieces, pieces_of(list(new), self.buckets)])
        return Words(rows, pieces, cut)

    def batch(
        self, words: Words, chosen: np.ndarray, *, is_backward: bool = False
    ) -> dict[str, np.ndarray]:
        """Put texts into arrays of one length, as `TextNetwork` takes them."""
        rows = [words.rows[k] for k in chosen]
        if is_backward:
            rows = [row[::-1] for row in rows]
        numbers = pad(rows, value=PAD)
        tokens = np.where(numbers < self.tokenizer.size, numbers, UNK)
        batch = {"tokens": tokens, "lengths": words.lengths[chosen]}
        if words.pieces.shape[1]:
            there, places = np.unique(numbers, return_inverse=True)
            pieces = words.pieces[there].astype(np.int64)
            used = max(1, int((pieces > 0).sum(1).max()))
            batch |= {"pieces": pieces[:, :used], "places": places.reshape(numbers.shape)}
        return batch

    @cached_property
    def _table(self) -> np.ndarray:
        """Pieces of the vocabulary's words; special ones have none."""
        table = pieces_of(self.tokenizer.vocabulary, self.buckets)
        table[: len(SPECIALS)] = 0
        return table


def pieces_of(words: Sequence[str], buckets: int) -> np.ndarray:
    """Number the pieces of words: (W, G) int32 in 1 … buckets, 0 behind the last.

    Pieces are of the word in small letters; one more tells how it was written.

    Examples
    --------
    >>> film, films = pieces_of(["film", "films"], 1000)
    >>> sum(n not in films for n in film if n)  # "lm>", "ilm>", "film>"
    3
    """
    pieces = np.zeros((len(words), MOST_PIECES), dtype=np.int32)
    for row, word in zip(pieces, words, strict=True):
        marked = f"<{word.lower()}>"
        found = [
            marked[start : start + length]
            for length in GRAMS
            for start in range(len(marked) - length + 1)
        ]
        found = [_shape(word), *found[: MOST_PIECES - 1]]
        row[: len(found)] = [zlib.crc32(piece.encode()) % buckets + 1 for piece in found]
    return pieces


def _shape(word: str) -> str:
    """Say how a word is written, in signs that no piece is made of."""
    if any(sign.isdigit() for sign in word):
        return "\x00digits"
    if word.isupper() and len(word) > 1:
        return "\x00capitals"
    return "\x00capital" if word[:1].isupper() else "\x00small"
