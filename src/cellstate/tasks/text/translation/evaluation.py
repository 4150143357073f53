"""Translations beside those of the baselines, scored on the same sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cellstate.tasks.evaluation import NAME, Evaluation
from cellstate.tasks.text.translation.lexicon import word_by_word
from cellstate.tasks.text.translation.metrics import METRICS, score


def compare(
    sources: Sequence[str],
    references: Sequence[str],
    translations: Sequence[str],
    lexicon: dict[str, str],
    *,
    protocol: str,
    notes: Sequence[str] = (),
) -> Evaluation:
    """Score the network's translations, the source itself, and a word-by-word translation.

    Inputs, truth and answers of the evaluation are lists of sentences.
    """
    said = {
        NAME: list(translations),
        "word by word": [word_by_word(lexicon, source) for source in sources],
        "source copied": list(sources),
    }
    scores = {name: score(texts, references) for name, texts in said.items()}
    signatures = scores[NAME].signatures
    by_sacrebleu = [f"{name} by sacrebleu: {text}" for name, text in signatures.items()]
    return Evaluation(
        {name: found.values for name, found in scores.items()},
        decided_by="BLEU",
        protocol=protocol,
        notes=(*notes, *by_sacrebleu),
        truth=list(references),
        answers=list(translations),
        inputs=list(sources),
        metrics={name: replace(METRICS[name], signature=signatures[name]) for name in METRICS},
    )
