"""Which word translates which, learned from pairs of sentences: IBM model 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cellstate.tasks.text.translation import words

ROUNDS = 6
MOST_PAIRS = 50_000
MOST_WORDS = 60
"""Words of a sentence beyond which its pair is left out: each meets all of the other side."""
RARE = 2
"""Times a word must be seen to be translated; fewer is mostly chance."""


def learn_lexicon(sources: Sequence[str], targets: Sequence[str]) -> dict[str, str]:
    r"""Learn the likeliest translation of each word by expectation maximisation.

    Each target word is made by one source word of its sentence, or by none (NULL), all equally
    likely at first. With :math:`c(s, t)` the expected number of times that s makes t,

    .. math::

        c(s, t) = \sum_{\text{pairs}} \frac{p(t \mid s)}{\sum_{s'} p(t \mid s')}, \qquad
        p(t \mid s) = \frac{c(s, t)}{\sum_{t'} c(s, t')}

    Parameters
    ----------
    sources, targets : sequence of str
        Sentences and their translations; at most the first 50,000 are used.

    Returns
    -------
    dict of str to str
        For source words that were seen twice at least; "" where NULL is left with nothing better.

    References
    ----------
    P. F. Brown et al., "The mathematics of statistical machine translation", Computational
    Linguistics 19 (2), 1993.

    Examples
    --------
    >>> learn_lexicon(["das Haus", "das Buch", "ein Buch"], ["the house", "the book", "a book"])
    {'das': 'the', 'Buch': 'book'}
    """
    rows = [
        (words.split(source), words.split(target))
        for source, target in zip(sources[:MOST_PAIRS], targets[:MOST_PAIRS], strict=True)
    ]
    rows = [(s, t) for s, t in rows if 0 < len(s) <= MOST_WORDS and 0 < len(t) <= MOST_WORDS]
    if not rows:
        return {}
    source_numbers, target_numbers = _numbered(s for s, _ in rows), _numbered(t for _, t in rows)
    pair, place, pairs = _meetings(rows, source_numbers, target_numbers)
    source_of_pair, target_of_pair = pairs // len(target_numbers), pairs % len(target_numbers)
    probability = np.full(len(pairs), 1.0)
    for _ in range(ROUNDS):
        share = probability[pair]
        share /= np.bincount(place, share)[place]
        count = np.bincount(pair, share, len(pairs))
        probability = count / np.bincount(source_of_pair, count)[source_of_pair]
    # Pairs are in the order of their sources; the likeliest of each comes last.
    order = np.lexsort((probability, source_of_pair))
    last = np.flatnonzero(np.diff(source_of_pair[order], append=-1))
    best = dict(zip(source_of_pair[order[last]], target_of_pair[order[last]], strict=True))
    seen = np.bincount([source_numbers[word] for s, _ in rows for word in s])
    names = list(target_numbers)
    return {
        word: names[best[number]]
        for word, number in source_numbers.items()
        if number and seen[number] >= RARE
    }


def word_by_word(lexicon: dict[str, str], text: str) -> str:
    """Translate each word alone; those that the lexicon lacks stay.

    Examples
    --------
    >>> word_by_word({"das": "the", "Buch": "book"}, "das Buch, Anna")
    'the book, Anna'
    """
    found = (lexicon.get(word, word) for word in words.split(text))
    return words.joined([word for word in found if word])


def _numbered(rows: object) -> dict[str, int]:
    """Number words; 0 is kept for NULL."""
    numbers: dict[str, int] = {"": 0}
    for row in rows:  # type: ignore[attr-defined]
        for word in row:
            numbers.setdefault(word, len(numbers))
    return numbers


def _meetings(
    rows: list[tuple[list[str], list[str]]],
    source_numbers: dict[str, int],
    target_numbers: dict[str, int],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """List all meetings of a source word, or NULL, with a target word of its sentence.

    Returns
    -------
    pair : np.ndarray
        (M,) which of `pairs` meets.
    place : np.ndarray
        (M,) which target word of all sentences it is.
    pairs : np.ndarray
        (P,) source number · target words + target number, ascending.
    """
    codes: list[np.ndarray] = []
    places: list[np.ndarray] = []
    done = 0
    for source, target in rows:
        s = np.array([0, *(source_numbers[word] for word in source)])
        t = np.array([target_numbers[word] for word in target])
        codes.append((s[:, None] * len(target_numbers) + t).ravel())
        places.append(np.tile(np.arange(done, done + len(t)), len(s)))
        done += len(t)
    pairs, pair = np.unique(np.concatenate(codes), return_inverse=True)
    return pair, np.concatenate(places), pairs
