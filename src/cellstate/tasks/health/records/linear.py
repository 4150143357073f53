"""Linear rivals on the bag of the codes so far and the features of the last visit."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from cellstate.extras import require
from cellstate.tasks.calibration import sigmoid
from cellstate.tasks.health.records.encoding import Encoded
from cellstate.tasks.metrics import FLOOR

LINEAR, RIDGE = "logistic regression", "ridge regression"
STRENGTHS = (0.01, 0.1, 1.0)
"""Inverse strengths of the penalty to choose from by cross-validation over patients."""
PENALTIES = np.logspace(-1, 4, 11)
FOLDS = 3
MOST_ROWS = 20_000
CERTAIN = 12.0
"""Log odds where all rows say the same."""


def bags(encoded: Encoded, visits: np.ndarray) -> Any:
    """Give each visit the codes so far, and its features: (n, N + F), sparse."""
    sparse = require("scipy.sparse", extra="train")
    features = sparse.csr_matrix(encoded.features[visits].astype(np.float64))
    return sparse.hstack([encoded.table(so_far=True)[visits], features]).tocsr()


def fit_many(x: Any, wanted: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Fit a logistic regression of each column: weights (F, K) and bias (K,), float64."""
    linear = require("sklearn.linear_model", extra="train")
    if x.shape[0] > MOST_ROWS:
        x, wanted = x[:MOST_ROWS], wanted[:MOST_ROWS]
    weights, bias = np.zeros((x.shape[1], wanted.shape[1])), np.zeros(wanted.shape[1])
    with _quiet():
        for k, column in enumerate(wanted.T > 0):
            if column.all() or not column.any():
                bias[k] = CERTAIN if column.all() else -CERTAIN
                continue
            # The intercept is penalised like the weights; on a column of tens it hardly is.
            model = linear.LogisticRegression(
                C=strength, solver="liblinear", intercept_scaling=10.0, random_state=0
            ).fit(x, column)
            weights[:, k], bias[k] = model.coef_[0], model.intercept_[0]
    return weights, bias


def fit_strength(x: Any, wanted: np.ndarray, owner: np.ndarray, seed: int) -> float:
    """Choose the penalty by the loss on patients that were left out."""
    patients = np.unique(owner)
    fold_of = dict(
        zip(
            np.random.default_rng(seed).permutation(patients).tolist(),
            (np.arange(len(patients)) % FOLDS).tolist(),
            strict=True,
        )
    )
    fold = np.array([fold_of[who] for who in owner.tolist()])
    losses = []
    for strength in STRENGTHS:
        total = 0.0
        for k in range(FOLDS):
            learn, check = fold != k, fold == k
            if not learn.any() or not check.any():
                continue
            weights, bias = fit_many(x[learn], wanted[learn], strength)
            said = sigmoid(x[check] @ weights + bias)
            right = np.where(wanted[check] > 0, said, 1.0 - said)
            total -= float(np.log(np.clip(right, FLOOR, None)).sum())
        losses.append(total)
    return STRENGTHS[int(np.argmin(losses))]


def fit_ridge(x: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit each column on the rows where it is known: weights (F, V) and bias (V,)."""
    linear = require("sklearn.linear_model", extra="train")
    weights, bias = np.zeros((x.shape[1], wanted.shape[1])), np.zeros(wanted.shape[1])
    with _quiet():
        for k, column in enumerate(wanted.T):
            there = np.isfinite(column)
            if there.sum() < 2:
                continue
            model = linear.RidgeCV(PENALTIES).fit(x[there], column[there])
            weights[:, k], bias[k] = model.coef_, model.intercept_
    return weights, bias


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to itself that a solution is near enough only: the user can do nothing about it."""
    with warnings.catch_warnings():
        exceptions = require("sklearn.exceptions", extra="train")
        warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
        yield
