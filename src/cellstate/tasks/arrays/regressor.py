"""Sequences into numbers."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from cellstate.extras import require
from cellstate.tasks.arrays.baselines import regressors
from cellstate.tasks.arrays.fitted import Fitted
from cellstate.tasks.arrays.metrics import score_numbers
from cellstate.tasks.arrays.protocol import Job
from cellstate.tasks.arrays.reading import Sequences
from cellstate.tasks.arrays.sequence_estimator import AbstractSequenceEstimator

require("sklearn", extra="train")
from sklearn.base import RegressorMixin  # noqa: E402, TID253  this file is imported on demand


class SequenceRegressor(RegressorMixin, AbstractSequenceEstimator):
    """Give a number for each sequence.

    A scikit-learn regressor over arrays (n, time, channels), (n, time), or lists of arrays of
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
    n_features_in_ : int
        Time steps of the training rows, where they are of one length.
    n_channels_ : int

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(90, 12))
    >>> y = 100 + 10 * X[:, 4:8].mean(1)
    >>> model = SequenceRegressor(random_state=0).fit(X[:60], y[:60])
    >>> model.score(X[60:], y[60:]) > 0.5
    True
    """

    task: ClassVar[str] = "regress"
    reads: ClassVar[str] = "arrays"

    def predict(self, X: Any) -> np.ndarray:
        """Give the expected number for each sequence: (n,) float64."""
        sequences = self._read("predict", X)
        return self._decode(self.fitted_, sequences)

    def _learn_targets(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        y = y.astype(np.float64)
        self.target_mean_, self.target_scale_ = float(y.mean()), float(y.std()) or 1.0
        return y, np.zeros(len(y))

    def _read_targets(self, method: str, y: Any) -> np.ndarray:
        validation = require("sklearn.utils.validation", extra="train")
        y = validation.column_or_1d(y, dtype=np.float64)
        return validation.check_array(y, ensure_2d=False)

    def _train(self, sequences: Sequences, targets: np.ndarray, held: np.ndarray) -> Fitted:
        standard = ((targets - self.target_mean_) / self.target_scale_).astype(np.float32)
        return super()._train(sequences, standard, held)

    def _decode(self, fitted: Fitted, sequences: Sequences) -> np.ndarray:
        return fitted.answers(sequences)[:, 0] * self.target_scale_ + self.target_mean_

    def _job(self) -> Job:
        return Job(
            outputs=1,
            decode=self._decode,
            train=self._train,
            score=score_numbers,
            decided_by="RMSE",
            rivals=regressors,
            predict=lambda rival, rows: rival.predict(rows),
            is_grouped=False,
        )

    def _target_facts(self) -> dict[str, Any]:
        return {"mean": self.target_mean_, "scale": self.target_scale_}

    def _restore_targets(self, facts: dict[str, Any]) -> None:
        self.target_mean_, self.target_scale_ = float(facts["mean"]), float(facts["scale"])
