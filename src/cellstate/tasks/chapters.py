"""Sections that the stories of most jobs have: who won, the losses, how to reproduce the fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cellstate.tasks import sections
from cellstate.tasks.estimator import AbstractEstimator
from cellstate.tasks.evaluation import MOST_CLASSES, NAME, Evaluation


def verdict(evaluation: Evaluation) -> sections.Text:
    """Say who won."""
    tone = "good" if evaluation.winner == NAME else "warning"
    return sections.Text("Verdict", evaluation.verdict, tone=tone)


def comparison(evaluation: Evaluation) -> sections.Table:
    """Set the network and the baselines side by side, with what each metric is."""
    definitions = " ".join(f"{name}: {text}." for name, text in evaluation.definitions().items())
    return sections.Table(
        "Against the baselines",
        ("system", *evaluation.columns),
        tuple((name, *values.values()) for name, values in evaluation.rows.items()),
        best={name: best for name in evaluation.columns if (best := evaluation.metrics[name].best)},
        note=" ".join((*evaluation.notes, definitions)),
    )


def confusion(
    names: Sequence[str], truth: np.ndarray, named: np.ndarray, what: str
) -> list[sections.Section]:
    """Count what was taken for what, unless there are too many kinds for a picture.

    Parameters
    ----------
    names : sequence of str
        Of the K kinds.
    truth, named : np.ndarray
        (n,) their numbers.
    what : str
        Says what a kind is, such as "class".
    """
    if not 1 < len(names) <= MOST_CLASSES:
        return []
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(counts, (truth, named), 1)
    title = f"Which {what} was taken for which"
    both = tuple(names)
    return [sections.Matrix(title, both, both, counts, f"true {what}", f"named {what}")]


def losses(
    record: dict[str, Any],
    *,
    unit: str,
    title: str = "Loss",
    names: tuple[str, str] = ("training", "validation"),
    note: str = "",
    log_y: bool = False,
) -> sections.Lines:
    """Draw the losses of training and, where rows were held out, of validation over the steps."""
    history = record["history"]
    curves = {
        name: np.array([np.nan if row[key] is None else row[key] for row in history])
        for name, key in zip(names, ("train_loss", "valid_loss"), strict=True)
    }
    return sections.Lines(
        title,
        np.array([row["step"] for row in history], dtype=np.float64),
        {name: values for name, values in curves.items() if np.isfinite(values).any()},
        x_label="step",
        y_label=unit,
        log_y=log_y,
        marks=((float(record["best_step"]), "kept"),),
        note=f"Trained in {record['seconds']:.1f} s. {note}".rstrip(),
    )


def warnings(record: dict[str, Any]) -> list[sections.Text]:
    """Tell what happened in training that the user should know of."""
    return [
        sections.Text("During training", event["message"], tone="warning")
        for event in record["events"]
        if event["kind"] != "averaging"  # as was asked for
    ]


def reproduction(
    estimator: AbstractEstimator, record: dict[str, Any], *rows: tuple[str, str]
) -> sections.Facts:
    """Tell what leads to the same fit; `rows` are those of the job, such as its network."""
    return sections.Facts(
        "To reproduce",
        (
            ("Estimator", repr(estimator)),
            *rows,
            ("Parameters", f"{record['parameters']:,}"),
            ("Seed", str(record["seed"])),
            ("Device", f"{record['device']}, {record['precision']}"),
            ("Versions", ", ".join(f"{name} {v}" for name, v in record["versions"].items())),
        ),
    )
