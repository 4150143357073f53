"""Explanations of what a fitted classifier said of texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from cellstate.tasks import sections
from cellstate.tasks.text.classification.attributions import Explanation, integrated_gradients
from cellstate.tasks.text.classification.baseline import (
    END,
    PIECE,
    START,
    WORD,
    Baseline,
    is_piece,
    joined,
)
from cellstate.tasks.text.classification.fitted import Fitted
from cellstate.tasks.text.classification.labels import Labels

MOST_EACH = 3
"""Examples kept of surely right, and of surely wrong answers."""


def explain_texts(
    fitted: Fitted, labels: Labels, texts: Sequence[str], chosen: np.ndarray | None = None
) -> list[Explanation]:
    """Share the score of one label of each text out among its words.

    Parameters
    ----------
    fitted : Fitted
    labels : Labels
    texts : sequence of str
    chosen : np.ndarray, optional
        (n,) numbers of labels to speak of; by default the most probable one of each text.
    """
    probabilities = fitted.probabilities(texts)
    named = probabilities.argmax(1) if chosen is None else chosen
    explanations = []
    for k, text in enumerate(texts):
        spans = fitted.tokenizer.spans(text)[: fitted.longest]
        values = np.zeros(len(spans))
        baseline = 0.0
        for place, model in enumerate(fitted.models):
            added, start = _attributed(fitted, model, text, int(named[k]), place)
            share = len(fitted.models) * fitted.mix.temperature
            inner = added[1:-1] if fitted.encoder.is_framed else added
            # Marks around the text, and the mark of an empty one, belong to the baseline.
            own = inner[: len(spans)] if len(spans) else inner[:0]
            values += own / share
            baseline += (start + added.sum() - own.sum()) / share
        if fitted.linear is not None and fitted.mix.linear > 0:
            share = fitted.mix.linear / fitted.mix.temperature
            added, start = linear_parts(fitted.linear, text, spans, int(named[k]))
            values, baseline = values + share * added, baseline + share * start
        words = tuple(text[a:b] for a, b in spans)
        probability = float(probabilities[k, named[k]])
        label = labels.names[int(named[k])]
        explanations.append(Explanation(text, label, probability, words, spans, values, baseline))
    return explanations


def passages(
    explanations: Sequence[Explanation], captions: Sequence[str]
) -> list[sections.Passage]:
    """Turn explanations into what a report shows."""
    return [
        sections.Passage(caption, *explanation.pieces())
        for explanation, caption in zip(explanations, captions, strict=True)
    ]


def telling_rows(truth: np.ndarray, probabilities: np.ndarray, named: np.ndarray) -> list[int]:
    """Pick rows worth a look: the surest of the right answers, and of the wrong ones.

    Parameters
    ----------
    truth, named : np.ndarray
        (n, K) bool
    probabilities : np.ndarray
        (n, K)
    """
    sure = np.abs(np.where(named, probabilities, 0.0)).max(1)
    right = (truth == named).all(1)
    picked: list[int] = []
    for rows in (np.flatnonzero(right), np.flatnonzero(~right)):
        picked += rows[np.argsort(-sure[rows], kind="stable")[:MOST_EACH]].tolist()
    return picked


def _attributed(
    fitted: Fitted, model: Any, text: str, label: int, place: int
) -> tuple[np.ndarray, float]:
    """Attribute one network's score to the tokens of one text, in the order of the text."""
    import torch

    from cellstate.tasks.text.classification.task import embed

    is_backward = fitted.is_backward(place)
    words = fitted.encoder.encode([text])
    batch = fitted.encoder.batch(words, np.array([0]), is_backward=is_backward)
    with torch.no_grad():
        x_TE = embed(model, {name: torch.from_numpy(a) for name, a in batch.items()})[0]
    if fitted.is_multi:

        def answer(x_BTE: Any, lengths_B: Any) -> Any:
            return model.answer(x_BTE, lengths_B)[:, label : label + 1]

        values, start = integrated_gradients(answer, x_TE, 0)
    else:
        values, start = integrated_gradients(model.answer, x_TE, label)
    return (values[::-1] if is_backward else values), start


def linear_parts(
    linear: Baseline, text: str, spans: np.ndarray, label: int
) -> tuple[np.ndarray, float]:
    """Share the linear model's score of a label out among words: (N,) and the score of no word.

    What a term adds is shared evenly among the words that its first appearance covers; a piece's
    share among all words that hold it.
    """
    weights = linear.weights.astype(np.float64)
    bias = linear.bias.astype(np.float64)
    if len(linear.thresholds) == 0:  # above the mean of the other classes, as for the networks
        others = (weights.sum(1) - weights[:, label]) / max(1, weights.shape[1] - 1)
        of_term = weights[:, label] - others
        start = bias[label] - (bias.sum() - bias[label]) / max(1, len(bias) - 1)
    else:
        of_term, start = weights[:, label], float(bias[label])
    values = np.zeros(len(spans))
    if not linear.terms:
        return values, float(start)
    row = linear.counted([text]).tocoo()
    lowered = text.lower()
    for term, share in zip(row.col, row.data, strict=True):
        covered = _covered(lowered, linear.terms[term], spans)
        if len(covered):
            values[covered] += share * of_term[term] / len(covered)
        else:
            start += share * of_term[term]
    return values, float(start)


def _covered(lowered: str, term: str, spans: np.ndarray) -> np.ndarray:
    """Find the words that a term reaches over; signs may part words that stand together."""
    if is_piece(term):
        held = _holding(lowered, term.removeprefix(PIECE))
        return np.flatnonzero([any(_meet(word, span) for word in held) for span in spans])
    words = [word for word in term.split(" ") if word not in (START, END)]
    if len(spans) == 0 or not words:
        return np.zeros(0, dtype=np.int64)
    pattern = r"\s*".join(map(re.escape, words))
    edges = (
        r"(?<!\w)" if words[0][:1].isalnum() else "",
        r"(?!\w)" if words[-1][-1:].isalnum() else "",
    )
    found = re.search(edges[0] + pattern + edges[1], lowered) or re.search(pattern, lowered)
    if found is None:
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero([_meet(found.span(), span) for span in spans])


def _holding(lowered: str, piece: str) -> list[tuple[int, int]]:
    """Find the words that a piece reaches into, wherever it stands: start and end of each."""
    words = [word.span() for word in re.finditer(WORD, lowered)]
    whole = joined([lowered[start:end] for start, end in words])
    places = [found.start() for found in re.finditer(f"(?={re.escape(piece)})", whole)]
    held, behind = [], 0
    for start, end in words:
        first = behind + 1  # the word's place in the whole, behind a space
        behind = first + end - start
        if any(place < behind and place + len(piece) > first for place in places):
            held.append((start, end))
    return held


def _meet(found: tuple[int, int], span: Sequence[int] | np.ndarray) -> bool:
    return bool(span[0] < found[1] and span[1] > found[0])
