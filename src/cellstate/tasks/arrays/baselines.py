"""Simple rivals on the flattened values: what an LSTM has to beat to be worth its while."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cellstate.extras import require
from cellstate.tasks.arrays.encode import Encoder
from cellstate.tasks.arrays.reading import Sequences

PENALTIES = np.logspace(-3, 4, 15)
"""Ridge penalties to choose from by leaving one row out."""

Answers = np.ndarray
Rival = Callable[[np.ndarray, np.ndarray], Any]


def classifiers() -> dict[str, Rival]:
    """Name the rivals of a classifier; each is fitted on (rows, class indices)."""
    dummy = require("sklearn.dummy", extra="train")
    linear = require("sklearn.linear_model", extra="train")
    neighbors = require("sklearn.neighbors", extra="train")
    return {
        "majority class": lambda x, y: dummy.DummyClassifier(strategy="prior").fit(x, y),
        "logistic regression": lambda x, y: linear.LogisticRegression(max_iter=500).fit(x, y),
        "1-nearest neighbour": lambda x, y: neighbors.KNeighborsClassifier(1).fit(x, y),
    }


def regressors() -> dict[str, Rival]:
    """Name the rivals of a regressor; each is fitted on (rows, numbers)."""
    dummy = require("sklearn.dummy", extra="train")
    linear = require("sklearn.linear_model", extra="train")
    return {
        "mean": lambda x, y: dummy.DummyRegressor().fit(x, y),
        "ridge regression": lambda x, y: linear.RidgeCV(PENALTIES).fit(x, y),
    }


class Flattener:
    """Rows as vectors of one length: standardised, gaps bridged, cut or padded with the mean.

    Parameters
    ----------
    train : Sequences
        Rows that the scales and the length come from.
    """

    def __init__(self, train: Sequences) -> None:
        self._encoder = Encoder.of(train)
        self._steps = train.values.shape[1]

    def __call__(self, sequences: Sequences) -> np.ndarray:
        """Give (n, T · C) float64."""
        values = self._encoder.scaled(sequences).values[:, : self._steps]
        flat = np.zeros((len(values), self._steps, values.shape[2]))
        flat[:, : values.shape[1]] = values
        return flat.reshape(len(flat), -1)
