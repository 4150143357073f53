"""What a fitted translator has to show."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from cellstate.tasks import chapters, sections
from cellstate.tasks.evaluation import Evaluation
from cellstate.tasks.text.translation import words
from cellstate.tasks.text.translation.metrics import score, sentence_bleu

if TYPE_CHECKING:
    from cellstate.tasks.text.translation.fitted import Alignment
    from cellstate.tasks.text.translator import Translator

SAMPLES = 3
"""Best, middling and worst sentences that are shown, of each."""
PICTURES = 2
LENGTHS = (5, 10, 15, 20, 30)
"""Upper ends of the groups of sentences by their number of words."""
FEWEST_OF_A_LENGTH = 5
READABLE = range(4, 19)
"""Tokens of a sentence whose alignment is best shown; where there is none, the shortest are."""
CANDIDATES = 20
"""Sentences of which one is chosen for a picture."""
SMOOTHED = (
    "In training labels are smoothed and features dropped, so that its loss stays above that of "
    "validation for long."
)


def tell(translator: Translator, evaluation: Evaluation) -> sections.Story:
    """Tell how the fit went: verdict, table, samples, alignments, lengths, losses, facts."""
    record = translator.fitted_.record
    bleu = np.array(sentence_bleu(evaluation.answers, evaluation.truth))
    shown: list[sections.Section] = [
        chapters.verdict(evaluation),
        chapters.comparison(evaluation),
        _samples(evaluation, bleu),
        *_pictures(translator, evaluation, bleu),
        *_lengths(evaluation),
        chapters.losses(record, unit="nats for each token", note=SMOOTHED),
        *chapters.warnings(record),
        _data(record["data"]),
        _reproduction(translator),
    ]
    data = record["data"]
    return sections.Story(
        title="Translation",
        summary=f"Learned from {data['pairs']:,} pairs of sentences. {evaluation.protocol}",
        sections=tuple(shown),
    )


def _samples(evaluation: Evaluation, bleu: np.ndarray) -> sections.Table:
    order = np.argsort(-bleu, kind="stable")
    middle = len(order) // 2
    parts = {
        "best": order[:SAMPLES],
        "middling": order[max(0, middle - SAMPLES // 2) :][:SAMPLES],
        "worst": order[::-1][:SAMPLES],
    }
    rows: list[tuple[Any, ...]] = []
    seen: set[int] = set()
    for name, places in parts.items():
        for place in map(int, places):
            if place not in seen:
                seen.add(place)
                texts = (evaluation.inputs, evaluation.truth, evaluation.answers)
                rows.append((name, *(side[place] for side in texts), float(bleu[place])))
    return sections.Table(
        "Samples",
        ("", "source", "reference", "translation", "BLEU"),
        tuple(rows),
        note="BLEU of a single sentence leans on few words; it orders them, no more.",
    )


def _pictures(
    translator: Translator, evaluation: Evaluation, bleu: np.ndarray
) -> list[sections.Section]:
    """Show where the decoder looked, in sentences that were translated well and middlingly."""
    order = np.argsort(-bleu, kind="stable")
    sizes = np.array([len(source) for source in translator.fitted_.encoded(evaluation.inputs)])
    found: list[sections.Section] = []
    shown: set[int] = set()
    for start in np.arange(PICTURES) * len(order) // PICTURES:
        places = [int(place) for place in order[start:] if int(place) not in shown]
        # Sources of a size to read go first; a stable sort keeps the better translations before.
        places.sort(key=lambda place: max(0, int(sizes[place]) + 2 - READABLE.stop))
        places = places[:CANDIDATES]
        alignments = translator.alignments([evaluation.inputs[place] for place in places])
        spans = {k: (len(a.source), len(a.target)) for k, a in enumerate(alignments)}
        fit = [k for k, span in spans.items() if min(span) >= READABLE.start]
        if fit:
            best = min(fit, key=lambda k: max(READABLE.stop - 1, *spans[k]))
            shown.add(places[best])
            found.append(_picture(alignments[best]))
    return found


def _picture(alignment: Alignment) -> sections.Matrix:
    return sections.Matrix(
        f"Where the decoder looked: {alignment.translation}",
        alignment.target,
        alignment.source,
        np.rint(100.0 * alignment.weights),
        "written",
        "looked at",
        "Per cent of the attention of each written token; ⏎ is the end of the sentence."
        " A token is written from what is looked at before it.",
    )


def _lengths(evaluation: Evaluation) -> list[sections.Section]:
    """Score sentences by their length in words."""
    sizes = np.array([len(words.split(source)) for source in evaluation.inputs])
    bounds = (0, *LENGTHS, max(LENGTHS[-1] + 1, int(sizes.max(initial=0))))
    rows: list[tuple[Any, ...]] = []
    for low, high in pairwise(bounds):
        places = np.flatnonzero((sizes > low) & (sizes <= high))
        if len(places) < FEWEST_OF_A_LENGTH:
            continue
        said, truth = ([side[k] for k in places] for side in (evaluation.answers, evaluation.truth))
        ratio = sum(map(len, map(words.split, said))) / sum(map(len, map(words.split, truth)))
        rows.append(
            (f"{low + 1} – {high}", len(places), *score(said, truth).values.values(), ratio)
        )
    if len(rows) < 2:
        return []
    return [
        sections.Table(
            "By length of the source",
            ("words", "sentences", *evaluation.columns, "length ratio"),
            tuple(rows),
            note="The ratio is that of the words written to those of the references; below 1 "
            f"something is left out. Lengths of fewer than {FEWEST_OF_A_LENGTH} sentences are not "
            "shown.",
        )
    ]


def _data(data: dict[str, Any]) -> sections.Facts:
    rows = (
        ("Pairs", f"{data['pairs']:,}"),
        ("Left out, a side being empty", f"{data['left_out']:,}"),
        ("Held out to choose when to stop", f"{data['held_out']:,}"),
        ("Tokens", " → ".join(f"{count:,}" for count in data["tokens"])),
        ("Longest sentences, in tokens", " → ".join(map(str, data["longest"]))),
        ("Fingerprint", data["fingerprint"]),
    )
    return sections.Facts("Data", rows)


def _reproduction(translator: Translator) -> sections.Facts:
    fitted, record = translator.fitted_, translator.fitted_.record
    plan, (source, target) = fitted.plan, fitted.tokenizers
    sizes = f"{source.size:,}" if plan.is_shared else f"{source.size:,} and {target.size:,}"
    network = (
        f"{plan.encoder_layers} × {plan.hidden} units in both directions, then "
        f"{plan.decoder_layers} × {plan.hidden} with {plan.attention} attention"
        f"{' and input feeding' if plan.input_feeding else ''}; {plan.width} features of a token"
    )
    return chapters.reproduction(
        translator,
        record,
        ("Network", network),
        ("Vocabulary", f"{sizes} tokens, {source.kind}{', shared' if plan.is_shared else ''}"),
    )
