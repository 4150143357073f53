"""Two small jobs that learn in no time: what the commands are tested with."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from cellstate.errors import InputError
from cellstate.tasks.estimator import AbstractEstimator
from cellstate.tasks.sections import Facts, Story, Table


@dataclass(frozen=True)
class Columns:
    """Column names.

    Parameters
    ----------
    time : str
        Time stamps.
    target : str
        The value to forecast.
    past, static : tuple of str
        Covariates.
    """

    time: str = "ds"
    target: str = "y"
    past: tuple[str, ...] = ()
    static: tuple[str, ...] = ()


@dataclass(frozen=True)
class Training:
    """Settings of one training.

    Parameters
    ----------
    max_epochs : int, optional
        Passes over the data.
    schedule : {"cosine", "constant"}, optional
        How the rate moves.
    progress : bool, optional
        Whether to show a bar.
    """

    max_epochs: int | None = None
    schedule: str | None = None
    progress: bool | None = None


@dataclass
class Evaluation:
    scores: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        return {"scores": self.scores}

    def __str__(self) -> str:
        return "\n".join(f"{name}: {score:g}" for name, score in self.scores.items())


class FakeForecaster(AbstractEstimator):
    """Forecast the last `value`.

    And more that the list of jobs has no room for.

    Parameters
    ----------
    horizon : int
        Steps to forecast, at least 1.
    decoder : {"direct", "recursive"}
        How the horizon is decoded.
    context : int, optional
        Steps that the network sees.
    levels : tuple of int
        Intervals, in per cent.
    calibrate : bool
        Whether to calibrate the intervals.
    scale : {"auto"} or float
        What to multiply with.
    columns : Columns
        The columns' names.
    train : Training, optional
        How to train.
    """

    task = "forecast"
    reads = "frame"

    def __init__(
        self,
        horizon: int,
        *,
        decoder: str = "direct",
        context: int | None = None,
        levels: tuple[int, ...] = (80, 95),
        calibrate: bool = False,
        scale: Literal["auto"] | float = "auto",
        columns: Columns = Columns(),
        train: Training | None = None,
    ) -> None:
        self.horizon = horizon
        self.decoder = decoder
        self.context = context
        self.levels = levels
        self.calibrate = calibrate
        self.scale = scale
        self.columns = columns
        self.train = train

    def fit(self, frame: Any, *, validation: int | None = None) -> FakeForecaster:
        """Train.

        Parameters
        ----------
        frame : DataFrame
            The series.
        validation : int, optional
            Periods that are not trained on.
        """
        if self.horizon < 1:
            raise InputError("Forecaster: horizon must be at least 1; got 0. Give 1 or more.")
        if self.decoder == "bug":
            raise ZeroDivisionError("a bug of ours")
        if self.decoder == "interrupt":
            raise KeyboardInterrupt
        self.last_ = float(frame[self.columns.target][-1])
        self.rows_ = len(frame) - (validation or 0)
        return self

    def predict(self, frame: Any = None, future: Any = None) -> Any:
        import polars as pl

        last = self.last_ if frame is None else float(frame[self.columns.target][-1])
        added = 0.0 if future is None else float(len(future))
        steps = range(1, self.horizon + 1)
        return pl.DataFrame({"ds": steps, "LSTM": [last + added] * self.horizon})

    def evaluate(self, frame: Any = None) -> Evaluation:
        return Evaluation({"rows": 0.0 if frame is None else len(frame), "none": float("nan")})

    def backtest(self, frame: Any, *, windows: int = 1, refit: bool = False) -> Any:
        """Score forecasts from the past.

        Parameters
        ----------
        frame : DataFrame
            The past.
        windows : int
            How many points in the past.
        refit : bool
            Whether to fit anew at each.
        """
        import polars as pl

        return pl.DataFrame({"windows": [windows], "refit": [refit]})

    def story(self, frame: Any = None) -> Story:
        rows = (("LSTM", 0.5), ("naive [last]", 0.7))
        table = Table("Baselines", ("model", "MASE"), rows, {"MASE": "min"})
        facts = Facts("Data", (("rows", str(self.rows_)),))
        return Story("A forecast", "The LSTM won [of course].", (table, facts))

    def _fitted_parts(self) -> Any:
        settings = dataclasses.asdict(self.train) if self.train else {}
        record = {"rows": self.rows_, "train": settings}
        return {}, {}, {}, record, {"last": np.array(self.last_)}

    def _restore(self, manifest: Any, tensors: Any) -> None:
        self.last_ = float(tensors["last"])
        self.rows_ = manifest.record["rows"]

    def _is_fitted(self) -> bool:
        return hasattr(self, "last_")


class FakeClassifier(AbstractEstimator):
    """Classify sequences by their mean.

    Parameters
    ----------
    size : {"small", "large"}
        How large.
    random_state : int, optional
        Seed.
    """

    task = "classify"
    reads = "arrays"

    def __init__(
        self, *, size: str = "small", random_state: int | np.random.Generator | None = None
    ) -> None:
        self.size = size
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> FakeClassifier:
        self.classes_ = np.unique(y)
        self.means_ = np.array([np.nanmean(X[y == label]) for label in self.classes_])
        return self

    def predict_proba(self, X: Any) -> Any:
        axes = tuple(range(1, X.ndim))
        near = np.exp(-np.abs(np.nanmean(X, axis=axes)[:, None] - self.means_))
        return near / near.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> Any:
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def evaluate(self, X: Any = None, y: Any = None) -> Evaluation:
        if X is None:
            raise InputError("FakeClassifier: there must be rows to score; got none. Give X and y.")
        return Evaluation({"accuracy": float(np.mean(self.predict(X) == y))})

    def story(self, X: Any = None, y: Any = None) -> Story:
        rows = 0 if X is None else len(X)
        return Story("Classes", f"{len(self.classes_)} classes, {rows} rows scored.", ())

    def _fitted_parts(self) -> Any:
        return {}, {"classes": self.classes_.tolist()}, {}, {}, {"means": self.means_}

    def _restore(self, manifest: Any, tensors: Any) -> None:
        self.classes_ = np.array(manifest.encoders["classes"])
        self.means_ = tensors["means"]

    def _is_fitted(self) -> bool:
        return hasattr(self, "classes_")
