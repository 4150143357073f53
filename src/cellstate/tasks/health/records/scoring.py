"""Scores of the networks and of the baselines, with intervals over patients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cellstate.tasks.evaluation import NAME, Evaluation
from cellstate.tasks.health.bootstrap import bootstrap, paired_difference
from cellstate.tasks.health.metrics import METRICS as RISKS
from cellstate.tasks.health.metrics import RiskScorer
from cellstate.tasks.health.ranking import Ranking
from cellstate.tasks.metrics import FLOOR, METRICS, Metric

RECALL, PRECISION, AREA = "recall@10", "precision@10", "micro AUROC"
SCALED_ERROR, COVERAGE, WIDTH = "scaled MAE", "coverage", "scaled width"
RESAMPLES = 500

OURS = {
    RECALL: Metric("share of a next visit's known codes among the 10 most probable, mean", "max"),
    "recall@20": Metric("the same among the 20 most probable", "max"),
    PRECISION: Metric("share of the 10 most probable codes that the next visit has, mean", "max"),
    AREA: Metric("AUROC over all pairs of a visit and a code", "max"),
    "label loss": METRICS["label loss"],
    SCALED_ERROR: Metric(
        "mean absolute error in deviations of each variable, mean over the variables", "min"
    ),
    COVERAGE: Metric("share of values within their interval", ""),
    WIDTH: Metric("mean width of the intervals, in deviations of each variable", "min"),
}
ALL_METRICS = METRICS | RISKS | OURS
DECIDED_BY = {"codes": RECALL, "risk": "AUROC", "values": SCALED_ERROR}
FEW_CODES = 30
"""Codes below which ten of them say little, and the loss decides."""


def compare(
    kind: str,
    truth: np.ndarray,
    answers: dict[str, Any],
    patients: np.ndarray,
    *,
    protocol: str,
    notes: tuple[str, ...] = (),
    by_code: tuple[str, ...] = (),
) -> Evaluation:
    """Score answers by system.

    Parameters
    ----------
    kind : str
    truth : np.ndarray
        (n, K): codes and risks 1.0 or 0.0; values in deviations, NaN where there is none.
    answers : dict of str to ndarray
        System -> (n, K) probabilities or values; of the network, values have (n, V, 3).
    patients : np.ndarray
        (n,) whom each row is of, by number.
    protocol : str
    notes : tuple of str
    by_code : tuple of str
        Names of the codes, for a report by code.
    """
    scorers = {name: _scorer(kind, truth, said) for name, said in answers.items()}
    rows = {name: score(np.ones(len(truth))) for name, score in scorers.items()}
    columns = list(rows[NAME])
    rows = {
        name: {column: scores.get(column, float("nan")) for column in columns}
        for name, scores in rows.items()
    }
    decided_by = DECIDED_BY[kind]
    if kind == "codes" and truth.shape[1] < FEW_CODES:
        decided_by = "label loss"
    evaluation = Evaluation(rows, decided_by, protocol, notes, metrics=ALL_METRICS)
    found = _interval_note(scorers, evaluation, patients)
    report = _by_code(by_code, truth, answers[NAME]) if kind == "codes" and by_code else {}
    return Evaluation(
        rows, decided_by, protocol, (*found, *notes), by_class=report, metrics=ALL_METRICS
    )


def _interval_note(
    scorers: dict[str, Any], evaluation: Evaluation, patients: np.ndarray
) -> tuple[str, ...]:
    """Say how sure the deciding score and its lead are, over patients."""
    if len(np.unique(patients)) < 2:
        return ()
    name = evaluation.decided_by
    sign = 1.0 if evaluation.metrics[name].best == "max" else -1.0
    best = max(
        (system for system in scorers if system != NAME),
        key=lambda system: sign * evaluation.metric(name, system),
    )
    ours = bootstrap(_only(scorers[NAME], name), patients, resamples=RESAMPLES)[name]
    lead = paired_difference(
        _only(scorers[NAME], name), _only(scorers[best], name), patients, resamples=RESAMPLES
    )[name]
    return (
        f"{NAME}'s {name}: {ours}; minus that of {best}: {lead}. Intervals of 95 % over patients.",
    )


def _only(scorer: Any, name: str) -> Callable[[np.ndarray], dict[str, float]]:
    """Score one metric alone: the others take long and are not asked for."""
    if isinstance(scorer, RowScorer):
        return RowScorer({name: scorer.rows[name]}, None)
    return lambda weights: {name: scorer(weights)[name]}


def _scorer(kind: str, truth: np.ndarray, said: np.ndarray) -> Any:
    if kind == "risk":
        return RiskScorer.of(truth[:, 0], said[:, 0])
    if kind == "codes":
        pooled = Ranking.of(truth.ravel() > 0, said.ravel())
        return RowScorer(codes_by_row(truth > 0, said), pooled)
    return RowScorer(values_by_row(truth, said), None)


class RowScorer:
    """Scores that are means over rows; NaN where a row says nothing of a metric.

    Parameters
    ----------
    rows : dict of str to ndarray
        Metric -> (n,)
    pooled : Ranking, optional
        Of all pairs of a row and a code, for the AUROC over them.
    """

    def __init__(self, rows: dict[str, np.ndarray], pooled: Ranking | None) -> None:
        self.rows, self._pooled = rows, pooled

    def __call__(self, weights: np.ndarray) -> dict[str, float]:
        """Score all rows, each as often as its weight (n,) says."""
        found = {}
        for name, values in self.rows.items():
            there = np.isfinite(values)
            total = weights[there].sum()
            found[name] = float(weights[there] @ values[there] / total) if total else float("nan")
        if self._pooled is not None:
            codes = len(self._pooled.order) // max(1, len(weights))
            found[AREA] = self._pooled.found(np.repeat(weights, codes)).auroc()
            found["label loss"] = found.pop("label loss")  # in the order of the table
        return found


def codes_by_row(truth: np.ndarray, said: np.ndarray) -> dict[str, np.ndarray]:
    """Score each visit's codes (n, K).

    Examples
    --------
    >>> truth = np.array([[True, False, True], [False, False, False]])
    >>> scores = codes_by_row(truth, np.array([[0.9, 0.2, 0.1], [0.5, 0.5, 0.5]]))
    >>> scores["recall@10"].tolist()  # nothing was to be found in the second
    [1.0, nan]
    """
    order = np.argsort(-said, axis=1, kind="stable")
    hits = np.cumsum(np.take_along_axis(truth, order, axis=1), axis=1)
    count = truth.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        recalls = {
            k: np.where(count > 0, hits[:, min(k, hits.shape[1]) - 1] / count, np.nan)
            for k in (10, 20)
        }
    of_truth = np.clip(np.where(truth, said, 1.0 - said), FLOOR, None)
    return {
        RECALL: recalls[10],
        "recall@20": recalls[20],
        PRECISION: hits[:, min(10, hits.shape[1]) - 1] / 10.0,
        "label loss": -np.log(of_truth).mean(1),
    }


def values_by_row(truth: np.ndarray, said: np.ndarray) -> dict[str, np.ndarray]:
    """Score each visit's values (n, V), in deviations; the coverage where there are intervals."""
    there = np.isfinite(truth)
    count = there.sum(1)

    def mean(values: np.ndarray) -> np.ndarray:
        total = np.where(there, values, 0.0).sum(1)
        return np.where(count > 0, total / np.maximum(1, count), np.nan)

    middle = said[..., 1] if said.ndim == 3 else said
    found = {SCALED_ERROR: mean(np.abs(np.nan_to_num(truth) - middle))}
    if said.ndim == 3:
        with np.errstate(invalid="ignore"):
            inside = (truth >= said[..., 0]) & (truth <= said[..., 2])
        found[COVERAGE] = mean(inside.astype(np.float64))
        found[WIDTH] = mean(said[..., 2] - said[..., 0])
    return found


MOST_SHOWN, FEWEST_ROWS = 15, 5


def _by_code(
    names: tuple[str, ...], truth: np.ndarray, said: np.ndarray
) -> dict[str, dict[str, float]]:
    """Report the most frequent codes; none that so few visits have that it might name them."""
    counts = (truth > 0).sum(0)
    order = np.argsort(-counts, kind="stable")[:MOST_SHOWN]
    return {
        names[k]: {
            "visits": float(counts[k]),
            "mean probability": float(said[:, k].mean()),
            "AUROC": Ranking.of(truth[:, k] > 0, said[:, k]).found().auroc(),
        }
        for k in order
        if FEWEST_ROWS <= counts[k] < len(truth)
    }
