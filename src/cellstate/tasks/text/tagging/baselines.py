"""Simple rivals: the most frequent tag of each word, and a linear model on features of words."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.extras import require
from cellstate.tasks.text.tagging import schemes
from cellstate.tasks.text.tagging.fitting import Rows
from cellstate.tasks.text.tagging.word_forms import CASES, UNKNOWN, FormEncoder, case_of, folded

FREQUENT, LINEAR = "most frequent tag", "linear model"
MOST_BUCKETS = 1 << 18
"""Numbers that features are hashed to; fewer where there are few words."""
MOST_WORDS = 300_000
"""Words that the linear model learns from: half a minute."""
EPOCHS = 8
PENALTY = 2e-6
AFFIXES = (2, 3, 4)
NEIGHBOURS = (-2, -1, 1, 2)


@dataclass(frozen=True)
class Baselines:
    """Fitted rivals, small enough to be kept with a model.

    Attributes
    ----------
    scheme : str
        Of the tags; "none" for plain ones.
    tags : tuple of str
        The linear model's: BIOES where there are spans.
    plain : tuple of str
        The tags as given, for the most frequent ones.
    frequent : np.ndarray
        (words,) uint16 number of each word's most frequent tag, unknown words' at `UNKNOWN`.
    weights : np.ndarray
        (K, buckets) float16
    bias : np.ndarray
        (K,) float32
    learned_from : int
        Words that the linear model has seen.
    """

    scheme: str
    tags: tuple[str, ...]
    plain: tuple[str, ...]
    frequent: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    learned_from: int

    @classmethod
    def of(cls, rows: Rows, forms: FormEncoder, scheme: str, tags: Sequence[str]) -> Baselines:
        """Learn from tagged sentences."""
        plain, frequent = _most_frequent(rows, forms)
        part = _some(rows)
        weights, bias = _linear(part, scheme, tags)
        return cls(scheme, tuple(tags), plain, frequent, weights, bias, part.total)

    def answers(self, forms: FormEncoder, sentences: Sequence[Sequence[str]]) -> dict[str, Any]:
        """Tag sentences: system -> tags of each, most frequent ones as given, others BIOES."""
        return {
            FREQUENT: [
                [self.plain[self.frequent[forms.words.get(folded(w), UNKNOWN)]] for w in words]
                for words in sentences
            ],
            LINEAR: self._decoded(sentences),
        }

    def _decoded(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        weights = self.weights.T.astype(np.float32)
        scores = _hashed(sentences, len(weights)) @ weights + self.bias
        # One-against-the-rest probabilities, made to sum to one.
        log_odds = -np.logaddexp(0.0, -scores.astype(np.float64))
        log_odds -= np.logaddexp.reduce(log_odds, axis=1, keepdims=True)
        ends = np.cumsum([len(words) for words in sentences])[:-1]
        parts = np.split(log_odds, ends) if sentences else []
        if self.scheme == "none":
            return [[self.tags[k] for k in part.argmax(1)] for part in parts]
        forbidden = tuple(np.where(part, 0.0, -np.inf) for part in schemes.allowed(self.tags))
        return [[self.tags[k] for k in best_path(part, *forbidden)] for part in parts]

    def as_dict(self) -> dict[str, Any]:
        """Give JSON-ready data."""
        facts = {"scheme": self.scheme, "tags": list(self.tags), "plain": list(self.plain)}
        return {**facts, "learned_from": self.learned_from}

    def tensors(self) -> dict[str, np.ndarray]:
        """Give arrays for the model's file."""
        names = ("frequent", "weights", "bias")
        return {f"baseline.{name}": getattr(self, name) for name in names}

    @classmethod
    def restored(cls, data: dict[str, Any], tensors: dict[str, np.ndarray]) -> Baselines:
        """Read them back."""
        return cls(
            scheme=data["scheme"],
            tags=tuple(data["tags"]),
            plain=tuple(data["plain"]),
            frequent=np.array(tensors["baseline.frequent"]),
            weights=np.array(tensors["baseline.weights"]),
            bias=np.array(tensors["baseline.bias"]),
            learned_from=int(data["learned_from"]),
        )


def best_path(
    scores_TK: np.ndarray, pairs_KK: np.ndarray, start_K: np.ndarray, end_K: np.ndarray
) -> list[int]:
    """Find the best tags of one sentence (Viterbi), for a model that is not a network.

    Examples
    --------
    >>> free = np.zeros((2, 2)), np.zeros(2), np.array([0.0, -np.inf])
    >>> best_path(np.array([[0.0, 1.0], [0.0, 3.0]]), *free)
    [1, 0]
    """
    if not len(scores_TK):
        return []
    best_K, came_from = start_K + scores_TK[0], []
    for scores_K in scores_TK[1:]:
        reached_KK = best_K[:, None] + pairs_KK
        came_from.append(reached_KK.argmax(0))
        best_K = reached_KK.max(0) + scores_K
    path = [int((best_K + end_K).argmax())]
    for from_K in reversed(came_from):
        path.append(int(from_K[path[-1]]))
    return path[::-1]


