"""The forecaster: from a long frame to quantiles of what comes next."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from cellstate.data import append
from cellstate.data.columns import Columns
from cellstate.data.frames import to_panel
from cellstate.data.future import future_values
from cellstate.data.panel import Panel
from cellstate.errors import InputError, explain
from cellstate.tasks.arguments import check_whole
from cellstate.tasks.estimator import AbstractEstimator
from cellstate.tasks.forecast import saved
from cellstate.tasks.forecast.answers import answer_frame
from cellstate.tasks.forecast.checks import (
    check_arguments,
    check_ids,
    check_panel,
    check_values,
)
from cellstate.tasks.forecast.evaluation import Evaluation, evaluate, held_cutoffs
from cellstate.tasks.forecast.fitted import Fitted
from cellstate.tasks.forecast.fitting import Settings, fit_panel
from cellstate.tasks.forecast.memory import Memory
from cellstate.tasks.forecast.plan import make_plan
from cellstate.train.config import TrainConfig

if TYPE_CHECKING:
    from cellstate.artifact import Manifest
    from cellstate.tasks.sections import Story

MOST_PIECES = 1024  # updates that are kept apart before they join the history


class Forecaster(AbstractEstimator):
    """Forecast many series with one LSTM.

    Parameters
    ----------
    horizon : int
        Periods to forecast.
    decoder : {"direct", "recursive"}
        "direct" reads a window in segments and answers for the whole horizon at once;
        "recursive" carries memory cells from the first observation on and samples paths.
    context : int, optional
        Periods that the direct network reads, and after which the recursive one's level fades;
        two seasons, or what the series allow, when not given.
    size : {"small", "medium", "large"}
        Width and depth of the network.
    distribution : {"student_t", "negative_binomial", "quantiles"}
        What the recursive network draws from; "negative_binomial" is for counts.
    levels : tuple of float
        Prediction intervals to give, in per cent.
    calibrate : bool
        Whether to stretch the intervals so that they hold their share on the validation split.
    columns : Columns
        Which column of a frame plays which part.
    frequency : str or int, optional
        Time between rows, such as "h", "MS" or 1; inferred when not given.
    random_state : int, optional
        Seed; equal seeds give equal models. 0 when not given.
    train : TrainConfig, optional
        Settings of the training loop; what is left open is chosen from the data.

    Examples
    --------
    >>> import polars
    >>> weekday = [3.0, 4.0, 5.0, 4.0, 3.0, 1.0, 1.0]
    >>> frame = polars.DataFrame({"ds": range(84), "y": weekday * 12})
    >>> forecaster = Forecaster(7, frequency=1, context=14, random_state=0)
    >>> forecaster.fit(frame).predict().columns[:3]
    ['ds', 'cutoff', 'LSTM']
    """

    task: ClassVar[str] = "forecast"
    reads: ClassVar[str] = "frame"

    def __init__(
        self,
        horizon: int = 24,
        *,
        decoder: Literal["direct", "recursive"] = "direct",
        context: int | None = None,
        size: Literal["small", "medium", "large"] = "small",
        distribution: Literal["student_t", "negative_binomial", "quantiles"] = "student_t",
        levels: tuple[float, ...] = (80, 95),
        calibrate: bool = False,
        columns: Columns = Columns(),  # noqa: B008  frozen
        frequency: str | int | None = None,
        random_state: int | None = None,
        train: TrainConfig | None = None,
    ) -> None:
        self.horizon = horizon
        self.decoder = decoder
        self.context = context
        self.size = size
        self.distribution = distribution
        self.levels = levels
        self.calibrate = calibrate
        self.columns = columns
        self.frequency = frequency
        self.random_state = random_state
        self.train = train

    def fit(self, frame: Any, *, validation: int | None = None) -> Self:
        """Train on a long frame.

        Parameters
        ----------
        frame : DataFrame
            One row a series and time stamp; pandas, polars or anything that narwhals takes.
        validation : int, optional
            Periods at the end of every series that choose when to stop and are not trained on,
            the horizon at least; a twentieth of the series where that is longer when not given.

        Raises
        ------
        InputError
            An argument is out of range, or no series is longer than the horizon.
        FrameError
            The frame cannot be used; the message names column, row and value.
        TrainingError
            The loss stayed undefined.
        """
        check_arguments(self)
        if validation is not None:
            check_whole("Forecaster.fit", "validation", validation)
        panel = to_panel(frame, self.columns, self.frequency)
        check_panel(self, panel)
        self._learn(panel, validation)
        return self

    def predict(self, frame: Any = None, future: Any = None) -> Any:
        """Forecast the periods after the last known one.

        Parameters
        ----------
        frame : DataFrame, optional
            Histories to forecast from, of known or new series; when not given, those of `fit`
            and of every `update`.
        future : DataFrame, optional
            Id, time and the future covariates of the periods to forecast; needed where the model
            has such covariates.

        Returns
        -------
        DataFrame
            Of the user's kind: id, time, `cutoff` (the last known stamp), `LSTM` (the median) and
            `LSTM-lo-80`, `LSTM-hi-80` … for each level.
        """
        self._require_fitted("predict")
        fitted, memory = self.fitted_, self.memory_
        if frame is None:
            panel, state = memory.edge, memory.state
        else:
            panel = self._read(frame)
            memory = Memory.of(fitted, panel)
            state = memory.state
        known = future_values(panel, future, fitted.plan.horizon)
        quantiles = fitted.forecast(state, known, fitted.covariates.static(panel))
        last = panel.times[panel.offsets[1:] - 1]
        return answer_frame(
            panel, fitted.plan, np.arange(len(panel)), last, quantiles, tuple(self.levels)
        )

    def update(self, frame: Any) -> Self:
        """Move the memory by new observations, without training.

        The cost depends on the new rows alone, not on what came before. Series that were not
        known begin. Rows must follow the last known ones; periods between are missing values.

        Raises
        ------
        FrameError
            The frame cannot be used, or a row is not after the last known one; nothing is
            changed then.
        """
        self._require_fitted("update")
        new = self._read(frame)
        check_ids(self.memory_.edge, new)
        self._added.append(self.memory_.update(self.fitted_, new))
        if len(self._added) >= MOST_PIECES:
            self._history = self.history_
        return self

    def evaluate(self, frame: Any = None, *, stride: int | None = None) -> Evaluation:
        """Score forecasts from rolling cutoffs against the truth, beside the baselines.

        Parameters
        ----------
        frame : DataFrame, optional
            Held-out rows that follow the training data (rows already known are left aside), or
            whole new series. When not given, the validation split, which chose when to stop.
        stride : int, optional
            Periods between cutoffs; the horizon when not given.

        Returns
        -------
        Evaluation
            Shows itself as a table with definitions, protocol and winner.
        """
        self._require_fitted("evaluate")
        stride = self.fitted_.plan.horizon if stride is None else stride
        check_whole("Forecaster.evaluate", "stride", stride)
        held = None if frame is None else self._read(frame)
        history = self._rows_of_fit() if held is None else self.history_
        panel, series, cutoffs, learnt = held_cutoffs(history, held, self.fitted_, stride)
        return evaluate(
            self.fitted_, panel, series, cutoffs, learnt, tuple(self.levels), held is not None
        )

    def backtest(
        self,
        frame: Any,
        *,
        windows: int = 3,
        stride: int | None = None,
        refit: bool = False,
    ) -> Any:
        """Forecast the past, with models that have not seen it.

        Parameters
        ----------
        frame : DataFrame
            Whole histories.
        windows : int
            Cutoffs, counted back from the last one that leaves a whole horizon of truth.
        stride : int, optional
            Periods between cutoffs; the horizon when not given.
        refit : bool
            Train anew before each cutoff; otherwise once, before the first.

        Returns
        -------
        DataFrame
            As from `predict`, with the truth in the target's column. This estimator is left as
            it is.
        """
        check_arguments(self)
        stride = self.horizon if stride is None else stride
        for name, value in (("windows", windows), ("stride", stride)):
            check_whole("Forecaster.backtest", name, value)
        panel = to_panel(frame, self.columns, self.frequency)
        back = self.horizon + stride * np.arange(windows - 1, -1, -1)
        if panel.lengths.min() <= back[0] + 1:
            raise InputError(
                explain(
                    "Forecaster.backtest",
                    f"every series must be longer than {back[0] + 1} periods for "
                    f"windows={windows}, stride={stride}, horizon={self.horizon}",
                    f"one of {panel.lengths.min()}",
                    "Ask for fewer windows, or leave out the short series",
                )
            )
        check_panel(self, panel.head(-int(back[0])))
        every, parts = np.arange(len(panel)), []
        trained = self._train(panel.head(-int(back[0])), None)
        for number, behind in enumerate(back):
            if refit and number > 0:
                trained = self._train(panel.head(-int(behind)), None)
            parts.append(trained.forecast_at(panel, every, panel.lengths - behind))
        cutoffs = panel.lengths[None] - back[:, None]
        rows = (panel.offsets[:-1] + cutoffs).ravel()
        truth = panel.target[rows[:, None] + np.arange(self.horizon)]
        return answer_frame(
            panel,
            trained.plan,
            np.tile(every, windows),
            panel.times[rows - 1],
            np.concatenate(parts),
            tuple(self.levels),
            truth,
        )

    def story(self, frame: Any = None) -> Story:
        """Tell how the fit went, for the report.

        Parameters
        ----------
        frame : DataFrame, optional
            Held-out rows to score on, as in `evaluate`; the validation split when not given.
        """
        from cellstate.tasks.forecast.story import tell

        self._require_fitted("story")
        return tell(self, frame)

    @property
    def history_(self) -> Panel:
        """All that is known: the rows of `fit` and of every `update`."""
        if self._added:
            new = functools.reduce(append, self._added)
            self._history, self._added = append(self._history, new), []
        return self._history

    def _rows_of_fit(self) -> Panel:
        begun_later = len(self.history_) - len(self._learnt)
        return self.history_.head(np.pad(self._learnt, (0, begun_later)))

    def _train(self, panel: Panel, validation: int | None) -> Fitted:
        horizon = int(self.horizon)
        plan = make_plan(
            panel,
            horizon=horizon,
            context=None if self.context is None else int(self.context),
            size=self.size,
            levels=tuple(self.levels),
            decoder=self.decoder,
            distribution=self.distribution,
        )
        if validation is None:
            validation = int(np.median(panel.lengths)) // 20
        settings = Settings(
            decoder=self.decoder,
            calibrate=self.calibrate,
            seed=0 if self.random_state is None else int(self.random_state),
            config=self.train or TrainConfig(),
            validation=max(horizon, int(validation)),
        )
        return fit_panel(panel, plan, settings)

    def _learn(self, panel: Panel, validation: int | None) -> None:
        fitted = self._train(panel, validation)
        self.memory_ = Memory.of(fitted, panel)
        self.fitted_, self._history, self._added = fitted, panel, []
        self._learnt = panel.lengths

    def _read(self, frame: Any) -> Panel:
        known = self.memory_.edge
        panel = to_panel(frame, self.columns, known.frequency, encoder=known.encoder)
        check_values("Forecaster", panel)
        return panel

    def _is_fitted(self) -> bool:
        return hasattr(self, "fitted_")

    def _fitted_parts(self) -> saved.Parts:
        return saved.to_parts(self.fitted_, self.memory_, self.history_, self._learnt)

    def _restore(self, manifest: Manifest, tensors: dict[str, np.ndarray]) -> None:
        parts = saved.from_parts(manifest, tensors)
        self.fitted_, self.memory_, self._history, self._learnt = parts
        self._added = []
