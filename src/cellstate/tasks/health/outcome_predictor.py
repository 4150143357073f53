"""The outcome of a stay from what happened until a prediction time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from cellstate.data.health.events import Events
from cellstate.data.health.table import as_table, read_cells
from cellstate.data.health.timelines import Layout, Timelines, lay_out
from cellstate.data.health.windows import places_of, windows_of
from cellstate.errors import InputError, explain
from cellstate.extras import require
from cellstate.tasks.arguments import check_config, check_seed
from cellstate.tasks.estimator import AbstractEstimator
from cellstate.tasks.evaluation import NAME, Evaluation
from cellstate.tasks.health.cohort import (
    PREDICTION,
    START,
    SUBJECT,
    Cohort,
    as_events,
    check_patients,
    read_cohort,
    read_targets,
)
from cellstate.tasks.health.groups import groups_of
from cellstate.tasks.health.outcome import evaluation as scoring
from cellstate.tasks.health.outcome.evaluation import ALONE, Rows
from cellstate.tasks.health.outcome.fitted import Fitted
from cellstate.tasks.health.outcome.fitting import Held, Settings, fit_networks
from cellstate.tasks.health.outcome.plan import FOLDS
from cellstate.tasks.health.outcome.targets import Target
from cellstate.tasks.health.summaries import summarize
from cellstate.tasks.health.unread import tell_unread
from cellstate.train.config import TrainConfig

if TYPE_CHECKING:
    from cellstate.artifact import Manifest
    from cellstate.tasks.sections import Story

Parts = tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]


class OutcomePredictor(AbstractEstimator):
    """Foretell what becomes of a stay: death, readmission, a class, days, or the time to an event.

    Reads irregular, gappy events of patients up to a prediction time, and nothing after it. Five
    networks each leave out another fifth of the patients; what they say of those chooses when they
    stop, how they are mixed with a linear model of the usual summaries, and what risks are scaled
    by, and it is what `evaluate` scores without data. Not a medical device.

    Parameters
    ----------
    target : str or tuple of str
        Column of the outcomes, or several that one network answers together. Values 0 and 1 or
        two names are a risk, other names are classes, other numbers are numbers.
        ``"time_to_event"`` goes with a column ``event_observed`` of 0 and 1: how long after the
        prediction time something happened, or was known not to have happened.
    window_h : float, optional
        Hours that are read, from a stay's start; all up to the prediction time when not given.
    every_h : float, optional
        Hours of a step, over which measurements are averaged; 1 by default.
    gaps : {"masks", "decay", "time_aware"}
        What the networks make of time between measurements: told by masks to a plain LSTM, by
        decays of inputs and state (`cellstate.nn.DecayLSTM`), or by a memory that fades in part
        (`cellstate.nn.TimeAwareLSTM`).
    balance : bool
        Whether classes weigh the same in training however rare they are. Risks are scaled to what
        happened either way.
    size : {"small", "medium", "large"}
        Width and depth of the networks.
    random_state : int, optional
        Seed; equal seeds give equal models. 0 when not given.
    train : TrainConfig, optional
        Settings of the training loop; what is left open is chosen from the data.

    Attributes
    ----------
    targets_ : tuple of Target
        What was learned about the outcomes.
    variables_ : tuple of str
        Codes that are read.
    left_out_ : LeftOut
        Rows of events that `fit` left out; it is not kept in a model's folder.

    Examples
    --------
    >>> import polars
    >>> rng = np.random.default_rng(0)
    >>> ids, hours = np.repeat(np.arange(80), 6), np.tile(np.arange(6.0), 80)
    >>> rate = 80 + 25.0 * (ids % 2) * hours / 5 + rng.normal(0, 3, 480)
    >>> vitals = polars.DataFrame({"subject_id": ids, "time": hours, "HR": rate})
    >>> outcomes = polars.DataFrame({"subject_id": np.arange(80), "died": np.arange(80) % 2})
    >>> model = OutcomePredictor("died", random_state=0).fit(vitals, outcomes)
    >>> risks = model.predict_risk(vitals, outcomes)
    >>> bool(risks[1::2].mean() > risks[::2].mean() + 0.5)
    True
    """

    task: ClassVar[str] = "outcome"
    reads: ClassVar[str] = "outcomes"

    def __init__(
        self,
        target: str | tuple[str, ...] = "outcome",
        *,
        window_h: float | None = None,
        every_h: float | None = 1.0,
        gaps: Literal["masks", "decay", "time_aware"] = "masks",
        balance: bool = False,
        size: Literal["small", "medium", "large"] = "small",
        random_state: int | None = None,
        train: TrainConfig | None = None,
    ) -> None:
        self.target = target
        self.window_h = window_h
        self.every_h = every_h
        self.gaps = gaps
        self.balance = balance
        self.size = size
        self.random_state = random_state
        self.train = train

    def fit(self, events: Any, outcomes: Any) -> Self:
        """Train on events and outcomes.

        Parameters
        ----------
        events : Events or DataFrame
            Long (``subject_id, time, code, numeric_value``) or wide (``subject_id, time`` and a
            column a variable). Times are time stamps or hours.
        outcomes : DataFrame
            A row for each stay: ``subject_id``, the target, and where they are known
            ``prediction_time``, after which nothing is read, and ``start``.

        Raises
        ------
        InputError
            An argument or a table cannot be used, or all outcomes are equal.
        TrainingError
            The loss stayed undefined.

        Warns
        -----
        CohortWarning, LeftOutWarning
            Rows were left out; they are counted and named by their numbers.
        UnreadCodesWarning
            Fewer than 1 % of the patients have some codes, which are not read.
        """
        require("torch", extra="train")
        where = f"{type(self).__name__}.fit"
        settings = self._settings()
        laid = as_events(where, events)
        cohort = read_cohort(where, laid, outcomes, self._names(), window_h=self._window())
        check_patients(where, cohort.windows.subjects, FOLDS)
        learn = laid.take(np.unique(places_of(laid.subjects, cohort.windows.subjects)))
        layout = Layout.of(learn, self._every())
        tell_unread(where, learn, layout)
        timelines = lay_out(laid, cohort.windows, layout)
        self.fitted_, held = fit_networks(
            timelines, layout, cohort.targets, cohort.truths, settings
        )
        self.targets_, self.variables_ = self.fitted_.targets, layout.variables
        self.left_out_ = laid.left_out
        self._keep(timelines, cohort, held)
        return self

    def predict(self, events: Any, questions: Any = None) -> Any:
        """Say what is most likely for each row of questions.

        Parameters
        ----------
        events : Events or DataFrame
        questions : DataFrame, optional
            ``subject_id`` and where known ``prediction_time`` and ``start``, as in `fit`. Every
            subject at the end of its events when not given.

        Returns
        -------
        ndarray of shape (n,), or dict of str to such
            Classes, numbers, or the median time to the event (the end of the last interval where
            it is later); a dictionary by name where there are several targets. NaN or None where a
            subject has no events.
        """
        decoded, rows, total, _ = self._decoded("predict", events, questions)
        named = [_named(t, said) for t, said in zip(self.targets_, decoded, strict=True)]
        return self._told([_spread(values, rows, total) for values in named])

    def predict_risk(self, events: Any, questions: Any = None) -> Any:
        """Give probabilities for each row of questions.

        Parameters
        ----------
        events, questions
            As of `predict`.

        Returns
        -------
        ndarray, or dict of str to ndarray
            (n,) risks; (n, K) probabilities of classes; (n,) numbers; or (n, K) probabilities that
            nothing happens before the ends of the intervals, ``targets_[k].grid``. NaN where a
            subject has no events.
        """
        decoded, rows, total, _ = self._decoded("predict_risk", events, questions)
        return self._told([_spread(values, rows, total) for values in decoded])

    def table(self, events: Any, questions: Any = None) -> dict[str, Any]:
        """Give answers as columns: who, until when, and for each target what is said, how surely.

        Parameters
        ----------
        events, questions
            As of `predict`.
        """
        decoded, rows, total, subjects = self._decoded("table", events, questions)
        columns: dict[str, Any] = {SUBJECT: subjects.tolist()}
        if questions is not None:
            asked = as_table(questions, (SUBJECT,), where=f"{type(self).__name__}.table")
            for name in [name for name in (START, PREDICTION) if name in asked.columns]:
                columns[name] = read_cells(asked.get_column(name))
        for target, said in zip(self.targets_, decoded, strict=True):
            named = _spread(_named(target, said), rows, total)
            columns[target.name] = named.tolist()
            told = _spread(said, rows, total)
            if target.kind == "binary":
                columns[f"risk_{target.name}"] = told.tolist()
            elif target.kind != "number":
                ends = target.classes or [f"no_event_by_{end:g}" for end in target.grid]
                for place, name in enumerate(ends):
                    columns[f"p_{name}" if target.classes else name] = told[:, place].tolist()
        return columns

    def evaluate(
        self, events: Any = None, outcomes: Any = None, *, target: str | None = None
    ) -> Evaluation:
        """Score answers against what came of it, beside the baselines.

        Parameters
        ----------
        events, outcomes : optional
            Patients that were not trained on. When not given, each patient of the training data is
            scored by the network that left it out.
        target : str, optional
            Which outcome; the first one when not given.

        Returns
        -------
        Evaluation
            Shows itself as a table with definitions, protocol and winner.
        """
        self._require_fitted("evaluate")
        where = f"{type(self).__name__}.evaluate"
        place = self._place(target)
        if (events is None) != (outcomes is None):
            must = "events and outcomes must be given together"
            do = "Give both, or neither to score the patients that each network left out"
            raise InputError(explain(where, must, "one of them", do))
        if events is None:
            return self._held_out()[place]
        timelines, truth, said, notes = self._compared(where, events, outcomes, place)
        known, subjects = self.targets_[place], timelines.subjects
        protocol = f"Protocol: {len(timelines):,} stays that were given."
        groups = groups_of(timelines)
        return scoring.compare(known, truth, said, subjects, protocol, notes, groups)

    def compare(
        self, events: Any, outcomes: Any, *, target: str | None = None
    ) -> dict[str, np.ndarray]:
        """Give what each system says of patients that were not trained on.

        Parameters
        ----------
        events, outcomes, target
            As of `evaluate`.

        Returns
        -------
        dict of str to ndarray
            "LSTM" (as `predict_risk` says), "LSTM networks alone" and the baselines -> answers in
            the form of `predict_risk`, for the rows that could be used.
        """
        self._require_fitted("compare")
        where = f"{type(self).__name__}.compare"
        return self._compared(where, events, outcomes, self._place(target))[2]

    def _compared(
        self, where: str, events: Any, outcomes: Any, place: int
    ) -> tuple[Timelines, np.ndarray, dict[str, np.ndarray], list[str]]:
        laid = as_events(where, events)
        tell_unread(where, laid, self.fitted_.layout)
        cohort = self._asked(where, laid, outcomes, answers=True)
        timelines = lay_out(laid, cohort.windows, self.fitted_.layout)
        both, alone = self.fitted_.answers(timelines)
        known, truth = self.targets_[place], cohort.truths[place]
        said = {NAME: known.decode(both[place]), ALONE: known.decode(alone[place])}
        if not hasattr(self, "_learned"):
            told = self.fitted_.stored_rivals(place, timelines)
            note = "A model's file keeps no rows, so the other baselines cannot be fitted again."
            return timelines, truth, said | told, [note]
        test = Rows(summarize(timelines), truth, timelines.subjects)
        learned = Rows(self._learned[0], self._learned[1][place], self._learned[2])
        told = scoring.rival_answers(known, learned, test, self._seed())
        return timelines, truth, said | told, []

    def story(self, events: Any = None, outcomes: Any = None) -> Story:
        """Tell how the fit went, for the report; events and outcomes are as of `evaluate`."""
        from cellstate.tasks.health.outcome.story import tell

        self._require_fitted("story")
        return tell(self, self.evaluate(events, outcomes))

    def _keep(self, timelines: Timelines, cohort: Cohort, held: Held) -> None:
        """Keep for this process what scoring needs: none of it goes into a model's file."""
        rows = summarize(timelines)
        self._learned = (rows, cohort.truths, timelines.subjects, groups_of(timelines))
        self._held: Held | None = held
        self._scored: list[Evaluation] | None = None

    def _held_out(self) -> list[Evaluation]:
        """Score each target on the patients that each network left out."""
        if self._scored is not None:
            return self._scored
        assert self._held is not None, "a fit keeps what was said of held-out patients"
        summary, truths, subjects, groups = self._learned
        scored: list[Evaluation] = []
        for place, target in enumerate(self.targets_):
            rows = Rows(summary, truths[place], subjects)
            said = {
                NAME: target.decode(self._held.answers[place]),
                ALONE: target.decode(self._held.networks[place]),
            }
            for fold in range(int(self._held.folds.max()) + 1):
                out = self._held.folds == fold
                told = scoring.rival_answers(target, rows.take(~out), rows.take(out), self._seed())
                for name, answers in told.items():
                    whole = said.setdefault(name, np.full((len(out), *answers.shape[1:]), np.nan))
                    whole[out] = answers
            folds = int(self._held.folds.max()) + 1
            protocol = (
                f"Protocol: {len(summary)} stays in {folds} parts by patient, each scored by a "
                "network and baselines that learned from the others."
            )
            notes = ["Networks stopped by these parts: expect a little less on new patients."]
            scored.append(
                scoring.compare(target, rows.truth, said, subjects, protocol, notes, groups)
            )
        self._scored = scored
        return scored

    def _decoded(
        self, method: str, events: Any, questions: Any
    ) -> tuple[list[np.ndarray], np.ndarray, int, np.ndarray]:
        self._require_fitted(method)
        where = f"{type(self).__name__}.{method}"
        laid = as_events(where, events)
        tell_unread(where, laid, self.fitted_.layout)
        if questions is None:
            windows = windows_of(laid, laid.subjects, length_h=self._window(), where=where)
            rows, asked = np.arange(len(laid)), laid.subjects
        else:
            cohort = self._asked(where, laid, questions, answers=False)
            windows, rows, asked = cohort.windows, cohort.rows, cohort.asked
        both, _ = self.fitted_.answers(lay_out(laid, windows, self.fitted_.layout))
        decoded = [t.decode(said) for t, said in zip(self.targets_, both, strict=True)]
        return decoded, rows, len(asked), asked

    def _asked(self, where: str, events: Events, table: Any, *, answers: bool) -> Cohort:
        return read_cohort(
            where,
            events,
            table,
            [target.name for target in self.targets_],
            window_h=self._window(),
            known=self.targets_,
            answers=answers,
        )

    def _told(self, values: list[np.ndarray]) -> Any:
        if isinstance(self.target, str):
            return values[0]
        return {t.name: v for t, v in zip(self.targets_, values, strict=True)}

    def _names(self) -> list[str]:
        return read_targets(type(self).__name__, self.target)

    def _place(self, target: str | None) -> int:
        names = [one.name for one in self.targets_]
        if target is None:
            return 0
        if target not in names:
            from cellstate.errors import did_you_mean

            where = f"{type(self).__name__}.evaluate"
            must = "target must be one that was fitted"
            raise InputError(explain(where, must, repr(target), did_you_mean(target, names)))
        return names.index(target)

    def _window(self) -> float | None:
        return self._hours("window_h", self.window_h)

    def _every(self) -> float | None:
        return self._hours("every_h", self.every_h)

    def _hours(self, name: str, given: Any) -> float | None:
        if given is None:
            return None
        is_number = isinstance(given, (int, float)) and not isinstance(given, bool)
        if not is_number or not 0 < given < np.inf:
            must = f"{name} must be a number of hours above 0, or None"
            do = f"Give for example {name}=24"
            raise InputError(explain(type(self).__name__, must, repr(given), do))
        return float(given)

    def _seed(self) -> int:
        return check_seed(type(self).__name__, self.random_state)

    def _settings(self) -> Settings:
        where = type(self).__name__
        config = check_config(where, self.train)
        if not isinstance(self.balance, bool):
            must, do = "balance must be True or False", "Give one of them"
            raise InputError(explain(where, must, repr(self.balance), do))
        return Settings(where, self.size, self.gaps, self.balance, self._seed(), config)

    def _is_fitted(self) -> bool:
        return hasattr(self, "fitted_")

    def _fitted_parts(self) -> Parts:
        held = [scoring.as_dict(one) for one in self._held_out()]
        record = self.fitted_.record | {"held_out": held}
        return (
            self.fitted_.network(), self.fitted_.encoders(), {}, record, self.fitted_.tensors(),
        )  # fmt: skip

    def _restore(self, manifest: Manifest, tensors: dict[str, np.ndarray]) -> None:
        require("torch", extra="train")
        record = manifest.record
        self.fitted_ = Fitted.restored(manifest.network, manifest.encoders, tensors, record)
        self.targets_ = self.fitted_.targets
        self.variables_ = self.fitted_.layout.variables
        self._held = None
        self._scored = [scoring.from_dict(one) for one in record["held_out"]]


def _named(target: Target, said: np.ndarray) -> np.ndarray:
    """Give classes, numbers or median times."""
    if target.kind == "number":
        return said
    if target.kind == "time":
        half = said <= 0.5
        place = np.where(half.any(1), half.argmax(1), len(target.grid) - 1)
        return np.array(target.grid)[place]
    classes = np.array(target.classes, dtype=object)
    return classes[(said >= 0.5).astype(np.int64) if target.kind == "binary" else said.argmax(1)]


def _spread(values: np.ndarray, rows: np.ndarray, total: int) -> np.ndarray:
    """Put answers where their rows are; rows without one get NaN or None."""
    if len(rows) == total:
        return values
    gap: Any = None if values.dtype == object else np.nan
    whole = np.full((total, *values.shape[1:]), gap, dtype=values.dtype)
    whole[rows] = values
    return whole