def features(words: Sequence[str]) -> Iterator[list[str]]:
    """Describe each word of a sentence: itself, its affixes, its case, and its neighbours.

    Examples
    --------
    >>> next(features(["Colon", "cancer"]))[:6]
    ['bias', '0=colon', '0:Title', '0 begins co', '0 ends on', '0 begins col']
    """
    low = [folded(word) for word in words]
    cases = [CASES[case_of(word)] for word in words]
    for at, word in enumerate(low):
        found = ["bias", f"0={word}", f"0:{cases[at]}"]
        for length in AFFIXES:
            found += [f"0 begins {word[:length]}", f"0 ends {word[-length:]}"]
        for step in NEIGHBOURS:
            place = at + step
            if not 0 <= place < len(low):
                found.append(f"{step} is outside")
                continue
            found += [f"{step}={low[place]}", f"{step}:{cases[place]}"]
            if abs(step) == 1:
                found += [f"{step} ends {low[place][-3:]}", f"{step},0={low[place]} {word}"]
        yield found


def _most_frequent(rows: Rows, forms: FormEncoder) -> tuple[tuple[str, ...], np.ndarray]:
    """Find each word's most frequent tag; of equally frequent ones the first by name."""
    plain = tuple(sorted({tag for labels in rows.tags for tag in labels}))
    numbers = {tag: number for number, tag in enumerate(plain)}
    counts = np.zeros((forms.sizes["words"], len(plain)), dtype=np.int64)
    words = [forms.words[folded(word)] for sentence in rows.words for word in sentence]
    np.add.at(counts, (words, [numbers[tag] for labels in rows.tags for tag in labels]), 1)
    counts[:2] = counts.sum(0)  # of words that are not known
    return plain, counts.argmax(1).astype(np.uint16)


def _some(rows: Rows) -> Rows:
    """Take sentences up to a number of words, in an order that has nothing to do with theirs."""
    if rows.total <= MOST_WORDS:
        return rows
    order = np.random.default_rng(0).permutation(len(rows))
    sums = np.cumsum([len(rows.words[row]) for row in order])
    return rows.take(np.sort(order[sums <= MOST_WORDS]))


def _linear(rows: Rows, scheme: str, tags: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Fit one logistic regression against the rest for each tag."""
    model = require("sklearn.linear_model", extra="train")
    numbers = {tag: number for number, tag in enumerate(tags)}
    labels = rows.tags
    if scheme != "none":
        labels = [schemes.tags_of(schemes.spans(row), len(row), "BIOES") for row in labels]
    targets = np.array([numbers[tag] for row in labels for tag in row])
    buckets = min(MOST_BUCKETS, 1 << (8 * rows.total).bit_length())
    weights = np.zeros((len(tags), buckets), dtype=np.float32)
    bias = np.full(len(tags), -30.0, dtype=np.float32)  # a tag that never occurs
    different = np.unique(targets)
    if len(different) == 1:
        bias[different] = 0.0
    else:
        settings = {"alpha": PENALTY, "max_iter": EPOCHS, "tol": None, "average": True}
        fitted = model.SGDClassifier(loss="log_loss", random_state=0, **settings)
        fitted.fit(_hashed(rows.words, buckets), targets)
        if len(different) == 2:  # one row of weights, for the second of the two
            weights[different] = np.concatenate([-fitted.coef_, fitted.coef_])
            bias[different] = np.concatenate([-fitted.intercept_, fitted.intercept_])
        else:
            weights[different], bias[different] = fitted.coef_, fitted.intercept_
    return weights.astype(np.float16), bias


def _hashed(sentences: Sequence[Sequence[str]], buckets: int) -> Any:
    """Number the features of all words: sparse (words, buckets) float32."""
    sparse = require("scipy.sparse", extra="train")
    columns: list[int] = []
    ends = [0]
    for words in sentences:
        for found in features(words):
            columns += [zlib.crc32(f.encode("utf-8", "surrogatepass")) % buckets for f in found]
            ends.append(len(columns))
    shape = (len(ends) - 1, buckets)
    ones = np.ones(len(columns), dtype=np.float32)
    matrix = sparse.csr_matrix((ones, np.array(columns, np.int32), np.array(ends)), shape=shape)
    matrix.sum_duplicates()
    return matrix
