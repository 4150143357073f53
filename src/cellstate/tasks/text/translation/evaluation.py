"""Translations beside those of the baselines, scored on the same sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cellstate.tasks.text.translation.lexicon import word_by_word
from cellstate.tasks.text.translation.metrics import DEFINITIONS, score

NAME = "LSTM"
DECIDED_BY = "BLEU"


@dataclass(frozen=True)
class Evaluation:
    """Scores by system.

    Attributes
    ----------
    rows : dict of str to dict of str to float
        System -> metric -> value, 0 … 100.
    signatures : dict of str to str
        Metric -> sacrebleu's signature.
    protocol : str
        Which sentences were scored.
    notes : tuple of str
    sources, references, translations : tuple of str
        What was scored: the source, the truth, and what the network said.
    """

    rows: dict[str, dict[str, float]]
    signatures: dict[str, str]
    protocol: str
    notes: tuple[str, ...] = ()
    sources: tuple[str, ...] = field(default=(), repr=False)
    references: tuple[str, ...] = field(default=(), repr=False)
    translations: tuple[str, ...] = field(default=(), repr=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """The metrics, in the order of the table."""
        return tuple(self.signatures)

    def metric(self, name: str, system: str = NAME) -> float:
        """Look up one value."""
        return self.rows[system][name]

    @property
    def winner(self) -> str:
        """The system of the best BLEU; the network, where a baseline is no better."""
        return max(self.rows, key=lambda name: self.metric(DECIDED_BY, name))

    @property
    def verdict(self) -> str:
        """Say in one sentence who won."""
        ours = self.metric(DECIDED_BY)
        others = {name: self.metric(DECIDED_BY, name) for name in self.rows if name != NAME}
        best = max(others, key=others.__getitem__)
        if self.winner != NAME:
            return (
                f"A baseline wins: {best} has BLEU {others[best]:.1f}; the {NAME} has {ours:.1f}. "
                "Train longer, or on more pairs."
            )
        if ours == others[best]:
            return f"{NAME} ties with the best baseline, {best}: BLEU {ours:.1f}."
        return f"{NAME} wins: BLEU {ours:.1f}; the best baseline, {best}, has {others[best]:.1f}."

    def definitions(self) -> dict[str, str]:
        """Define each metric of the table."""
        return {name: DEFINITIONS[name] for name in self.columns}

    def as_dict(self) -> dict[str, Any]:
        """Give JSON-ready data."""
        return {
            "systems": self.rows,
            "winner": self.winner,
            "decided_by": DECIDED_BY,
            "verdict": self.verdict,
            "protocol": self.protocol,
            "definitions": self.definitions(),
            "signatures": self.signatures,
            "notes": [*self.notes, *self.signature_notes()],
        }

    def signature_notes(self) -> list[str]:
        """Give sacrebleu's signatures as sentences."""
        return [f"{name} by sacrebleu: {text}" for name, text in self.signatures.items()]

    def __str__(self) -> str:
        table = [["", *self.columns]]
        for system, values in self.rows.items():
            name = system + (" *" if system == self.winner else "")
            table.append([name, *(f"{values[column]:.1f}" for column in self.columns)])
        widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
        lines = [
            "  ".join(
                [cells[0].ljust(widths[0])]
                + [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
            )
            for cells in table
        ]
        lines += ["", self.verdict, self.protocol, *self.notes, *self.signature_notes(), ""]
        lines += [f"{name}: {text}." for name, text in self.definitions().items()]
        return "\n".join(lines)

    __repr__ = __str__


def compare(
    sources: Sequence[str],
    references: Sequence[str],
    translations: Sequence[str],
    lexicon: dict[str, str],
    *,
    protocol: str,
    notes: Sequence[str] = (),
) -> Evaluation:
    """Score the network's translations, the source itself, and a word-by-word translation."""
    said = {
        NAME: list(translations),
        "word by word": [word_by_word(lexicon, source) for source in sources],
        "source copied": list(sources),
    }
    scores = {name: score(texts, references) for name, texts in said.items()}
    return Evaluation(
        {name: found.values for name, found in scores.items()},
        scores[NAME].signatures,
        protocol,
        tuple(notes),
        tuple(sources),
        tuple(references),
        tuple(translations),
    )
