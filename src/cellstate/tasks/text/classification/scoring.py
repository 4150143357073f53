"""Scores of the networks and of the baselines, and where errors lie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cellstate.tasks.evaluation import NAME, Evaluation
from cellstate.tasks.metrics import by_class, calibration_error, score_classes, score_labels
from cellstate.tasks.text.classification.baseline import LINEAR, LINEAR_PIECES, MAJORITY, Baseline
from cellstate.tasks.text.classification.fitted import Fitted
from cellstate.tasks.text.classification.labels import Labels

LENGTH_BINS = 5
ALONE = "LSTM without the linear model"


def score(truth: np.ndarray, probabilities: np.ndarray, named: np.ndarray) -> dict[str, float]:
    """Score rows of one class each: truth (n, K) bool, with one True in a row."""
    classes = truth.argmax(1)
    scores = score_classes(classes, probabilities)
    report = by_class([str(k) for k in range(truth.shape[1])], truth, named)
    confidence = probabilities.max(1)
    return {
        "accuracy": scores["accuracy"],
        "macro F1": float(np.mean([v["F1"] for v in report.values() if v["rows"]])),
        "log loss": scores["log loss"],
        "ECE": calibration_error(probabilities.argmax(1) == classes, confidence),
    }


def compare(
    fitted: Fitted,
    labels: Labels,
    baseline: Baseline,
    truth: np.ndarray,
    answers: dict[str, np.ndarray],
    *,
    protocol: str,
    notes: tuple[str, ...] = (),
) -> Evaluation:
    """Score answers by system, (n, K) probabilities each, against the truth (n, K) bool."""
    rows: dict[str, dict[str, float]] = {}
    said = dict.fromkeys(answers, np.zeros(0, dtype=bool))
    for system, probabilities in answers.items():
        if not labels.is_multi:
            named = np.eye(truth.shape[1], dtype=bool)[probabilities.argmax(1)]
            rows[system] = score(truth, probabilities, named)
        else:
            ours = fitted.thresholds
            thresholds = {NAME: ours, ALONE: ours, LINEAR: baseline.thresholds}
            if fitted.linear is not None:
                thresholds[LINEAR_PIECES] = fitted.linear.thresholds
            named = probabilities >= thresholds.get(system, np.full(truth.shape[1], 0.5))
            rows[system] = score_labels(truth, probabilities, named)
        said[system] = named
    decided_by = "micro F1" if labels.is_multi else "accuracy"
    if ALONE in rows:
        mixed = f"{NAME} is the networks mixed with a linear model of pieces; by themselves the"
        notes += (f"{mixed} networks have {decided_by} {rows[ALONE][decided_by]:.4g}.",)
    return Evaluation(
        rows,
        decided_by,
        protocol,
        notes,
        truth,
        answers[NAME],
        by_class([str(name) for name in labels.names], truth, said[NAME]),
    )


def probabilities_of(
    fitted: Fitted,
    baseline: Baseline,
    networks: np.ndarray,
    linear: np.ndarray,
    baselines: np.ndarray,
) -> dict[str, np.ndarray]:
    """Give the probabilities of every system: (n, K), from answers before the softmax.

    Parameters
    ----------
    fitted : Fitted
    baseline : Baseline
    networks, linear, baselines : np.ndarray
        (n, K) answers of the networks, of the linear model mixed with them, and of the baseline.
    """
    whole = {NAME: fitted.from_answers(networks, linear)}
    if fitted.mix.linear > 0:
        alone = replace(fitted, mix=replace(fitted.mix, linear=0.0))
        whole[ALONE] = alone.from_answers(networks, linear)
    if fitted.linear is not None and fitted.linear.analyzer == "pieces":
        whole[LINEAR_PIECES] = fitted.linear.from_answers(linear)
    whole[LINEAR] = baseline.from_answers(baselines)
    return whole | {MAJORITY: np.tile(baseline.prior, (len(networks), 1))}


def by_length(lengths: np.ndarray, right: np.ndarray) -> list[tuple[str, float, int]]:
    """Give the share of right answers for texts of like length: words, share, rows.

    Examples
    --------
    >>> by_length(np.array([1, 2, 8, 9]), np.array([True, True, False, True]))[0]
    ('1 – 2', 1.0, 2)
    """
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, LENGTH_BINS + 1)).astype(int))
    starts = edges[:-1] if len(edges) > 1 else edges
    bins = np.searchsorted(starts, lengths, side="right") - 1
    found = []
    for k in range(len(starts)):
        rows = bins == k
        if rows.any():
            low, high = int(lengths[rows].min()), int(lengths[rows].max())
            words = str(low) if low == high else f"{low} – {high}"
            found.append((words, float(right[rows].mean()), int(rows.sum())))
    return found
