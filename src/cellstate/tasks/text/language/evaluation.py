"""A language model beside counts of short sequences, on one running text."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cellstate.data.text.tokenizer import UNK, Tokenizer
from cellstate.tasks.text.language.dynamic import DynamicEvaluation, score_dynamically
from cellstate.tasks.text.language.fitting import FittedLanguage
from cellstate.tasks.text.language.ngrams import NGrams
from cellstate.tasks.text.language.plan import FINE
from cellstate.tasks.text.language.stream_score import NeuralCache, score_stream

NAME = "LSTM"
CACHED, DYNAMIC = "LSTM with neural cache", "LSTM, dynamic evaluation"
ORDERS = {"char": 7, "byte": 7}
OTHER_ORDER = 4
"""Longest sequences that the baseline counts, by kind of token."""

DEFINITIONS = {
    "nats per token": "mean of −log p(token | all before it)",
    "perplexity": "e to that power",
    "bits per character": "−log2 p of all tokens, divided by the characters that they give back",
}


@dataclass(frozen=True)
class LanguageEvaluation:
    """Scores by system.

    Attributes
    ----------
    rows : dict of str to dict of str to float
        System -> metric -> value.
    protocol : str
    notes : tuple of str
    tokens : np.ndarray
        (N,) what was scored, from its second token on.
    log_p : np.ndarray
        (N - 1,) what the network says of each, nats.
    """

    rows: dict[str, dict[str, float]]
    protocol: str
    notes: tuple[str, ...] = ()
    tokens: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False, compare=False)
    log_p: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False, compare=False)

    decided_by = "nats per token"

    @property
    def columns(self) -> tuple[str, ...]:
        """The metrics, in the order of the table."""
        return tuple(DEFINITIONS)

    def metric(self, name: str, system: str = NAME) -> float:
        """Look up one value."""
        return self.rows[system][name]

    @property
    def winner(self) -> str:
        """The system of the lowest loss; the network, where a baseline is no better."""
        return min(self.rows, key=lambda name: self.metric(self.decided_by, name))

    @property
    def verdict(self) -> str:
        """Say in one sentence who won."""
        ours = {n: self.metric(self.decided_by, n) for n in self.rows if n.startswith(NAME)}
        others = {n: self.metric(self.decided_by, n) for n in self.rows if n not in ours}
        best, rival = min(ours, key=lambda n: ours[n]), min(others, key=lambda n: others[n])
        scores = f"{ours[best]:.4g} nats per token; {rival} has {others[rival]:.4g}"
        if ours[best] > others[rival]:
            return f"A baseline wins: the {best} has {scores}. Give it more text or training."
        return f"{best} wins: {scores}."

    def as_dict(self) -> dict[str, Any]:
        """Give JSON-ready data; a metric that is not defined is None."""
        return {
            "systems": {
                system: {name: v if np.isfinite(v) else None for name, v in values.items()}
                for system, values in self.rows.items()
            },
            "winner": self.winner,
            "decided_by": self.decided_by,
            "verdict": self.verdict,
            "protocol": self.protocol,
            "definitions": dict(DEFINITIONS),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        table = [["", *self.columns]]
        for system, values in self.rows.items():
            name = system + (" *" if system == self.winner else "")
            table.append([name, *(f"{values[column]:.4g}" for column in self.columns)])
        widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
        lines = [
            "  ".join(
                [cells[0].ljust(widths[0])]
                + [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
            )
            for cells in table
        ]
        lines += ["", self.verdict, self.protocol, *self.notes, ""]
        lines += [f"{name}: {text}." for name, text in DEFINITIONS.items()]
        return "\n".join(lines)

    __repr__ = __str__


def evaluate_language(
    fitted: FittedLanguage,
    tokens: np.ndarray | None,
    *,
    cache: NeuralCache | None = None,
    dynamic: DynamicEvaluation | None = None,
) -> LanguageEvaluation:
    """Score a text, or the end that was held out, as one stream; baselines beside it."""
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
    return LanguageEvaluation(rows, protocol, tuple(notes), tokens, log_p[NAME])


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
