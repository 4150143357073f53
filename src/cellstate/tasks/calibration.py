"""Probabilities that mean what they say, fitted to rows that were held out."""

from __future__ import annotations

import numpy as np

from cellstate.tasks.metrics import FLOOR

TEMPERATURES = np.geomspace(0.25, 2.0, 40)
"""Not lower: a hundred rows without an error do not show that errors never happen."""


def softmax(answers: np.ndarray) -> np.ndarray:
    """Turn answers (n, K) into probabilities.

    Examples
    --------
    >>> softmax(np.array([[0.0, np.log(3.0)]])).round(6).tolist()
    [[0.25, 0.75]]
    """
    odds = np.exp(answers - answers.max(1, keepdims=True))
    return odds / odds.sum(1, keepdims=True)


def best_temperature(answers: np.ndarray, truth: np.ndarray) -> float:
    """Find what to divide answers by so that the probabilities fit rows that were held out.

    Training with smoothed labels leaves probabilities too close to even.

    Parameters
    ----------
    answers : np.ndarray
        (n, K), before the softmax.
    truth : np.ndarray
        (n,) class indices.

    References
    ----------
    C. Guo et al., "On calibration of modern neural networks", ICML 2017.
    """
    rows = np.arange(len(truth))
    losses = [
        -np.log(np.clip(softmax(answers / t)[rows, truth], FLOOR, None)).mean()
        for t in TEMPERATURES
    ]
    return float(TEMPERATURES[int(np.argmin(losses))])


def sigmoid(values: np.ndarray) -> np.ndarray:
    """Turn log odds into probabilities.

    Examples
    --------
    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    odds = np.exp(-np.abs(values))
    return np.where(values >= 0, 1.0, odds) / (1.0 + odds)


def best_thresholds(truth: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Choose from which probability each label is named, for the highest F1 of the label.

    Labels with fewer than 5 rows share the threshold that is best for all labels together: on so
    few, the best one is luck.

    Parameters
    ----------
    truth : np.ndarray
        (n, K) bool
    probabilities : np.ndarray
        (n, K)

    Examples
    --------
    >>> truth = np.array([[1], [1], [1], [1], [1], [0]], dtype=bool)
    >>> best_thresholds(truth, np.array([[0.4], [0.3], [0.6], [0.5], [0.3], [0.2]])).round(2)
    array([0.25])
    """
    grid = np.arange(0.05, 0.96, 0.05)
    named = probabilities[..., None] >= grid  # (n, K, grid)
    hits = (named & truth[..., None]).sum(0)
    sizes = named.sum(0) + truth.sum(0)[:, None]
    # Of thresholds that are equally good, the one nearest to the middle of them.
    scores = 2 * hits / np.maximum(1, sizes)
    shared = _middle(2 * hits.sum(0) / np.maximum(1, sizes.sum(0)))
    chosen = [
        _middle(of_label) if count >= 5 else shared
        for of_label, count in zip(scores, truth.sum(0), strict=True)
    ]
    return grid[chosen]


def _middle(scores: np.ndarray) -> int:
    best = np.flatnonzero(scores >= scores.max() - 1e-12)
    return int(best[(len(best) - 1) // 2])
