"""What is measured on arrays, with definitions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Metric:
    """A definition, and which values are better."""

    definition: str
    best: str  # "min" or "max"


METRICS = {
    "accuracy": Metric("share of rows whose class is named correctly", "max"),
    "balanced accuracy": Metric("mean over the classes of the share named correctly", "max"),
    "log loss": Metric("mean of −log p(true class), nats, p no less than 1e-12", "min"),
    "RMSE": Metric("root of the mean squared error, in the target's unit", "min"),
    "MAE": Metric("mean absolute error, in the target's unit", "min"),
    "R²": Metric("1 − squared error / squared error of the truth's own mean", "max"),
}

FLOOR = 1e-12


def score_classes(truth: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Score class probabilities (n, K) against class indices (n,).

    Examples
    --------
    >>> scores = score_classes(np.array([0, 1]), np.array([[0.5, 0.5], [0.25, 0.75]]))
    >>> scores["accuracy"], round(scores["log loss"], 4)
    (1.0, 0.4904)
    """
    named = probabilities.argmax(1)
    of_truth = np.clip(probabilities[np.arange(len(truth)), truth], FLOOR, None)
    recalls = [float((named[truth == k] == k).mean()) for k in np.unique(truth)]
    return {
        "accuracy": float((named == truth).mean()),
        "balanced accuracy": float(np.mean(recalls)),
        "log loss": float(-np.log(of_truth).mean()),
    }


def score_numbers(truth: np.ndarray, answers: np.ndarray) -> dict[str, float]:
    """Score predictions (n,) against numbers (n,); R² is NaN where the truth is constant.

    Examples
    --------
    >>> score_numbers(np.array([0.0, 2.0]), np.array([0.0, 1.0]))["R²"]
    0.5
    """
    error = truth - answers
    spread = float(((truth - truth.mean()) ** 2).sum())
    return {
        "RMSE": float(np.sqrt((error**2).mean())),
        "MAE": float(np.abs(error).mean()),
        "R²": 1.0 - float((error**2).sum()) / spread if spread > 0 else float("nan"),
    }
