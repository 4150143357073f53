"""What a tagger sees of a word: the word itself, its case, its characters and their n-grams."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

UNKNOWN = 1
"""Number of words and characters that were not seen in training; 0 is padding."""
FIRST = 2
"""Number of the first word and the first character."""
LONGEST = 30
"""Characters that are read; of longer words the first and the last half of them."""
GRAMS = (2, 3, 4, 5)
"""Lengths of the n-grams, counting the marks at the word's ends."""
CASES = (
    "lower",
    "Title",
    "UPPER",
    "miXed",
    "number",
    "mostly digits",
    "some digits",
    "signs",
)

_DIGIT = re.compile(r"\d")


def folded(form: str) -> str:
    """Fold what is the same word: lower case, any digit as 0.

    Examples
    --------
    >>> folded("BRCA1")
    'brca0'
    """
    return _DIGIT.sub("0", form.lower())


def case_of(form: str) -> int:
    """Number how a word is written, as in `CASES`.

    Examples
    --------
    >>> [CASES[case_of(form)] for form in ("mRNA", "1998", "exon5", "(", "In")]
    ['miXed', 'number', 'some digits', 'signs', 'Title']
    """
    digits = sum(character.isdigit() for character in form)
    if not any(character.isalnum() for character in form):
        name = "signs"
    elif digits == len(form):
        name = "number"
    elif 2 * digits > len(form):
        name = "mostly digits"
    elif digits:
        name = "some digits"
    elif form == form.lower():
        name = "lower"
    elif form == form.upper() and len(form) > 1:
        name = "UPPER"
    elif form[1:] == form[1:].lower():
        name = "Title"
    else:
        name = "miXed"
    return CASES.index(name)


@dataclass(frozen=True)
class FormTable:
    """Numbers of some word forms, padded with 0.

    Attributes
    ----------
    words, cases, char_lengths : np.ndarray
        (F,) int64
    chars, grams : np.ndarray
        (F, C) and (F, N) int32, which are large where there are many forms.
    """

    words: np.ndarray
    cases: np.ndarray
    chars: np.ndarray
    char_lengths: np.ndarray
    grams: np.ndarray

    def take(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Pick forms for a batch, no wider than they need."""
        lengths, grams = self.char_lengths[rows], self.grams[rows]
        widest = int((grams > 0).sum(1).max(initial=1))
        return {
            "words": self.words[rows],
            "cases": self.cases[rows],
            "chars": self.chars[rows, : lengths.max(initial=1)].astype(np.int64),
            "char_lengths": lengths,
            "grams": grams[:, :widest].astype(np.int64),
        }


@dataclass(frozen=True)
class FormEncoder:
    """Vocabularies learned from the training words.

    Attributes
    ----------
    words : dict of str to int
        Folded words by number, from `FIRST` on.
    chars : dict of str to int
    buckets : int
        Numbers that n-grams are hashed to, from 1 on; 0 for none.
    """

    words: dict[str, int]
    chars: dict[str, int]
    buckets: int

    @classmethod
    def of(cls, sentences: Iterable[Sequence[str]], buckets: int) -> FormEncoder:
        """Learn the vocabularies, the most frequent first."""
        forms = Counter(form for sentence in sentences for form in sentence)
        words: Counter[str] = Counter()
        chars: Counter[str] = Counter()
        for form, count in forms.items():
            words[folded(form)] += count
            for character in form:
                chars[character] += count
        return cls(_numbered(words), _numbered(chars), buckets)

    @property
    def sizes(self) -> dict[str, int]:
        """Sizes of the embeddings."""
        return {
            "words": FIRST + len(self.words),
            "cases": len(CASES),
            "chars": FIRST + len(self.chars),
            "grams": 1 + self.buckets,
        }

    def knows(self, form: str) -> bool:
        """Tell whether the word was in the training data, in any case."""
        return folded(form) in self.words

    def table(self, forms: Sequence[str]) -> FormTable:
        """Number some forms."""
        spelled = [_cut(form) for form in forms]
        lengths = np.array([max(1, len(s)) for s in spelled], dtype=np.int64)
        grams = [_grams(s) if self.buckets else [] for s in spelled]
        chars_FC = np.zeros((len(forms), lengths.max(initial=1)), dtype=np.int32)
        grams_FN = np.zeros((len(forms), max([1, *map(len, grams)])), dtype=np.int32)
        for row, (letters, pieces) in enumerate(zip(spelled, grams, strict=True)):
            chars_FC[row, : len(letters)] = [self.chars.get(c, UNKNOWN) for c in letters]
            grams_FN[row, : len(pieces)] = [
                1 + zlib.crc32(piece.encode("utf-8", "surrogatepass")) % self.buckets
                for piece in pieces
            ]
        return FormTable(
            words=np.array([self.words.get(folded(form), UNKNOWN) for form in forms], np.int64),
            cases=np.array([case_of(form) for form in forms], np.int64),
            chars=chars_FC,
            char_lengths=lengths,
            grams=grams_FN,
        )

    def as_dict(self) -> dict[str, Any]:
        """Give JSON-ready data."""
        return {"words": list(self.words), "chars": list(self.chars), "buckets": self.buckets}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> FormEncoder:
        """Read it back."""
        words, chars = (
            {key: FIRST + number for number, key in enumerate(data[name])}
            for name in ("words", "chars")
        )
        return cls(words, chars, int(data["buckets"]))


def _numbered(counts: Counter[str]) -> dict[str, int]:
    ordered = sorted(counts, key=lambda key: (-counts[key], key))
    return {key: FIRST + number for number, key in enumerate(ordered)}


def _cut(form: str) -> str:
    half = LONGEST // 2
    return form if len(form) <= LONGEST else form[:half] + form[-half:]


def _grams(form: str) -> list[str]:
    """List the n-grams of a word within marks, without what is only a mark."""
    marked = f"\x02{folded(form)}\x03"
    return [
        marked[start : start + length]
        for length in GRAMS
        for start in range(len(marked) - length + 1)
    ]
