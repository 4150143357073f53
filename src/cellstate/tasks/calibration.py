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
