"""Rivals on summary features: what an LSTM has to beat to be worth its while."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from cellstate.extras import require

LINEAR = "logistic regression"
RIDGE = "ridge regression"
TREES = "gradient boosting"
LIGHTGBM = "gradient boosting (LightGBM)"
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Inverse strengths of the penalty to choose from by cross-validation."""
PENALTIES = np.logspace(-1, 5, 13)
FOLDS = 5
MOST_ROWS = 20_000
"""Rows that the penalty is chosen on; more choose the same one, and take long."""
ROUNDS, RATE = 300, 0.05
FEW_ROWS = 10_000
"""Below it, trees have 15 leaves rather than 31."""

Rival = Callable[..., Any]
"""Fitted on rows (n, F), NaN where not known, answers (n,) and, if wanted, `groups` (n,)."""


def classifiers(seed: int = 0) -> dict[str, Rival]:
    """Name the rivals where the answer is an event or a class; classes are numbered from 0.

    A rival is fitted as ``rival(rows, classes, groups=None)``; rows of one group, such as a
    patient's hours, stay together where settings are chosen by cross-validation.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rows = rng.normal(size=(200, 3))
    >>> fitted = classifiers()["logistic regression"](rows, (rows[:, 0] > 0).astype(int))
    >>> answers = probabilities(fitted, rows, outputs=2)
    >>> answers.shape, bool((answers.argmax(1) == (rows[:, 0] > 0)).mean() > 0.9)
    ((200, 2), True)
    """
    name, boosted = _trees(is_classifier=True, seed=seed)
    return {LINEAR: lambda x, y, groups=None: _logistic(x, y, groups, seed), name: boosted}


def regressors(seed: int = 0) -> dict[str, Rival]:
    """Name the rivals where the answer is a number; fitted as those of `classifiers` are.

    Examples
    --------
    >>> sorted(regressors())[-1]
    'ridge regression'
    """
    name, boosted = _trees(is_classifier=False, seed=seed)
    return {RIDGE: _ridge, name: boosted}


def probabilities(fitted: Any, x: np.ndarray, outputs: int) -> np.ndarray:
    """Give (n, K) of all classes; those that no training row had get 0."""
    answers = np.zeros((len(x), outputs))
    with _quiet():
        answers[:, np.asarray(fitted.classes_, dtype=np.int64)] = fitted.predict_proba(x)
    return answers


def numbers(fitted: Any, x: np.ndarray) -> np.ndarray:
    """Give (n,) float64."""
    with _quiet():
        return np.asarray(fitted.predict(x), dtype=np.float64)


def _prepared(model: Any) -> Any:
    """Medians for what is missing, flags that say so, columns of one scale."""
    pipeline = require("sklearn.pipeline", extra="train")
    impute = require("sklearn.impute", extra="train")
    preprocessing = require("sklearn.preprocessing", extra="train")
    return pipeline.make_pipeline(
        impute.SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        preprocessing.StandardScaler(),
        model,
    )


def _logistic(x: np.ndarray, y: np.ndarray, groups: np.ndarray | None, seed: int) -> Any:
    if len(np.unique(y)) < 2:
        return require("sklearn.dummy", extra="train").DummyClassifier().fit(x, y)
    linear = require("sklearn.linear_model", extra="train")
    model = _prepared(linear.LogisticRegression(max_iter=500, tol=1e-3))
    strength = "logisticregression__C"
    with _quiet():
        losses = [
            _held_out_loss(model.set_params(**{strength: c}), x, y, groups, seed) for c in STRENGTHS
        ]
        return model.set_params(**{strength: STRENGTHS[int(np.argmin(losses))]}).fit(x, y)


def _held_out_loss(
    model: Any, x: np.ndarray, y: np.ndarray, groups: np.ndarray | None, seed: int
) -> float:
    """Sum −log p(truth) over folds of rows, or of groups of rows."""
    fold = _folds(y, groups, np.random.default_rng(seed))
    total = 0.0
    for k in range(FOLDS):
        learn, check = (fold >= 0) & (fold != k), fold == k
        if len(np.unique(y[learn])) < 2 or not check.any():
            continue
        said = probabilities(model.fit(x[learn], y[learn]), x[check], int(y.max()) + 1)
        total -= np.log(np.clip(said[np.arange(len(said)), y[check]], 1e-12, None)).sum()
    return float(total)


def _folds(y: np.ndarray, groups: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    """Number the fold of each row, classes shared out evenly; −1 for what is left out."""
    if groups is None:
        unit, of_unit = np.arange(len(y)), y
    else:
        unit = np.unique(groups, return_inverse=True)[1]
        of_unit = np.zeros(unit.max() + 1, dtype=y.dtype)
        np.maximum.at(of_unit, unit, y)
    order = rng.permutation(len(of_unit))
    order = order[: max(FOLDS, int(len(of_unit) * min(1.0, MOST_ROWS / len(y))))]
    order = order[np.argsort(of_unit[order], kind="stable")]
    fold = np.full(len(of_unit), -1, dtype=np.int64)
    fold[order] = np.arange(len(order)) % FOLDS
    return fold[unit]


def _ridge(x: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> Any:
    """Choose the penalty by leaving rows out, which needs no groups."""
    linear = require("sklearn.linear_model", extra="train")
    with _quiet():
        return _prepared(linear.RidgeCV(PENALTIES)).fit(x, y)


def _trees(*, is_classifier: bool, seed: int) -> tuple[str, Rival]:
    """Take LightGBM where it is installed, else scikit-learn's trees, both with usual settings."""
    has_lightgbm = importlib.util.find_spec("lightgbm") is not None

    def fit(x: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> Any:
        leaves = 15 if len(x) < FEW_ROWS else 31
        if is_classifier and len(np.unique(y)) < 2:
            return require("sklearn.dummy", extra="train").DummyClassifier().fit(x, y)
        if has_lightgbm:
            lightgbm = require("lightgbm", extra="baselines")
            kind = lightgbm.LGBMClassifier if is_classifier else lightgbm.LGBMRegressor
            model = kind(
                n_estimators=ROUNDS,
                learning_rate=RATE,
                num_leaves=leaves,
                min_child_samples=20,
                reg_lambda=1.0,
                subsample=0.8,
                subsample_freq=1,
                colsample_bytree=0.5,
                random_state=seed,
                deterministic=True,
                force_col_wise=True,
                verbose=-1,
            )
        else:
            ensemble = require("sklearn.ensemble", extra="train")
            kind = (
                ensemble.HistGradientBoostingClassifier
                if is_classifier
                else ensemble.HistGradientBoostingRegressor
            )
            model = kind(
                max_iter=ROUNDS,
                learning_rate=RATE,
                max_leaf_nodes=leaves,
                min_samples_leaf=20,
                l2_regularization=1.0,
                max_features=0.5,
                early_stopping=False,
                random_state=seed,
            )
        # A column that is never known teaches nothing, and is more than some binning can take.
        known = np.where(np.isnan(x).all(0), 0.0, x)
        with _quiet():
            return model.fit(known, y)

    return LIGHTGBM if has_lightgbm else TREES, fit


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to itself what the user can do nothing about: near solutions, names of columns."""
    with warnings.catch_warnings():
        exceptions = require("sklearn.exceptions", extra="train")
        warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
        warnings.filterwarnings("ignore", message=".*valid feature names.*")
        warnings.filterwarnings("ignore", message=".*without any observed values.*")
        warnings.filterwarnings("ignore", message=".*Degrees of freedom.*")
        yield
