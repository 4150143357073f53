"""Linear models of texts: what the networks have to beat, and what they are mixed with."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cellstate.extras import require
from cellstate.tasks.calibration import best_thresholds, sigmoid, softmax
from cellstate.tasks.text.classification.labels import folds

MAJORITY, LINEAR = "most frequent class", "TF-IDF + logistic regression"
LINEAR_PIECES = "TF-IDF with pieces + logistic regression"
PENALTIES = (1.0, 4.0, 16.0, 64.0)
"""Inverse strengths of the penalty to choose from by cross-validation."""
FOLDS = 3
TOLERANCE = 3e-4
"""Of the slope where a solver stops; further down, answers get no better and fits take longer."""
MOST_TERMS = 200_000
ABSENT = -30.0
"""Log odds of a class that no training row has."""
WORD = r"(?u)\w+(?:['’\-]\w+)*|[^\w\s]"
START, END = "\x02", "\x03"
"""Stand for words before the first and behind the last, in pairs and triples of words."""
GRAMS = (3, 4, 5)
"""Characters of a piece, the spaces between words included."""
PIECE = "#"
"""Begins a term that is a piece; no other term begins so and goes on without a space."""
SPACE = "\u2423"
"""Parts words within a piece."""


@dataclass(frozen=True)
class Baseline:
    """A fitted linear model on the shares of words, of words together, and of pieces.

    Attributes
    ----------
    terms : list of str
    idf : np.ndarray
        (F,) float32
    weights, bias : np.ndarray
        (F, K) and (K,) float32; far below 0 is the bias of a class that no row has.
    prior : np.ndarray
        (K,) share of the training rows with each label.
    thresholds : np.ndarray
        (K,) or empty, as of `Fitted`.
    analyzer : str
        "word" for words and pairs; "pieces" for words, up to three together, and pieces of the
        text; or "char" for text without spaces.
    """

    terms: list[str]
    idf: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    prior: np.ndarray
    thresholds: np.ndarray
    analyzer: str

    @classmethod
    def fit(
        cls, texts: Sequence[str], targets: np.ndarray, outputs: int, analyzer: str, seed: int
    ) -> Baseline:
        """Learn terms and weights; the penalty is chosen by cross-validation on these rows."""
        is_multi = targets.ndim == 2
        prior = (targets if is_multi else np.eye(outputs)[targets]).mean(0)
        x, terms, idf = _terms(texts, analyzer)
        empty = np.full(outputs if is_multi else 0, 0.5)
        if not terms:
            none = np.zeros((0, outputs), np.float32)
            bias = np.log(np.maximum(prior, 1e-12)).astype(np.float32)
            return cls([], idf, none, bias, prior, empty, analyzer)
        fold = folds(targets if not is_multi else targets.argmax(1), FOLDS, _rng(seed))
        best: tuple[float, float, np.ndarray] | None = None
        for penalty in PENALTIES[:3] if analyzer == "pieces" else PENALTIES:  # pieces take long
            said = np.zeros((len(targets), outputs))
            for k in range(FOLDS):
                learn, check = fold != k, fold == k
                weights, bias = _regression(x[learn], targets[learn], outputs, penalty)
                said[check] = x[check] @ weights + bias
            if is_multi:
                score = -float(np.mean(np.logaddexp(0, np.where(targets > 0, -said, said))))
            else:
                score = float((said.argmax(1) == targets).mean())
            if best is None or score > best[0]:
                best = (score, penalty, said)
        assert best is not None, "there are penalties to choose from"
        weights, bias = _regression(x, targets, outputs, best[1])
        thresholds = best_thresholds(targets > 0, sigmoid(best[2])) if is_multi else empty
        return cls(terms, idf, weights, bias, prior, thresholds, analyzer)

    def answers(self, texts: Sequence[str]) -> np.ndarray:
        """Give the linear model's answers before the softmax: (n, K) float64."""
        bias = self.bias.astype(np.float64)
        if not self.terms:
            return np.tile(bias, (len(texts), 1))
        return self.counted(texts) @ self.weights.astype(np.float64) + bias

    def counted(self, texts: Sequence[str]) -> Any:
        """Give the weights of the terms of each text: (n, F), sparse."""
        counts = self._vectorizer.transform(texts)
        return _scaled(counts, self.idf, self.terms)

    @cached_property
    def _vectorizer(self) -> Any:
        return _vectorizer(self.analyzer, vocabulary=self.terms)

    def from_answers(self, answers: np.ndarray) -> np.ndarray:
        """Give the probabilities where the model answers so: (n, K)."""
        return sigmoid(answers) if len(self.thresholds) > 0 else softmax(answers)

    def tensors(self, name: str) -> dict[str, np.ndarray]:
        """Give arrays for the model's file, under a name."""
        listed = np.frombuffer("\n".join(self.terms).encode("utf-8"), dtype=np.uint8)
        return {
            f"{name}.terms": listed,
            f"{name}.idf": self.idf,
            f"{name}.weights": self.weights,
            f"{name}.bias": self.bias,
            f"{name}.prior": self.prior,
            f"{name}.thresholds": self.thresholds,
        }

    @classmethod
    def from_tensors(cls, name: str, tensors: dict[str, np.ndarray], analyzer: str) -> Baseline:
        """Read them back."""
        given = {part: np.array(tensors[f"{name}.{part}"]) for part in
                 ("terms", "idf", "weights", "bias", "prior", "thresholds")}  # fmt: skip
        listed = given.pop("terms").tobytes().decode("utf-8")
        return cls(terms=listed.split("\n") if listed else [], analyzer=analyzer, **given)


