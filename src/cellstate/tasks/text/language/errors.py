"""Where a language model errs: its loss by the sort of a token and by length."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from cellstate.data.text.tokenizer import Tokenizer
from cellstate.tasks import sections
from cellstate.tasks.evaluation import Evaluation

BANDS = (10, 100, 1_000, 10_000)
"""Ranks by frequency that part the tokens of large vocabularies."""
LONGEST = 8


def by_sort(tokenizer: Tokenizer, evaluation: Evaluation) -> sections.Table:
    """Give the loss by sort of character, or by how frequent a token is."""
    tokens = evaluation.truth
    if tokenizer.kind == "char":
        sorts = np.array([_sort(tokenizer.vocabulary[t]) for t in tokens[1:]])
        starts = np.array([_sort(tokenizer.vocabulary[t]) for t in tokens[:-1]]) != "letter"
        names = np.where((sorts == "letter") & starts, "first letter of a word", sorts)
        names = np.where(sorts == "letter", np.where(starts, names, "letter inside"), names)
        order = ["first letter of a word", "letter inside", "space", "line break", "digit", "sign"]
        title = "Loss by sort of character"
    else:
        counts = np.bincount(tokens)
        rank = np.empty(len(counts), dtype=np.int64)
        rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
        edges = [0, *BANDS]
        order = [f"rank {a + 1:,} – {b:,}" for a, b in pairwise(edges)]
        order.append(f"rank above {edges[-1]:,}")
        names = np.array(order)[np.searchsorted(BANDS, rank[tokens[1:]], side="right")]
        title = "Loss by frequency of the token"
    return _grouped(title, "sort", names, order, evaluation.answers)


def by_length(tokenizer: Tokenizer, evaluation: Evaluation) -> sections.Table:
    """Give the loss by how far a word has got, or by the length of a token."""
    tokens = evaluation.truth
    if tokenizer.kind == "char":
        inside = np.array([_sort(tokenizer.vocabulary[t]) == "letter" for t in tokens])
        # Counts up along each word and begins again behind it.
        place = np.arange(len(inside))
        before = np.maximum.accumulate(np.where(inside, -1, place))
        depth = np.where(inside, place - before, 0)[1:]
        names = np.array([_upto(n) if n else "between words" for n in depth.tolist()])
        title, column = "Loss by place in the word", "letter"
        order = [*(_upto(n) for n in range(1, LONGEST + 1)), "between words"]
    else:
        names = np.array([_upto(len(tokenizer.vocabulary[t])) for t in tokens[1:]])
        title, column = "Loss by length of the token", "characters"
        order = [_upto(n) for n in range(1, LONGEST + 1)]
    return _grouped(title, column, names, order, evaluation.answers)


def _upto(length: int) -> str:
    return str(length) if length < LONGEST else f"{LONGEST} or more"


def _sort(character: str) -> str:
    if character.isalpha() or character == "'":
        return "letter"
    if character == "\n":
        return "line break"
    if character.isspace():
        return "space"
    return "digit" if character.isdigit() else "sign"


def _grouped(
    title: str, column: str, names: np.ndarray, order: list[str], log_p: np.ndarray
) -> sections.Table:
    total = -log_p.sum()
    rows = [
        (name, int(mask.sum()), float(-log_p[mask].mean()), float(-100 * log_p[mask].sum() / total))
        for name in dict.fromkeys(order)
        if (mask := names == name).any()
    ]
    columns = (column, "tokens", "nats per token", "share of the loss, %")
    return sections.Table(title, columns, tuple(rows))
