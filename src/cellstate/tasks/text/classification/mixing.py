"""The linear model beside the networks, and how the answers of both become one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cellstate.tasks.calibration import TEMPERATURES, best_thresholds, sigmoid, softmax
from cellstate.tasks.metrics import FLOOR
from cellstate.tasks.text.classification.baseline import Baseline
from cellstate.tasks.text.classification.fitted import Fitted, Mix
from cellstate.tasks.text.classification.fitting import Rows

SHARES = (0.0, 0.25, 0.5, 1.0, 2.0)
"""Weights of the linear model to choose from."""


def fit_linear(rows: Rows, outputs: int, analyzer: str, seed: int) -> tuple[Baseline, np.ndarray]:
    """Fit a linear model, and let it answer for rows that it has not learned from.

    Returns
    -------
    baseline : Baseline
        Of the rows that are not held out by all networks.
    answers : np.ndarray
        (n, K) before the softmax, NaN for rows that no network left out.
    """

    def fit(learn: np.ndarray) -> Baseline:
        texts = [rows.texts[k] for k in np.flatnonzero(learn)]
        return Baseline.fit(texts, rows.targets[learn], outputs, analyzer, seed)

    baseline = fit(np.logical_not(np.all(rows.held, axis=0)))
    answers = np.full((len(rows.texts), outputs), np.nan)
    is_shared = bool((rows.held == rows.held[0]).all())
    for held in rows.held[:1] if is_shared else rows.held:
        if held.any():
            asked = [rows.texts[k] for k in np.flatnonzero(held)]
            answers[held] = (baseline if is_shared else fit(~held)).answers(asked)
    return baseline, answers


def mixed(
    fitted: Fitted, model: Baseline, said: np.ndarray, linear: np.ndarray, rows: Rows
) -> Fitted:
    """Choose the mix and the thresholds on rows that were left out of training.

    Parameters
    ----------
    fitted : Fitted
    model : Baseline
        The linear model.
    said, linear : np.ndarray
        (n, K) answers of the networks and of the linear model, NaN for rows that none left out.
    rows : Rows
    """
    left = rows.held.any(0)
    if not left.any():
        return replace(fitted, linear=model)
    mix = best_mix(said[left], linear[left], rows.targets[left])
    thresholds = fitted.thresholds
    if fitted.is_multi:
        probabilities = sigmoid(mix(said[left], linear[left]))
        thresholds = best_thresholds(rows.targets[left] > 0, probabilities)
    return replace(fitted, linear=model, mix=mix, thresholds=thresholds)


def best_mix(said: np.ndarray, linear: np.ndarray, targets: np.ndarray) -> Mix:
    """Find the mix whose probabilities fit best.

    Parameters
    ----------
    said, linear : np.ndarray
        (n, K), before the softmax.
    targets : np.ndarray
        (n,) class indices, or (n, K) with 1 for each label.

    Examples
    --------
    >>> wrong, right = np.zeros((4, 2)), np.array([[9.0, 0.0], [9, 0], [0, 9], [0, 9]])
    >>> best_mix(wrong, right, np.array([0, 0, 1, 1])).linear > 0
    True
    """
    mixes = [Mix(share, float(t)) for share in SHARES for t in TEMPERATURES]
    return min(mixes, key=lambda mix: _loss(mix(said, linear), targets))


def _loss(answers: np.ndarray, targets: np.ndarray) -> float:
    if targets.ndim == 2:
        p = sigmoid(answers)
        of_truth = np.where(targets > 0, p, 1.0 - p)
    else:
        of_truth = softmax(answers)[np.arange(len(targets)), targets]
    return float(-np.log(np.clip(of_truth, FLOOR, None)).mean())
