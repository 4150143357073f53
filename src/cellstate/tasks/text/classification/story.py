"""What a fitted text classifier has to show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cellstate.tasks import sections
from cellstate.tasks.evaluation import MOST_CLASSES, NAME, Evaluation
from cellstate.tasks.metrics import METRICS
from cellstate.tasks.text.classification.explaining import explain_texts, passages, telling_rows
from cellstate.tasks.text.classification.scoring import by_length

if TYPE_CHECKING:
    from cellstate.tasks.text.classifier import TextClassifier

BINS = 10
"""Of the picture of calibration."""
DEFINITION = (
    "Integrated gradients: what a word adds to the log odds of the label named, the share of the "
    "linear model included. Point at a word for its number."
)


def tell(
    estimator: TextClassifier, evaluation: Evaluation, texts: list[str] | None
) -> sections.Story:
    """Tell how the fit went: verdict, tables, confusion, errors, words, losses, facts."""
    fitted = estimator.fitted_
    record, data = fitted.record, fitted.record["data"]
    named = fitted.named(evaluation.answers)
    if texts is None:
        lengths = estimator.held_.lengths
        examples = list(estimator.held_.examples)
    else:
        lengths = fitted.encoder.encode(texts).lengths
        told = telling_rows(evaluation.truth, evaluation.answers, named)
        examples = [(texts[k], k) for k in told]
    shown: list[sections.Section] = [
        sections.Text(
            "Verdict", evaluation.verdict, "good" if evaluation.winner == NAME else "warning"
        ),
        _systems(evaluation),
        _classes(evaluation),
        *_confusion(estimator, evaluation),
        *_words(estimator, evaluation, named, examples),
        _lengths(evaluation, named, lengths),
        _calibration(evaluation),
        _losses(record),
        *(
            sections.Text("During training", event["message"], tone="warning")
            for event in record["events"]
        ),
        _data(data),
        _reproduction(estimator),
    ]
    return sections.Story(
        title="Labels of texts" if estimator.is_multi_label_ else "Classes of texts",
        summary=f"{data['rows']:,} texts, {len(estimator.classes_)} classes. {evaluation.protocol}",
        sections=tuple(shown),
    )


def _systems(evaluation: Evaluation) -> sections.Table:
    definitions = " ".join(f"{name}: {text}." for name, text in evaluation.definitions().items())
    return sections.Table(
        "Against the baselines",
        ("system", *evaluation.columns),
        tuple((name, *values.values()) for name, values in evaluation.rows.items()),
        best={name: METRICS[name].best for name in evaluation.columns},
        note=" ".join((*evaluation.notes, definitions)),
    )


def _classes(evaluation: Evaluation) -> sections.Table:
    rows = sorted(evaluation.by_class.items(), key=lambda item: item[1]["F1"])
    return sections.Table(
        "By class, the worst first",
        ("class", "precision", "recall", "F1", "rows"),
        tuple((name, *values.values()) for name, values in rows),
        note="Precision: share right of those named so. Recall: share found of those that are so.",
    )


def _confusion(estimator: TextClassifier, evaluation: Evaluation) -> list[sections.Section]:
    names = tuple(str(name) for name in estimator.classes_)
    if estimator.is_multi_label_ or len(names) > MOST_CLASSES:
        return []
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(counts, (evaluation.truth.argmax(1), evaluation.answers.argmax(1)), 1)
    title = "Which class was taken for which"
    return [sections.Matrix(title, names, names, counts, "true class", "named class")]


def _words(
    estimator: TextClassifier,
    evaluation: Evaluation,
    named: np.ndarray,
    examples: list[tuple[str, int]],
) -> list[sections.Section]:
    """Colour the words of the surest right and the surest wrong answers."""
    if not examples:
        return []
    rows = [row for _, row in examples]
    chosen = evaluation.answers[rows].argmax(1)
    explanations = explain_texts(
        estimator.fitted_, estimator.labels_, [text for text, _ in examples], chosen
    )
    names = estimator.labels_.names
    captions = []
    for row, label in zip(rows, chosen, strict=True):
        truth = ", ".join(str(names[k]) for k in np.flatnonzero(evaluation.truth[row])) or "none"
        verdict = "right" if (named[row] == evaluation.truth[row]).all() else "wrong"
        share = evaluation.answers[row, label]
        captions.append(f"{verdict}: {names[label]} with {share:.0%}; it is {truth}")
    passed = tuple(passages(explanations, captions))
    return [sections.Tokens("Which words decided, where it was surest", passed, DEFINITION)]


def _lengths(evaluation: Evaluation, named: np.ndarray, lengths: np.ndarray) -> sections.Table:
    right = (named == evaluation.truth).all(1)
    return sections.Table(
        "By length",
        ("tokens", "share right", "texts"),
        tuple(by_length(lengths, right)) if len(right) else (),
    )


def _calibration(evaluation: Evaluation) -> sections.Calibration:
    if evaluation.truth.sum(1).max(initial=0) == 1 and "accuracy" in evaluation.columns:
        confidence = evaluation.answers.max(1)
        right = evaluation.answers.argmax(1) == evaluation.truth.argmax(1)
    else:
        confidence, right = evaluation.answers.ravel(), evaluation.truth.ravel()
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    there = np.unique(bins)
    nominal = np.array([100 * confidence[bins == k].mean() for k in there])
    observed = np.array([100 * right[bins == k].mean() for k in there])
    note = "Nominal: the mean probability of answers of like probability; observed: share right."
    return sections.Calibration("Calibration", nominal, observed, note)


def _losses(record: dict[str, Any]) -> sections.Lines:
    history = record["history"]
    curves = {
        name: np.array([np.nan if row[key] is None else row[key] for row in history])
        for name, key in (("training", "train_loss"), ("validation", "valid_loss"))
    }
    return sections.Lines(
        "Loss of the first network",
        np.array([row["step"] for row in history], dtype=np.float64),
        {name: values for name, values in curves.items() if np.isfinite(values).any()},
        x_label="step",
        y_label="loss of a text",
        marks=((float(record["best_step"]), "kept"),),
        note=f"All networks were trained in {record['seconds']:.1f} s.",
    )


def _data(data: dict[str, Any]) -> sections.Facts:
    shortest, median, longest = data["lengths"]
    rows = (
        ("Texts", f"{data['rows']:,}"),
        ("Tokens", f"{data['tokens']:,}; a text has {shortest:,} – {longest:,}, half {median:,}"),
        ("Vocabulary", f"{data['vocabulary']:,}"),
        ("Empty texts", f"{data['empty']:,}"),
        ("Texts that were cut off", f"{data['cut']:,}"),
        ("Texts without labels", f"{data['unlabelled']:,}"),
        ("Held out", f"{data['held_out']:,}" if data["held_out"] else "a part by each network"),
        ("Fingerprint", data["fingerprint"]),
    )
    return sections.Facts("Data", rows)


def _reproduction(estimator: TextClassifier) -> sections.Facts:
    fitted, record = estimator.fitted_, estimator.fitted_.record
    plan, mix = fitted.plan, fitted.mix
    kind = "on a language model" if plan.is_pretrained else "in both directions"
    rows = (
        ("Estimator", repr(estimator)),
        ("Networks", f"{len(fitted.models)}, {plan.hidden} units {kind}, {plan.width} a word"),
        (
            "Linear model's weight",
            f"{mix.linear:g} (networks 1), temperature {mix.temperature:.2f}",
        ),
        ("Parameters", f"{record['parameters']:,}"),
        ("Seed", str(record["seed"])),
        ("Device", f"{record['device']}, {record['precision']}"),
        ("Versions", ", ".join(f"{name} {v}" for name, v in record["versions"].items())),
    )
    return sections.Facts("To reproduce", rows)
