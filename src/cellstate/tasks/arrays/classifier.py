"""Sequences into classes."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from cellstate.errors import InputError, explain
from cellstate.extras import require
from cellstate.tasks.arrays.baselines import classifiers
from cellstate.tasks.arrays.fitted import Fitted
from cellstate.tasks.arrays.metrics import score_classes
from cellstate.tasks.arrays.protocol import Job
from cellstate.tasks.arrays.sequence_estimator import AbstractSequenceEstimator

require("sklearn", extra="train")
from sklearn.base import ClassifierMixin  # noqa: E402, TID253  this file is imported on demand


class SequenceClassifier(ClassifierMixin, AbstractSequenceEstimator):
    """Name the class of each sequence.

    A scikit-learn classifier over arrays (n, time, channels), (n, time), or lists of arrays of
    different lengths; NaN is a missing value. With 200 rows or more, some are held out to choose
    when training stops.

    Parameters
    ----------
    size : {"small", "medium", "large"}
        Width and depth of the network.
    random_state : int, optional
        Seed; equal seeds give equal models. 0 when not given.
    train : TrainConfig, optional
        Settings of the training loop; what is left open is chosen from the data.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
        The classes, sorted.
    n_features_in_ : int
        Time steps of the training rows, where they are of one length.
    n_channels_ : int

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(60, 12))
    >>> y = np.where(np.arange(60) % 2, "up", "down")
    >>> X[1::2] += np.linspace(-2, 2, 12)
    >>> X[::2] -= np.linspace(-2, 2, 12)
    >>> model = SequenceClassifier(random_state=0).fit(X[:40], y[:40])
    >>> model.score(X[40:], y[40:]) > 0.9
    True
    """

    task: ClassVar[str] = "classify"
    reads: ClassVar[str] = "arrays"

    def predict(self, X: Any) -> np.ndarray:
        """Name the most probable class of each sequence: (n,)."""
        probabilities = self._probabilities("predict", X)
        return self.classes_[probabilities.argmax(1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Give each class its probability: (n, K) float64, columns as in `classes_`."""
        return self._probabilities("predict_proba", X)

    def _probabilities(self, method: str, X: Any) -> np.ndarray:
        sequences = self._read(method, X)
        return self.fitted_.probabilities(sequences)

    def _learn_targets(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        require("sklearn.utils.multiclass", extra="train").check_classification_targets(y)
        self.classes_, indices = np.unique(y, return_inverse=True)
        return indices.astype(np.int64), indices

    def _read_targets(self, method: str, y: Any) -> np.ndarray:
        y = require("sklearn.utils.validation", extra="train").column_or_1d(y)
        known = np.isin(y, self.classes_)
        if not known.all():
            must = f"classes must be among the {len(self.classes_)} that fit has seen"
            given = ", ".join(map(repr, np.unique(y[~known]).tolist()[:3]))
            where = f"{type(self).__name__}.{method}"
            raise InputError(explain(where, must, given, "Leave such rows out, or fit on them"))
        return np.searchsorted(self.classes_, y)

    def _job(self) -> Job:
        count = len(self.classes_)
        return Job(
            outputs=count,
            decode=Fitted.probabilities,
            train=self._train,
            score=score_classes,
            decided_by="accuracy",
            rivals=classifiers,
            predict=lambda rival, rows: _all_classes(rival, rows, count),
            is_grouped=True,
        )

    def _target_facts(self) -> dict[str, Any]:
        return {"classes": self.classes_.tolist(), "dtype": self.classes_.dtype.str}

    def _restore_targets(self, facts: dict[str, Any]) -> None:
        self.classes_ = np.array(facts["classes"], dtype=np.dtype(facts["dtype"]))


def _all_classes(rival: Any, rows: np.ndarray, count: int) -> np.ndarray:
    """Probabilities in columns of all classes, also those that a baseline has not seen."""
    probabilities = np.zeros((len(rows), count))
    probabilities[:, rival.classes_] = rival.predict_proba(rows)
    return probabilities
