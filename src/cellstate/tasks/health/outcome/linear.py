"""Linear models of a stay's summary: what the networks' answers are mixed with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cellstate.extras import require
from cellstate.tasks.health.outcome.targets import Target

STRENGTHS = (0.0005, 0.001, 0.002)
"""Inverse penalties to choose from, for standard units."""


def fit_linear(
    target: Target, x: np.ndarray, truth: np.ndarray, folds: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Fit a linear model for one outcome.

    Parameters
    ----------
    target : Target
        Not a time.
    x : np.ndarray
        (n, F) in standard units.
    truth : np.ndarray
        (n, 1)
    folds : sequence of np.ndarray
        (n,) bool each, rows that are left out together.

    Returns
    -------
    weights : np.ndarray
        (F + 1, outputs) float64; the last row is the bias.
    held_answers : np.ndarray
        (n, outputs), each row's by what was learned without it.
    """
    known = ~np.isnan(truth[:, 0])
    y = truth[:, 0]
    best: tuple[float, float, np.ndarray] | None = None
    for strength in STRENGTHS:
        said = np.zeros((len(x), target.outputs))
        for held in folds:
            learn = known & ~held
            said[held] = _answers(x[held], _fit(target, x[learn], y[learn], strength))
        worth = _loss(target, said[known], y[known])
        if best is None or worth < best[0]:
            best = (worth, strength, said)
    assert best is not None, "there are penalties to choose from"
    return _fit(target, x[known], y[known], best[1]), best[2]


def _answers(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return x @ weights[:-1] + weights[-1]


def _fit(target: Target, x: np.ndarray, y: np.ndarray, strength: float) -> np.ndarray:
    linear = require("sklearn.linear_model", extra="train")
    if target.kind == "number":
        standard = (y - target.mean) / target.scale
        model = linear.Ridge(alpha=1.0 / strength).fit(x, standard)
        return np.append(model.coef_, model.intercept_)[:, None]
    weights = np.zeros((x.shape[1] + 1, target.outputs))
    present = np.unique(y).astype(np.int64)
    if len(present) < 2:
        return weights
    model = linear.LogisticRegression(C=strength, max_iter=60, tol=1e-3).fit(x, y)
    table = np.concatenate([model.coef_, model.intercept_[:, None]], axis=1).T
    if target.kind == "binary":
        return table
    if len(present) == 2:
        table = np.concatenate([-table / 2, table / 2], axis=1)
    weights[-1] = -10.0  # of a class that these rows do not have
    weights[:, present] = table
    return weights


def _loss(target: Target, said: np.ndarray, y: np.ndarray) -> float:
    if target.kind == "number":
        return float(((said[:, 0] - (y - target.mean) / target.scale) ** 2).mean())
    if target.kind == "binary":
        return float(np.logaddexp(0.0, np.where(y > 0, -said[:, 0], said[:, 0])).mean())
    shifted = said - said.max(axis=1, keepdims=True)
    of_truth = shifted[np.arange(len(y)), y.astype(np.int64)]
    return float((np.log(np.exp(shifted).sum(axis=1)) - of_truth).mean())
