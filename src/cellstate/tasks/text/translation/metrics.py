"""BLEU and chrF by sacrebleu, with the signatures that make them comparable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cellstate.extras import require
from cellstate.tasks.metrics import Metric


@dataclass(frozen=True)
class Scores:
    """What translations are worth against one reference each.

    Attributes
    ----------
    values : dict of str to float
        "BLEU" and "chrF", each 0 … 100.
    signatures : dict of str to str
        Of each, sacrebleu's.
    """

    values: dict[str, float]
    signatures: dict[str, str]


METRICS = {
    "BLEU": Metric(
        "geometric mean of the precisions of 1- to 4-grams of words over the whole text, times a "
        "penalty for brevity, 0 … 100 (Papineni et al. 2002)",
        "max",
        ".1f",
    ),
    "chrF": Metric(
        "F-score of 1- to 6-grams of characters, recall weighing twice, 0 … 100 (Popović 2015)",
        "max",
        ".1f",
    ),
}


def score(translations: Sequence[str], references: Sequence[str]) -> Scores:
    """Score plain text as it would be published: nothing lower-cased, nothing tokenized before.

    Raises
    ------
    MissingExtraError
        The package `sacrebleu` is not installed.

    Examples
    --------
    >>> scores = score(["A man is sleeping on a couch."], ["A man sleeping on a couch."])
    >>> round(scores.values["BLEU"], 1), round(scores.values["chrF"], 1)
    (59.5, 84.7)
    >>> scores.signatures["BLEU"].split("|version")[0]
    'nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp'
    """
    metrics = require("sacrebleu.metrics", extra="text")
    values: dict[str, float] = {}
    signatures: dict[str, str] = {}
    for name, metric in (("BLEU", metrics.BLEU()), ("chrF", metrics.CHRF())):
        values[name] = float(metric.corpus_score(list(translations), [list(references)]).score)
        signatures[name] = str(metric.get_signature())
    return Scores(values, signatures)


def sentence_bleu(translations: Sequence[str], references: Sequence[str]) -> list[float]:
    """Score sentence by sentence, to find the best and the worst; not to be averaged."""
    bleu = require("sacrebleu.metrics", extra="text").BLEU(effective_order=True)
    return [
        float(bleu.sentence_score(said, [truth]).score)
        for said, truth in zip(translations, references, strict=True)
    ]
