"""What the classifier and the regressor of sequences share: reading, training, saving."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from cellstate.errors import InputError, NotFittedError, ShapeError, explain
from cellstate.extras import require
from cellstate.tasks.arguments import check_config
from cellstate.tasks.arrays import reading
from cellstate.tasks.arrays.encode import Encoder
from cellstate.tasks.arrays.fitted import Fitted, restored
from cellstate.tasks.arrays.fitting import Settings, fit_network, hold_out
from cellstate.tasks.arrays.protocol import Job, evaluate
from cellstate.tasks.arrays.reading import Sequences
from cellstate.tasks.arrays.reference import Reference
from cellstate.tasks.estimator import AbstractEstimator
from cellstate.tasks.evaluation import Evaluation
from cellstate.train.config import TrainConfig

require("sklearn", extra="train")
from sklearn.base import BaseEstimator  # noqa: E402, TID253  this file is imported on demand
from sklearn.exceptions import NotFittedError as SklearnNotFittedError  # noqa: E402, TID253

if TYPE_CHECKING:
    from cellstate.artifact import Manifest
    from cellstate.tasks.sections import Story

Parts = tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]


class UnfittedError(NotFittedError, SklearnNotFittedError):
    """A method that needs `fit` was called before it, for callers of either package."""


class AbstractSequenceEstimator(AbstractEstimator, BaseEstimator):
    """One answer for each sequence, by a network trained from scratch.

    A subclass says what its targets are (`_learn_targets`, `_job`, `_answers`) and keeps what it
    learned about them (`_target_facts`, `_restore_targets`).
    """

    def __init__(
        self,
        *,
        size: Literal["small", "medium", "large"] = "small",
        random_state: int | None = None,
        train: TrainConfig | None = None,
    ) -> None:
        self.size = size
        self.random_state = random_state
        self.train = train

    def fit(self, X: Any, y: Any) -> Self:
        """Train on sequences and their answers.

        Parameters
        ----------
        X : array of shape (n, time) or (n, time, channels), or list of arrays
            Sequences; a list may hold arrays (time,) or (time, channels) of different lengths.
            NaN is a missing value.
        y : array of shape (n,)
            Answers.

        Raises
        ------
        InputError
            An argument is out of range, or X or y cannot be used.
        TrainingError
            The loss stayed undefined.
        """
        settings = self._settings()
        sequences, y = self._read_training(X, y)
        targets, groups = self._learn_targets(y)
        rng = np.random.default_rng(settings.seed)
        held = hold_out(groups, rng)
        self.fitted_: Fitted = self._train(sequences, targets, held)
        self.reference_ = Reference.of(sequences, targets, held, rng)
        return self

    def evaluate(self, X: Any = None, y: Any = None) -> Evaluation:
        """Score answers against the truth, beside the baselines.

        Parameters
        ----------
        X, y : optional
            Rows that were not trained on. When not given, the rows that `fit` held out; where it
            had too few for that, three networks are trained, each on two thirds of the rows and
            scored on the rest.

        Returns
        -------
        Evaluation
            Shows itself as a table with definitions, protocol and winner.
        """
        self._require_fitted("evaluate")
        if (X is None) != (y is None):
            must = "X and y must be given together"
            do = "Give both, or neither for the rows that fit held out"
            given = "X alone" if y is None else "y alone"
            raise InputError(explain(f"{type(self).__name__}.evaluate", must, given, do))
        if X is None:
            return evaluate(self._job(), self.fitted_, self.reference_)
        test = self._read("evaluate", X), self._read_targets("evaluate", y)
        if len(test[0]) != len(test[1]):
            must = "X and y must have the same number of rows"
            given = f"{len(test[0])} and {len(test[1])}"
            where = f"{type(self).__name__}.evaluate"
            raise ShapeError(explain(where, must, given, "Check how they were split"))
        return evaluate(self._job(), self.fitted_, self.reference_, test)

    def story(self, X: Any = None, y: Any = None) -> Story:
        """Tell how the fit went, for the report; X and y are scored as by `evaluate`."""
        from cellstate.tasks.arrays.story import tell

        self._require_fitted("story")
        return tell(self, self.evaluate(X, y))

    @abstractmethod
    def _learn_targets(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Learn what the answers are; give the network's targets, and groups to split evenly."""

    @abstractmethod
    def _read_targets(self, method: str, y: Any) -> np.ndarray:
        """Check answers that were not trained on, and give them in the network's form."""

    @abstractmethod
    def _job(self) -> Job:
        """Say how answers are made, scored and rivalled."""

    @abstractmethod
    def _target_facts(self) -> dict[str, Any]:
        """Give what was learned about the answers, JSON-ready."""

    @abstractmethod
    def _restore_targets(self, facts: dict[str, Any]) -> None:
        """Take it back."""

    def _train(self, sequences: Sequences, targets: np.ndarray, held: np.ndarray) -> Fitted:
        outputs = self._job().outputs
        return fit_network(sequences, targets, held, outputs=outputs, settings=self._settings())

    def _settings(self) -> Settings:
        where = type(self).__name__
        return Settings(where, self.size, self._seed(), check_config(where, self.train))

    def _seed(self) -> int:
        given = self.random_state
        if isinstance(given, np.random.RandomState):
            return int(given.randint(2**31 - 1))
        if given is None:
            return 0
        if isinstance(given, (int, np.integer)) and not isinstance(given, bool) and given >= 0:
            return int(given)
        must = "random_state must be a whole number of at least 0, a RandomState or None"
        where = type(self).__name__
        raise InputError(explain(where, must, repr(given), "Give for example random_state=0"))

    def _read_training(self, X: Any, y: Any) -> tuple[Sequences, np.ndarray]:
        where = f"{type(self).__name__}.fit"
        self.is_ragged_ = reading.is_ragged(X)
        if self.is_ragged_:
            validation = require("sklearn.utils.validation", extra="train")
            y = validation.column_or_1d(y, warn=True)
            validation.check_consistent_length(X, y)
            sequences = reading.read_rows(where, X)
        else:
            X, y = reading.read_array(self, X, y, y_numeric=self.task == "regress")
            sequences = reading.of_array(where, X)
        self.n_channels_ = sequences.values.shape[2]
        return sequences, y

    def _read(self, method: str, X: Any) -> Sequences:
        """Read sequences to answer for."""
        self._require_fitted(method)
        where = f"{type(self).__name__}.{method}"
        if reading.is_ragged(X):
            if not self.is_ragged_:
                must = f"rows must all have the {self.n_features_in_} steps of the training rows"
                do = "Fit on rows of different lengths to predict such rows"
                raise ShapeError(explain(where, must, "rows of different lengths", do))
            sequences = reading.read_rows(where, X)
        elif self.is_ragged_:
            sequences = reading.of_array(where, reading.check_array(X))
        else:
            sequences = reading.of_array(where, reading.read_array(self, X, reset=False))
        if sequences.values.shape[2] != self.n_channels_:
            must = f"rows must have the {self.n_channels_} channels of the training rows"
            do = "Give the same channels in the same order"
            raise ShapeError(explain(where, must, str(sequences.values.shape[2]), do))
        return sequences

    def _is_fitted(self) -> bool:
        return hasattr(self, "fitted_")

    def __sklearn_is_fitted__(self) -> bool:
        return self._is_fitted()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        return tags

    def _require_fitted(self, method: str) -> None:
        try:
            super()._require_fitted(method)
        except NotFittedError as problem:
            raise UnfittedError(str(problem)) from None

    def _fitted_parts(self) -> Parts:
        names = getattr(self, "feature_names_in_", None)
        encoders = {
            "sequences": self.fitted_.encoder.as_dict(),
            "is_ragged": self.is_ragged_,
            "channels": self.n_channels_,
            "features": getattr(self, "n_features_in_", None),
            "feature_names": None if names is None else [str(name) for name in names],
            "reference_total": self.reference_.total,
        }
        tensors = self.fitted_.tensors() | self.reference_.tensors()
        network, record = self.fitted_.network(), self.fitted_.record
        return network, encoders, self._target_facts(), record, tensors

    def _restore(self, manifest: Manifest, tensors: dict[str, np.ndarray]) -> None:
        require("torch", extra="train")
        encoders = manifest.encoders
        self.is_ragged_ = bool(encoders["is_ragged"])
        self.n_channels_ = int(encoders["channels"])
        if encoders["features"] is not None:
            self.n_features_in_ = int(encoders["features"])
        if encoders["feature_names"] is not None:
            self.feature_names_in_ = np.array(encoders["feature_names"], dtype=object)
        self._restore_targets(manifest.decoding)
        encoder = Encoder.from_dict(encoders["sequences"])
        self.fitted_ = restored(manifest.network, encoder, tensors, manifest.record)
        self.reference_ = Reference.from_tensors(tensors, int(encoders["reference_total"]))
