"""What is measured on answers that are classes or numbers, with definitions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Metric:
    """What a metric is.

    Attributes
    ----------
    definition : str
    best : str
        "min" or "max": which values are better; "" where neither is.
    form : str
        How a value is written, as `format` has it.
    signature : str
        What names the program and the settings that computed it, where these matter.
    """

    definition: str
    best: str
    form: str = ".4g"
    signature: str = ""


METRICS = {
    "accuracy": Metric("share of rows whose class is named correctly", "max"),
    "balanced accuracy": Metric("mean over the classes of the share named correctly", "max"),
    "log loss": Metric("mean of −log p(true class), nats, p no less than 1e-12", "min"),
    "macro F1": Metric("mean over the classes of F1 = 2 P R / (P + R)", "max"),
    "micro F1": Metric("F1 over all pairs of a row and a label", "max"),
    "exact match": Metric("share of rows whose labels are all right and none is missing", "max"),
    "label loss": Metric("mean over rows and labels of −log p(present or absent), nats", "min"),
    "ECE": Metric(
        "expected calibration error: mean gap between probability and share right, 15 equal bins",
        "min",
    ),
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


def score_labels(
    truth: np.ndarray, probabilities: np.ndarray, named: np.ndarray
) -> dict[str, float]:
    """Score rows of several labels each.

    Parameters
    ----------
    truth : np.ndarray
        (n, K) bool, which labels each row has.
    probabilities : np.ndarray
        (n, K) of each label.
    named : np.ndarray
        (n, K) bool, which labels were named.

    Examples
    --------
    >>> truth = np.array([[True, False], [True, True]])
    >>> scores = score_labels(truth, np.full((2, 2), 0.5), np.array([[True, False], [True, False]]))
    >>> scores["micro F1"], scores["exact match"], round(scores["label loss"], 4)
    (0.8, 0.5, 0.6931)
    """
    of_truth = np.clip(np.where(truth, probabilities, 1.0 - probabilities), FLOOR, None)
    hits = 2.0 * (truth & named).sum()
    all_named = (truth.sum() + named.sum()) or 1
    report = by_class([str(k) for k in range(truth.shape[1])], truth, named)
    return {
        "micro F1": float(hits / all_named),
        "macro F1": float(np.mean([values["F1"] for values in report.values()])),
        "exact match": float((truth == named).all(1).mean()),
        "label loss": float(np.abs(np.log(of_truth)).mean()),
        "ECE": calibration_error(truth.ravel(), probabilities.ravel()),
    }


def by_class(names: list[str], truth: np.ndarray, named: np.ndarray) -> dict[str, dict[str, float]]:
    """Give precision, recall, F1 and rows of each class; 0 where nothing was named or is there.

    Parameters
    ----------
    names : list of str
    truth, named : np.ndarray
        (n, K) bool

    Examples
    --------
    >>> eye = np.eye(2, dtype=bool)
    >>> by_class(["a", "b"], eye[[0, 0, 1]], eye[[0, 1, 1]])["a"]
    {'precision': 1.0, 'recall': 0.5, 'F1': 0.6666666666666666, 'rows': 2.0}
    """
    hits, there, said = (truth & named).sum(0), truth.sum(0), named.sum(0)
    return {
        name: {
            "precision": float(hits[k] / max(1, said[k])),
            "recall": float(hits[k] / max(1, there[k])),
            "F1": float(2 * hits[k] / max(1, there[k] + said[k])),
            "rows": float(there[k]),
        }
        for k, name in enumerate(names)
    }


CALIBRATION_BINS = 15


def calibration_error(right: np.ndarray, confidence: np.ndarray) -> float:
    """Measure how far probabilities are from the shares that they promise.

    Parameters
    ----------
    right : np.ndarray
        (n,) bool, whether what was said came true.
    confidence : np.ndarray
        (n,) the probability given to it.

    References
    ----------
    C. Guo et al., "On calibration of modern neural networks", ICML 2017.

    Examples
    --------
    >>> round(calibration_error(np.array([True, False]), np.array([0.8, 0.8])), 2)
    0.3
    """
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    promised = np.bincount(bins, confidence, CALIBRATION_BINS)
    observed = np.bincount(bins, right.astype(np.float64), CALIBRATION_BINS)
    return float(np.abs(promised - observed).sum() / max(1, len(right)))
