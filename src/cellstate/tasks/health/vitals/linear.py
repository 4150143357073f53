"""A linear model of what is known at each step: what the networks' answers are mixed with."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from cellstate.extras import require
from cellstate.tasks.health.outcome.mix import scaled
from cellstate.tasks.health.outcome.targets import Target
from cellstate.tasks.health.vitals.fitted import linear_answers

STRENGTHS = (0.0001, 0.0003, 0.001)
"""Inverse penalties to choose from, for standard units."""
LEAST_SPREAD = 0.01
"""Added to the standard deviation of a column, so that rare marks stay small."""
MOST_ROWS = 150_000
"""Steps that a model learns from; all with the outcome, and of the others as many as fit."""
MOST_ITERATIONS = 12
SOLVER = "newton-cholesky"  # steps are many, columns are few


def fit_linear(
    x: np.ndarray, truth: np.ndarray, parts: Sequence[np.ndarray], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Fit a model without each part in turn; give their mean and what each said of its part.

    Parameters
    ----------
    x : np.ndarray
        (N, F)
    truth : np.ndarray
        (N,) 0 or 1, NaN where it is not known.
    parts : sequence of np.ndarray
        (N,) bool each, steps that are left out together.
    rng : Generator

    Returns
    -------
    weights : np.ndarray
        (F + 1, 1) float64, the bias last.
    answers : np.ndarray
        (N, 1)
    """
    known = ~np.isnan(truth)
    best: tuple[float, np.ndarray, np.ndarray] | None = None
    for strength in STRENGTHS:
        weights: list[np.ndarray] = []
        said = np.zeros((len(x), 1))
        for held in parts:
            learn = _some(np.flatnonzero(known & ~held), truth, rng)
            weights.append(_fit(x[learn], truth[learn], strength))
            said[held] = linear_answers(weights[-1], x[held])
        loss, _, _ = scaled(Target("", "binary", (0, 1)), said[known], truth[known])
        if best is None or loss < best[0]:
            best = (loss, np.mean(weights, axis=0), said)
    assert best is not None, "there are penalties to choose from"
    return best[1], best[2]


def _fit(x: np.ndarray, y: np.ndarray, strength: float) -> np.ndarray:
    linear = require("sklearn.linear_model", extra="train")
    weights = np.zeros((x.shape[1] + 1, 1))
    if len(np.unique(y)) < 2:
        return weights
    mean, spread = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64) + LEAST_SPREAD
    model = linear.LogisticRegression(C=strength, max_iter=MOST_ITERATIONS, tol=1e-3, solver=SOLVER)
    with warnings.catch_warnings():
        # A few Newton steps are enough; what is left would not show.
        warnings.simplefilter("ignore")
        model.fit(((x - mean) / spread).astype(np.float32), y)
    weights[:-1, 0] = model.coef_[0] / spread
    weights[-1, 0] = model.intercept_[0] - mean @ weights[:-1, 0]
    return weights


def _some(rows: np.ndarray, truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Keep all rows, or the ones with the outcome and some of the others."""
    if len(rows) <= MOST_ROWS:
        return rows
    so = rows[truth[rows] > 0]
    others = rng.permutation(rows[truth[rows] == 0])[: max(1, MOST_ROWS - len(so))]
    return np.sort(np.concatenate([so, others]))
