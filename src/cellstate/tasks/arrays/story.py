"""What a fitted classifier or regressor has to show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cellstate.tasks import sections
from cellstate.tasks.evaluation import NAME, Evaluation
from cellstate.tasks.metrics import METRICS

if TYPE_CHECKING:
    from cellstate.tasks.arrays.sequence_estimator import AbstractSequenceEstimator

BINS = 31
MOST_CLASSES = 30
"""Classes beyond which a confusion matrix is no longer read."""


def tell(estimator: AbstractSequenceEstimator, evaluation: Evaluation) -> sections.Story:
    """Tell how the fit went: verdict, table, confusion or residuals, losses, facts."""
    data, record = estimator.fitted_.record["data"], estimator.fitted_.record
    is_classifier = evaluation.answers.ndim == 2
    won = evaluation.winner == NAME
    shown: list[sections.Section] = [
        sections.Text("Verdict", evaluation.verdict, tone="good" if won else "warning"),
        _table(evaluation),
        *(_confusion(estimator, evaluation) if is_classifier else [_residuals(evaluation)]),
        _losses(record),
        *(
            sections.Text("During training", event["message"], tone="warning")
            for event in record["events"]
        ),
        _data(data),
        _reproduction(estimator),
    ]
    kind = "Classes" if is_classifier else "Numbers"
    return sections.Story(
        title=f"{kind} from sequences",
        summary=f"{data['rows']:,} rows of {_steps(data)} steps. {evaluation.protocol}",
        sections=tuple(shown),
    )


def _table(evaluation: Evaluation) -> sections.Table:
    definitions = " ".join(f"{name}: {text}." for name, text in evaluation.definitions().items())
    return sections.Table(
        "Against the baselines",
        ("system", *evaluation.columns),
        tuple((name, *values.values()) for name, values in evaluation.rows.items()),
        best={name: METRICS[name].best for name in evaluation.columns},
        note=" ".join((*evaluation.notes, definitions)),
    )


def _confusion(estimator: Any, evaluation: Evaluation) -> list[sections.Section]:
    names = tuple(str(name) for name in estimator.classes_)
    if len(names) > MOST_CLASSES:
        return []
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(counts, (evaluation.truth, evaluation.answers.argmax(1)), 1)
    title = "Which class was taken for which"
    return [sections.Matrix(title, names, names, counts, "true class", "named class")]


def _residuals(evaluation: Evaluation) -> sections.Histogram:
    errors = evaluation.truth - evaluation.answers
    counts, edges = np.histogram(errors, BINS)
    note = f"Mean {errors.mean():.3g}."
    return sections.Histogram("Residuals", edges, counts, "truth − answer", note)


def _losses(record: dict[str, Any]) -> sections.Lines:
    history = record["history"]
    curves = {
        name: np.array([np.nan if row[key] is None else row[key] for row in history])
        for name, key in (("training", "train_loss"), ("validation", "valid_loss"))
    }
    return sections.Lines(
        "Loss",
        np.array([row["step"] for row in history], dtype=np.float64),
        {name: values for name, values in curves.items() if np.isfinite(values).any()},
        x_label="step",
        y_label="loss of a row",
        marks=((float(record["best_step"]), "kept"),),
        note=f"Trained in {record['seconds']:.1f} s.",
    )


def _data(data: dict[str, Any]) -> sections.Facts:
    rows = (
        ("Rows", f"{data['rows']:,}"),
        ("Time steps", _steps(data)),
        ("Channels", str(data["channels"])),
        ("Missing values", f"{data['missing']:,}"),
        ("Held out to choose when to stop", f"{data['held_out']:,} rows"),
        ("Fingerprint", data["fingerprint"]),
    )
    return sections.Facts("Data", rows)


def _reproduction(estimator: AbstractSequenceEstimator) -> sections.Facts:
    plan, record = estimator.fitted_.plan, estimator.fitted_.record
    network = (
        f"segments of {plan.window} steps every {plan.stride}, {plan.width} channels; "
        f"{plan.layers} × {plan.hidden} units in both directions"
    )
    rows = (
        ("Estimator", repr(estimator)),
        ("Network", network),
        ("Parameters", f"{record['parameters']:,}"),
        ("Seed", str(record["seed"])),
        ("Device", f"{record['device']}, {record['precision']}"),
        ("Versions", ", ".join(f"{name} {v}" for name, v in record["versions"].items())),
    )
    return sections.Facts("To reproduce", rows)


def _steps(data: dict[str, Any]) -> str:
    shortest, longest = data["steps"]
    return f"{longest:,}" if shortest == longest else f"{shortest:,} – {longest:,}"
