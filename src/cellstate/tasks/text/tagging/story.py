"""What a fitted tagger has to show."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from cellstate.tasks import chapters, sections
from cellstate.tasks.evaluation import Evaluation
from cellstate.tasks.text.tagging.entities import ERRORS, Error, errors, recalls
from cellstate.tasks.text.tagging.evaluation import entities_of
from cellstate.tasks.text.tagging.schemes import Span

if TYPE_CHECKING:
    from cellstate.tasks.text.tagger import SequenceTagger

SAMPLES = 12
MOST_TAGS = 30
"""Tags beyond which a confusion matrix is no longer read."""
LONGEST_SAMPLE = 60
CONTEXT = 4
"""Words shown to each side of an error."""


def tell(tagger: SequenceTagger, evaluation: Evaluation | None) -> sections.Story:
    """Tell how the fit went: verdict, tables, errors, samples, losses, facts."""
    data, record = tagger.fitted_.record["data"], tagger.fitted_.record
    shown = [] if evaluation is None else _scores(tagger, evaluation)
    shown += [
        _losses(tagger, record),
        *chapters.warnings(record),
        _data(tagger, data),
        _reproduction(tagger),
    ]
    protocol = "Nothing was held out to be scored." if evaluation is None else evaluation.protocol
    kind = "Tags of words" if tagger.scheme_ == "none" else "Entities in sentences"
    counted = f"{data['sentences']:,} sentences of {data['words']:,} words."
    return sections.Story(kind, f"{counted} {protocol}", tuple(shown))


def _scores(tagger: SequenceTagger, evaluation: Evaluation) -> list[sections.Section]:
    shown = [chapters.verdict(evaluation), chapters.comparison(evaluation)]
    if tagger.scheme_ == "none":
        return [*shown, *_confusion(evaluation), _samples_of_words(evaluation)]
    truth, said = entities_of(evaluation.truth), entities_of(evaluation.answers)
    found = errors(truth, said)
    return [
        *shown,
        _types(evaluation),
        *([_kinds_of_errors(found)] if found else []),
        _by_group(tagger, evaluation.inputs, truth, said),
        *([_some_errors(evaluation.inputs, found)] if found else []),
        *_samples(evaluation.inputs, truth, said),
    ]


def _types(evaluation: Evaluation) -> sections.Table:
    columns = ("type", "F1", "precision", "recall", "true", "named")
    rows = tuple((kind, *values.values()) for kind, values in evaluation.by_class.items())
    return sections.Table("By type", columns, rows)


def _kinds_of_errors(found: list[Error]) -> sections.Table:
    by_kind = {kind: [error for error in found if error.kind == kind] for kind in ERRORS}
    rows = []
    for kind, here in by_kind.items():
        types = Counter(span.type for error in here if (span := error.true or error.named))
        most = ", ".join(f"{name or 'entity'} {count}" for name, count in types.most_common(3))
        rows.append((kind, len(here), len(here) / len(found), most))
    columns = ("error", "count", "share", "most often")
    note = (
        "Each true entity is set against the named one that shares most words with it. Spurious "
        "entities share no word with a true one."
    )
    return sections.Table("What goes wrong", columns, tuple(rows), note=note)


def _by_group(
    tagger: SequenceTagger,
    words: list[list[str]],
    truth: list[list[Span]],
    said: list[list[Span]],
) -> sections.Table:
    """Recall by length, and by whether training has shown the entity or its words."""
    forms, mentions = tagger.fitted_.forms, tagger.mentions_

    def by_length(_: int, span: Span) -> str:
        length = span.end - span.start
        return f"{length} word{'s' * (length > 1)}" if length < 4 else "4 words or more"

    def by_novelty(sentence: int, span: Span) -> str:
        inside = words[sentence][span.start : span.end]
        if " ".join(inside).lower() in mentions:
            return "seen in training"
        if all(map(forms.knows, inside)):
            return "unseen, of words that are known"
        return "unseen, with a word that is unknown"

    rows = [
        (group, all_, right, right / all_)
        for grouping in (by_length, by_novelty)
        for group, (right, all_) in recalls(truth, said, grouping).items()
    ]
    title = "Recall by length and by what training has shown"
    return sections.Table(title, ("entities", "true", "found", "recall"), tuple(rows))


def _some_errors(words: list[list[str]], found: list[Error]) -> sections.Table:
    """Show an equal number of each kind of error, in its context."""
    each = max(1, SAMPLES // len(ERRORS))
    rows = []
    for kind in ERRORS:
        for error in [e for e in found if e.kind == kind][:each]:
            sentence = words[error.sentence]
            at = [span for span in (error.true, error.named) if span is not None]
            start = max(0, min(span.start for span in at) - CONTEXT)
            end = max(span.end for span in at) + CONTEXT
            rows.append(
                (
                    kind,
                    _shown(sentence, error.true),
                    _shown(sentence, error.named),
                    " ".join(sentence[start:end]),
                )
            )
    return sections.Table("Some errors", ("error", "true", "named", "where"), tuple(rows))


def _samples(
    words: list[list[str]], truth: list[list[Span]], said: list[list[Span]]
) -> list[sections.Section]:
    """Show whole sentences with what was named in them, those with errors first."""
    chosen = [
        row
        for row, (sentence, true) in enumerate(zip(words, truth, strict=True))
        if (true or said[row]) and len(sentence) <= LONGEST_SAMPLE
    ]
    wrong = [row for row in chosen if set(truth[row]) != set(said[row])][: SAMPLES // 2]
    right = [row for row in chosen if set(truth[row]) == set(said[row])][: SAMPLES - len(wrong)]
    shown = tuple(_passage(words[row], truth[row], said[row]) for row in (*wrong, *right))
    if not shown:
        return []
    note = (
        "Names are the tagger's. Where one is wrong or missed, the entities that are there stand "
        "above the sentence. Missed are entities of which no word was named."
    )
    return [sections.Tokens("Sentences", shown, note)]


def _passage(words: list[str], truth: list[Span], said: list[Span]) -> sections.Passage:
    """Cut a sentence at its entities.

    Examples
    --------
    >>> words, cancer = ["of", "colon", "cancer"], Span("Disease", 1, 3)
    >>> passage = _passage(words, [cancer], [cancer])
    >>> passage.pieces, passage.labels
    (('of ', 'colon cancer'), ('', 'Disease'))
    """
    marks = [(span, 1.0 if span in truth else -1.0) for span in said]
    marks += [
        (true, 0.0)
        for true in truth
        if not any(true.start < span.end and span.start < true.end for span in said)
    ]
    pieces: list[tuple[str, float, str]] = []
    at = 0
    for (kind, start, end), worth in sorted(marks, key=lambda mark: mark[0].start):
        between = " ".join(["", *words[at:start], ""]) if at else " ".join([*words[:start], ""])
        pieces.append((between, np.nan, ""))
        pieces.append((" ".join(words[start:end]), worth, kind or "entity"))
        at = end
    pieces.append((" ".join(["", *words[at:]]), np.nan, ""))
    caption = ""
    if set(truth) != set(said):
        caption = "The truth: " + ("; ".join(_shown(words, span) for span in truth) or "none")
    texts, values, labels = zip(*(piece for piece in pieces if piece[0]), strict=True)
    return sections.Passage(caption, texts, np.array(values), labels)


def _shown(words: list[str], span: Span | None) -> str:
    if span is None:
        return "–"
    ending = f" ({span.type})" if span.type else ""
    return " ".join(words[span.start : span.end]) + ending


def _confusion(evaluation: Evaluation) -> list[sections.Section]:
    pairs = [
        pair
        for rows in zip(evaluation.truth, evaluation.answers, strict=True)
        for pair in zip(*rows, strict=True)
    ]
    names = sorted({tag for pair in pairs for tag in pair})
    numbers = {name: number for number, name in enumerate(names)}
    truth, named = np.array([[numbers[tag] for tag in pair] for pair in pairs]).T
    return chapters.confusion(names, truth, named, "tag")


def _samples_of_words(evaluation: Evaluation) -> sections.Table:
    """Show the words whose tags are most often wrong."""
    wrong: Counter[tuple[str, str, str]] = Counter()
    for words, true, said in zip(
        evaluation.inputs, evaluation.truth, evaluation.answers, strict=True
    ):
        wrong.update(
            (word.lower(), one, other)
            for word, one, other in zip(words, true, said, strict=True)
            if one != other
        )
    rows = tuple((*key, count) for key, count in wrong.most_common(SAMPLES))
    return sections.Table("Most frequent errors", ("word", "true", "named", "times"), rows)


def _losses(tagger: SequenceTagger, record: dict[str, Any]) -> sections.Lines:
    is_plain = tagger.scheme_ == "none"
    wrong = "share of wrong words held out" if is_plain else "1 − F1 of sentences held out"
    count = len(record["networks"])
    return chapters.losses(
        record,
        title="Training",
        unit="loss, and share of errors",
        names=("loss, nats a sentence", wrong),
        log_y=True,
        note=f"Of {count} networks this is the first." if count > 1 else "",
    )


def _data(tagger: SequenceTagger, data: dict[str, Any]) -> sections.Facts:
    rows = [
        ("Sentences", f"{data['sentences']:,}"),
        ("Words", f"{data['words']:,}, {data['different_words']:,} different"),
        ("Longest sentence", f"{data['longest']:,} words"),
        ("Scheme", tagger.scheme_),
        ("Tags", ", ".join(tagger.classes_[:MOST_TAGS])),
        ("Held out to choose when to stop", f"{data['held_out']:,} sentences"),
        ("Fingerprint", data["fingerprint"]),
    ]
    note = ""
    if data["stray"]:
        note = (
            f"{data['stray']:,} tags continue an entity that has not begun; they were read as its "
            "beginning, as conlleval does."
        )
    return sections.Facts("Data", tuple(rows), note)


def _reproduction(tagger: SequenceTagger) -> sections.Facts:
    plan, record = tagger.fitted_.plan, tagger.fitted_.record
    network = (
        f"words {plan.word_width}, characters 2 × {plan.char_hidden}, n-grams {plan.gram_width}; "
        f"{plan.layers} × {plan.hidden} units in both directions; conditional random field"
    )
    count = len(record["networks"])
    return chapters.reproduction(
        tagger,
        record | {"parameters": count * record["parameters"]},
        ("Network", network),
        ("Networks that answer together", str(count)),
    )
