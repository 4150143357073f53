"""Scores of the network and of the baselines on the same sentences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cellstate.tasks.evaluation import NAME, Evaluation
from cellstate.tasks.metrics import Metric
from cellstate.tasks.text.tagging.entities import count, score_entities
from cellstate.tasks.text.tagging.schemes import Span, spans

METRICS = {
    "F1": Metric(
        "harmonic mean of precision and recall of whole entities, all types together; an entity is "
        "right only where its type, first and last word are (conlleval, seqeval's default)",
        "max",
    ),
    "precision": Metric("share of the named entities that are right", "max"),
    "recall": Metric("share of the true entities that are named right", "max"),
    "macro F1": Metric("mean over the types of their F1", "max"),
    "accuracy": Metric("share of words whose tag is right", "max"),
    "of unseen words": Metric(
        "the same, of words that are not in the training data in any case", "max"
    ),
    "whole sentences": Metric("share of sentences without a wrong tag", "max"),
}


def score_tags(
    truth: Sequence[Sequence[str]], said: Sequence[Sequence[str]], unseen: Sequence[Sequence[bool]]
) -> dict[str, float]:
    """Score plain tags, such as parts of speech.

    Parameters
    ----------
    truth, said : sequences of sequences of str
    unseen : sequence of sequences of bool
        Whether a word is not in the training data.

    Examples
    --------
    >>> score_tags([["N", "V"], ["N"]], [["N", "N"], ["N"]], [[False, True], [False]])
    {'accuracy': 0.6666666666666666, 'of unseen words': 0.0, 'whole sentences': 0.5}
    """
    is_right = [
        [one == other for one, other in zip(*pair, strict=True)]
        for pair in zip(truth, said, strict=True)
    ]
    flat = np.array([right for row in is_right for right in row], dtype=bool)
    new = np.array([mark for row in unseen for mark in row], dtype=bool)
    whole = [all(row) for row in is_right if row]
    return {
        "accuracy": float(flat.mean()) if len(flat) else float("nan"),
        "of unseen words": float(flat[new].mean()) if new.any() else float("nan"),
        "whole sentences": float(np.mean(whole)) if whole else float("nan"),
    }


def entities_of(tags: Sequence[Sequence[str]]) -> list[list[Span]]:
    """Read the spans off the tags of sentences."""
    return [spans(row) for row in tags]


def compared(
    words: list[list[str]],
    truth: list[list[str]],
    said: dict[str, list[list[str]]],
    unseen: list[list[bool]],
    *,
    has_spans: bool,
    protocol: str,
    notes: Sequence[str],
) -> Evaluation:
    """Score what each system said; inputs, truth and answers are lists of lists of str."""
    if has_spans:
        true = entities_of(truth)
        rows = {name: score_entities(true, entities_of(tags)) for name, tags in said.items()}
        by_type = {
            kind or "entity": {"F1": c.f1, "precision": c.precision, "recall": c.recall}
            | {"true": c.true, "named": c.named}
            for kind, c in count(true, entities_of(said[NAME])).items()
        }
    else:
        rows = {name: score_tags(truth, tags, unseen) for name, tags in said.items()}
        by_type = {}
    return Evaluation(
        rows,
        decided_by="F1" if has_spans else "accuracy",
        protocol=protocol,
        notes=tuple(notes),
        truth=truth,
        answers=said[NAME],
        by_class=by_type,
        inputs=words,
        metrics=METRICS,
    )