def analyzers_of(kind: str) -> tuple[str, str]:
    """Say what the terms of the baseline, and of what is mixed, are made of for a tokenizer."""
    return ("char", "char") if kind == "char" else ("word", "pieces")


def joined(words: Sequence[str]) -> str:
    """Put words in small letters together, as pieces are cut from them."""
    return "".join(f"{SPACE}{word}" for word in words) + SPACE


def pieces_of(words: Sequence[str]) -> list[str]:
    """List the terms that are pieces: stretches of a text, which may reach over several words.

    Examples
    --------
    >>> pieces_of(["i", "am"])[:4]
    ['#␣i␣', '#i␣a', '#␣am', '#am␣']
    """
    whole = joined(words)
    return [
        PIECE + whole[start : start + length]
        for length in GRAMS
        for start in range(len(whole) - length + 1)
    ]


def is_piece(term: str) -> bool:
    """Tell pieces from words and pairs of words."""
    return len(term) > len(PIECE) and term.startswith(PIECE) and " " not in term


def _with_pieces(text: str) -> list[str]:
    words = re.findall(WORD, text.lower())
    framed = [START, *words, END]
    several = [
        " ".join(framed[first : first + length])
        for length in (2, 3)
        for first in range(len(framed) - length + 1)
    ]
    return [*words, *several, *pieces_of(words)] if words else []


def _vectorizer(analyzer: str, **options: Any) -> Any:
    text = require("sklearn.feature_extraction.text", extra="train")
    if analyzer == "pieces":
        return text.CountVectorizer(analyzer=_with_pieces, dtype=np.float64, **options)
    grams = (1, 3) if analyzer == "char" else (1, 2)
    pattern = None if analyzer == "char" else WORD
    given = {"analyzer": analyzer, "ngram_range": grams, "token_pattern": pattern, **options}
    return text.CountVectorizer(lowercase=True, dtype=np.float64, **given)


def _terms(texts: Sequence[str], analyzer: str) -> tuple[Any, list[str], np.ndarray]:
    """Learn the terms; give the rows (n, F), the terms and their inverse document frequencies."""
    vectorizer = _vectorizer(analyzer, max_features=MOST_TERMS)
    try:
        counts = vectorizer.fit_transform(texts)
    except ValueError:  # scikit-learn's word for texts without any term
        return None, [], np.zeros(0, np.float32)
    # A term that is parted from its neighbour by a line break cannot be written in a list of lines.
    terms = [str(term) for term in vectorizer.get_feature_names_out()]
    kept = np.array(["\n" not in term for term in terms])
    terms, counts = [t for t, k in zip(terms, kept, strict=True) if k], counts[:, kept]
    shown = np.asarray((counts > 0).sum(0)).ravel()
    idf = (np.log((1 + len(texts)) / (1 + shown)) + 1).astype(np.float32)
    return _scaled(counts, idf, terms), terms, idf


def _scaled(counts: Any, idf: np.ndarray, terms: list[str]) -> Any:
    """Weigh 1 + log of the counts by rarity, rows of length 1.

    Pieces outnumber words: where there are both, each kind has the same length.
    """
    preprocessing = require("sklearn.preprocessing", extra="train")
    counts = counts.tocsr().copy()
    counts.data = (1.0 + np.log(counts.data)) * idf[counts.indices]
    pieces = np.array([is_piece(term) for term in terms], dtype=bool)
    if not pieces.any():
        return preprocessing.normalize(counts)
    sparse = require("scipy.sparse", extra="train")
    kinds = [
        preprocessing.normalize(counts @ sparse.diags(k.astype(float))) for k in (pieces, ~pieces)
    ]
    return (kinds[0] + kinds[1]).tocsr() / np.sqrt(2.0)


def _regression(
    x: Any, targets: np.ndarray, outputs: int, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    """Fit logistic regression: weights (F, K) and bias (K,), those of softmax or of each label."""
    linear = require("sklearn.linear_model", extra="train")
    weights = np.zeros((x.shape[1], outputs), np.float32)
    bias = np.full(outputs, ABSENT, np.float32)
    if targets.ndim == 2:
        for k in range(outputs):
            share = targets[:, k].mean()
            if share in (0.0, 1.0):
                bias[k] = 20.0 if share else -20.0
                continue
            model = _solved(linear.LogisticRegression(C=penalty), x, targets[:, k] > 0)
            weights[:, k], bias[k] = model.coef_[0], model.intercept_[0]
        return weights, bias
    present = np.unique(targets)
    if len(present) == 1:
        bias[present] = 0.0
        return weights, bias
    model = _solved(linear.LogisticRegression(C=penalty), x, targets)
    if len(present) == 2:  # scikit-learn keeps one column, of the second class
        weights[:, present[1]], bias[present] = model.coef_[0], (0.0, model.intercept_[0])
    else:
        weights[:, present], bias[present] = model.coef_.T, model.intercept_
    return weights, bias


def _solved(model: Any, x: Any, y: np.ndarray) -> Any:
    with warnings.catch_warnings():
        # A solution that is near enough to compare with; the user can do nothing about it.
        warnings.simplefilter(
            "ignore", require("sklearn.exceptions", extra="train").ConvergenceWarning
        )
        return model.set_params(max_iter=300, tol=TOLERANCE).fit(x, y)


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)
