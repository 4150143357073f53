"""What the networks and their rivals said of the same stays, scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.tasks.evaluation import NAME, Evaluation
from cellstate.tasks.health import baselines
from cellstate.tasks.health.bootstrap import bootstrap
from cellstate.tasks.health.hazard_baselines import hazard_rivals
from cellstate.tasks.health.metrics import METRICS as RISK_METRICS
from cellstate.tasks.health.metrics import RiskScorer, score_risks
from cellstate.tasks.health.outcome.targets import Target
from cellstate.tasks.health.survival_scores import METRICS as SURVIVAL_METRICS
from cellstate.tasks.health.survival_scores import score_survival
from cellstate.tasks.metrics import METRICS, Metric, score_classes, score_numbers

ALONE = f"{NAME} networks alone"
PREVALENCE = {
    "binary": "prevalence", "classes": "prevalence", "number": "mean", "time": "Kaplan–Meier",
}  # fmt: skip
DECIDED_BY = {"binary": "AUROC", "classes": "log loss", "number": "MAE", "time": "C-index"}
ALL_METRICS = METRICS | SURVIVAL_METRICS | RISK_METRICS


@dataclass(frozen=True)
class Rows:
    """Stays as rivals see them.

    Attributes
    ----------
    summary : np.ndarray
        (n, F), NaN where not known.
    truth : np.ndarray
        (n, 1) or (n, 2)
    subjects : np.ndarray
        (n,)
    """

    summary: np.ndarray
    truth: np.ndarray
    subjects: np.ndarray

    def take(self, mask: np.ndarray) -> Rows:
        """Pick rows."""
        return Rows(self.summary[mask], self.truth[mask], self.subjects[mask])


def rival_answers(target: Target, learn: Rows, test: Rows, seed: int) -> dict[str, np.ndarray]:
    """Fit each rival on some stays and let it answer for others, in the form of `Target.decode`."""
    learn = learn.take(~np.isnan(learn.truth[:, 0]))
    told = {PREVALENCE[target.kind]: constant(target, len(test.summary))}
    if target.kind == "time":
        times, events = learn.truth.T
        for name, fit in hazard_rivals(seed).items():
            fitted = fit(learn.summary, times, events, target.intervals)
            hazards = fitted.predict(test.summary)
            told[name] = np.cumprod(1.0 - hazards, axis=1)
        return told
    y = learn.truth[:, 0]
    is_number = target.kind == "number"
    rivals = baselines.regressors(seed) if is_number else baselines.classifiers(seed)
    for name, fit in rivals.items():
        fitted = fit(learn.summary, y if is_number else y.astype(np.int64), learn.subjects)
        if is_number:
            told[name] = baselines.numbers(fitted, test.summary)
            continue
        said = baselines.probabilities(fitted, test.summary, len(target.classes))
        told[name] = said[:, 1] if target.kind == "binary" else said
    return told


def constant(target: Target, count: int) -> np.ndarray:
    """Say the same of all stays."""
    prior = np.array(target.prior)
    return np.full(count, prior[0]) if len(prior) == 1 else np.tile(prior, (count, 1))


def compare(
    target: Target,
    truth: np.ndarray,
    said: dict[str, np.ndarray],
    subjects: np.ndarray,
    protocol: str,
    notes: list[str],
    groups: Mapping[str, np.ndarray],
) -> Evaluation:
    """Score all systems on the same stays; intervals are over patients.

    `groups` has the name of each stay's group for each kind, for the report.
    """
    known = ~np.isnan(truth[:, 0])
    rows = {name: score(target, truth[known], answers[known]) for name, answers in said.items()}
    notes = list(notes)
    if target.kind == "binary":
        found = bootstrap(RiskScorer.of(truth[known, 0], said[NAME][known]), subjects[known])
        shown = ", ".join(f"{name} {found[name]}" for name in ("AUROC", "AUPRC", "Brier"))
        notes.append(f"{NAME}, 95 % intervals over patients: {shown}.")
    return Evaluation(
        rows,
        DECIDED_BY[target.kind],
        protocol,
        tuple(notes),
        truth[known],
        said[NAME][known],
        inputs={kind: names[known] for kind, names in groups.items()},
        metrics=ALL_METRICS,
    )


def score(target: Target, truth: np.ndarray, said: np.ndarray) -> dict[str, float]:
    """Score what one system said."""
    if target.kind == "binary":
        return score_risks(truth[:, 0], said)
    if target.kind == "classes":
        return score_classes(truth[:, 0].astype(np.int64), said)
    if target.kind == "number":
        return score_numbers(truth[:, 0], said)
    return score_survival(truth[:, 0], truth[:, 1], said, np.array(target.grid))


def as_dict(evaluation: Evaluation) -> dict[str, Any]:
    """Give what a model's file keeps of an evaluation: scores, and no row."""
    return {
        "rows": evaluation.as_dict()["systems"],
        "decided_by": evaluation.decided_by,
        "protocol": evaluation.protocol,
        "notes": list(evaluation.notes),
    }


def from_dict(data: dict[str, Any], metrics: Mapping[str, Metric] = ALL_METRICS) -> Evaluation:
    """Read it back."""
    rows = {
        name: {metric: np.nan if v is None else float(v) for metric, v in values.items()}
        for name, values in data["rows"].items()
    }
    notes = tuple(data["notes"])
    return Evaluation(rows, data["decided_by"], data["protocol"], notes, metrics=metrics)
