"""A language model beside counts of short sequences, on one running text."""

from __future__ import annotations

import math

import numpy as np

from cellstate.data.text.tokenizer import UNK, Tokenizer
from cellstate.tasks.evaluation import NAME, Evaluation
from cellstate.tasks.metrics import Metric
from cellstate.tasks.text.language.dynamic import DynamicEvaluation, score_dynamically
from cellstate.tasks.text.language.fitting import FittedLanguage
from cellstate.tasks.text.language.ngrams import NGrams
from cellstate.tasks.text.language.plan import FINE
from cellstate.tasks.text.language.stream_score import NeuralCache, score_stream

CACHED, DYNAMIC = f"{NAME} with neural cache", f"{NAME} with dynamic evaluation"
ORDERS = {"char": 7, "byte": 7}
OTHER_ORDER = 4
"""Longest sequences that the baseline counts, by kind of token."""

METRICS = {
    "nats per token": Metric("mean of −log p(token | all before it)", "min"),
    "perplexity": Metric("e to that power", "min"),
    "bits per character": Metric(
        "−log2 p of all tokens, divided by the characters that they give back", "min"
    ),
}


def evaluate_language(
    fitted: FittedLanguage,
    tokens: np.ndarray | None,
    *,
    cache: NeuralCache | None = None,
    dynamic: DynamicEvaluation | None = None,
) -> Evaluation:
    """Score a text, or the end that was held out, as one stream; baselines beside it.

    The truth of the evaluation is the tokens, (N,); its answers are what the network says of each
    from the second one on, (N - 1,) nats.
    """
    notes: list[str] = []
    learned = fitted.train
    if tokens is None:
        tokens = fitted.held
        source = "held out of training"
        notes.append("The held-out end chose the weights: expect a little less on new text.")
    else:
        source = "that were given"
        learned = np.concatenate([learned, fitted.held])
    protocol = (
        f"Protocol: one stream over {len(tokens):,} tokens {source}, the memory carried along; "
        "all but the first are scored."
    )
    log_p = {NAME: score_stream(fitted.reader, tokens)}
    if cache is not None:
        log_p[CACHED] = score_stream(fitted.reader, tokens, cache)
    if dynamic is not None:
        log_p[DYNAMIC] = score_dynamically(fitted.network(), tokens, fitted.train, dynamic)
    order = ORDERS.get(fitted.tokenizer.kind, OTHER_ORDER)
    for name, length in ((f"{order}-gram, Kneser–Ney", order), ("unigram", 1)):
        counted = NGrams(learned, order=length, vocabulary=fitted.plan.vocabulary)
        log_p[name] = counted.log_probabilities(tokens)[1:]
    total = fitted.record["data"]["tokens"]
    if len(learned) < total - fitted.record["data"]["held_out"]:
        notes.append(f"The baselines counted the last {len(learned):,} tokens of training.")
    unknown = float(np.mean(tokens[1:] == UNK))
    if unknown and fitted.tokenizer.kind not in FINE:
        notes.append(
            f"{100 * unknown:.2g} % of the tokens are unknown words, which are told as one: "
            "losses compare between models of one vocabulary only."
        )
    characters = count_characters(fitted.tokenizer, tokens[1:])
    rows = {name: _scores(values, characters) for name, values in log_p.items()}
    return Evaluation(
        rows,
        decided_by="nats per token",
        protocol=protocol,
        notes=tuple(notes),
        truth=tokens,
        answers=log_p[NAME],
        metrics=METRICS,
    )


def count_characters(tokenizer: Tokenizer, tokens: np.ndarray) -> int:
    """Count the characters that tokens give back."""
    return len(tokenizer.decode(tokens))


def _scores(log_p: np.ndarray, characters: int) -> dict[str, float]:
    nats = -float(log_p.mean())
    bits = -float(log_p.sum()) / math.log(2) / characters if characters else math.nan
    return {
        "nats per token": nats,
        "perplexity": math.exp(min(nats, 700.0)),
        "bits per character": bits,
    }
