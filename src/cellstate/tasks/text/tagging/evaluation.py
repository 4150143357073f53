"""Scores of the network and of the baselines on the same sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cellstate.tasks.text.tagging.entities import Counts, count, score_entities
from cellstate.tasks.text.tagging.schemes import Span, spans

NAME = "LSTM"

DEFINITIONS = {
    "F1": "harmonic mean of precision and recall of whole entities, all types together; an entity "
    "is right only where its type, first and last word are (conlleval, seqeval's default)",
    "precision": "share of the named entities that are right",
    "recall": "share of the true entities that are named right",
    "macro F1": "mean over the types of their F1",
    "accuracy": "share of words whose tag is right",
    "of unseen words": "the same, of words that are not in the training data in any case",
    "whole sentences": "share of sentences without a wrong tag",
}


@dataclass(frozen=True)
class Evaluation:
    """Scores by system.

    Attributes
    ----------
    rows : dict of str to dict of str to float
        System -> metric -> value, all from 0 to 1; NaN where one is not defined.
    decided_by : str
        The metric that names the winner.
    protocol : str
        Which sentences were scored, by what was learned from which.
    notes : tuple of str
    by_type : dict of str to Counts
        The network's entities by type; empty for plain tags.
    words, truth, said : list of list of str
        The sentences, their tags and what the network said.
    """

    rows: dict[str, dict[str, float]]
    decided_by: str
    protocol: str
    notes: tuple[str, ...] = ()
    by_type: dict[str, Counts] = field(default_factory=dict)
    words: list[list[str]] = field(default_factory=list, repr=False, compare=False)
    truth: list[list[str]] = field(default_factory=list, repr=False, compare=False)
    said: list[list[str]] = field(default_factory=list, repr=False, compare=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """The metrics, in the order of the table."""
        return tuple(self.rows[NAME])

    def metric(self, name: str, system: str = NAME) -> float:
        """Look up one value."""
        return self.rows[system][name]

    @property
    def winner(self) -> str:
        """The best system; the network, where a baseline is no better."""
        return max(self.rows, key=lambda name: self.metric(self.decided_by, name))

    @property
    def verdict(self) -> str:
        """Say in one sentence who won."""
        metric, ours = self.decided_by, self.metric(self.decided_by)
        others = {name: self.metric(metric, name) for name in self.rows if name != NAME}
        best = max(others, key=lambda name: others[name])
        theirs = others[best]
        if self.winner != NAME:
            return (
                f"A baseline wins: {best} has {metric} {theirs:.4f}; the {NAME} has {ours:.4f}. "
                f"Prefer {best} here."
            )
        if ours == theirs:
            return f"{NAME} ties with the best baseline, {best}: {metric} {ours:.4f}."
        return f"{NAME} wins: {metric} {ours:.4f}; the best baseline, {best}, has {theirs:.4f}."

    def definitions(self) -> dict[str, str]:
        """Define each metric of the table."""
        return {name: DEFINITIONS[name] for name in self.columns}

    def as_dict(self) -> dict[str, Any]:
        """Give JSON-ready data; a metric that is not defined is None."""
        return {
            "systems": {
                system: {name: v if np.isfinite(v) else None for name, v in values.items()}
                for system, values in self.rows.items()
            },
            "types": {
                kind: {"precision": c.precision, "recall": c.recall, "F1": c.f1}
                | {"true": c.true, "named": c.named}
                for kind, c in self.by_type.items()
            },
            "winner": self.winner,
            "decided_by": self.decided_by,
            "verdict": self.verdict,
            "protocol": self.protocol,
            "definitions": self.definitions(),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        systems = [["", *self.columns]]
        for system, values in self.rows.items():
            name = system + (" *" if system == self.winner else "")
            systems.append([name, *(_cell(values[column]) for column in self.columns)])
        lines = _aligned(systems)
        if self.by_type:
            types = [["type", "F1", "precision", "recall", "true", "named"]]
            for kind, c in self.by_type.items():
                shares = (_cell(value) for value in (c.f1, c.precision, c.recall))
                types.append([kind or "entity", *shares, str(c.true), str(c.named)])
            lines += ["", *_aligned(types)]
        lines += ["", self.verdict, self.protocol, *self.notes, ""]
        lines += [f"{name}: {text}." for name, text in self.definitions().items()]
        return "\n".join(lines)

    __repr__ = __str__


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
    """Score what each system said; the first is the network."""
    if has_spans:
        true = entities_of(truth)
        rows = {name: score_entities(true, entities_of(tags)) for name, tags in said.items()}
        by_type = count(true, entities_of(said[NAME]))
    else:
        rows = {name: score_tags(truth, tags, unseen) for name, tags in said.items()}
        by_type = {}
    decided_by = "F1" if has_spans else "accuracy"
    return Evaluation(rows, decided_by, protocol, tuple(notes), by_type, words, truth, said[NAME])


def _aligned(table: list[list[str]]) -> list[str]:
    widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
    return [
        "  ".join(
            [cells[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        )
        for cells in table
    ]


def _cell(value: float) -> str:
    return "–" if not np.isfinite(value) else f"{value:.4f}"
