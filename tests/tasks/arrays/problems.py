"""Small data sets for the tests of arrays, and settings that train in a blink."""

from __future__ import annotations

import numpy as np

from cellstate.tasks.arrays.classifier import SequenceClassifier
from cellstate.tasks.arrays.regressor import SequenceRegressor
from cellstate.train import TrainConfig

BRIEF = TrainConfig(epochs=2, sanity=False)


def bumps(rows=60, steps=20, channels=1, seed=0):
    """Sequences of noise with a bump early or late: X, class names, place of the bump."""
    rng = np.random.default_rng(seed)
    late = np.arange(rows) % 2
    place = np.where(late, 0.75, 0.25) * steps + rng.uniform(-2, 2, rows)
    time = np.arange(steps)[None, :, None]
    X = 0.3 * rng.normal(size=(rows, steps, channels))
    X += 2 * np.exp(-((time - place[:, None, None]) ** 2) / 4)
    return X, np.array(["early", "late"])[late], place


def ragged(rows=40, channels=2, seed=0):
    """Bumps of different lengths as a list of arrays."""
    X, names, place = bumps(rows, 24, channels, seed)
    lengths = np.random.default_rng(seed).integers(12, 25, rows)
    lengths[0] = 24
    return [x[:length] for x, length in zip(X, lengths, strict=True)], names, place


ESTIMATORS = [SequenceClassifier, SequenceRegressor]


def target(estimator, names, place):
    """Pick what an estimator learns."""
    return names if estimator.task == "classify" else place


def answers(model, X):
    """Give all that a model says."""
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)
