"""A risk at every step of a stay, alarms at a stated rate, one bed at a time or all at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from cellstate.errors import InputError, explain
from cellstate.extras import require
from cellstate.tasks.arguments import check_config, check_number, check_seed
from cellstate.tasks.estimator import AbstractEstimator
from cellstate.tasks.evaluation import NAME, Evaluation
from cellstate.tasks.health.alarms import raise_alarms
from cellstate.tasks.health.cohort import check_patients
from cellstate.tasks.health.outcome.evaluation import as_dict, from_dict
from cellstate.tasks.health.vitals import evaluation as scoring
from cellstate.tasks.health.vitals.answering import Answering, coming, risks_of
from cellstate.tasks.health.vitals.checks import check_columns, read_policy
from cellstate.tasks.health.vitals.evaluation import ALONE, Policy, Thresholds
from cellstate.tasks.health.vitals.fitting import Settings, fit_networks
from cellstate.tasks.health.vitals.plan import FOLDS
from cellstate.tasks.health.vitals.saved import describe, restored
from cellstate.tasks.health.vitals.stream import VitalsStream
from cellstate.tasks.health.vitals.task import Watched
from cellstate.tasks.health.vitals.watching import check_labels, check_surprises, read_watched
from cellstate.train.config import TrainConfig

if TYPE_CHECKING:
    from cellstate.artifact import Manifest
    from cellstate.tasks.sections import Story

Parts = tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]


class VitalsMonitor(AbstractEstimator):
    """Watch vital signs and labs, and give a risk at every step from what is known by then.

    With a target, the risk is that of an outcome labelled step by step; without one, it says how
    surprising the measurements are, given what the networks foretold of them. Three networks each
    leave out another third of the patients; what they say of those chooses when they stop, scales
    risks, and sets the threshold of alarms. Not a medical device.

    Parameters
    ----------
    target : str, optional
        Column of labels, 0 or 1 at each step. None watches for surprises.
    alarms_per_day : float
        Alarms that a patient may cause in a day: the threshold is chosen for it.
    silence_h : float
        Hours after an alarm in which the same patient causes none.
    lead_h : float
        Hours by which labels run ahead of the event: it happens so long after the first 1.
    static : str or tuple of str
        Columns of a wide table that do not change during a stay, such as age.
    size : {"small", "medium", "large"}
        Width and depth of the networks.
    random_state : int, optional
        Seed; equal seeds give equal models. 0 when not given.
    train : TrainConfig, optional
        Settings of the training loop; what is left open is chosen from the data.

    Attributes
    ----------
    variables_ : tuple of str
        Codes that are read.
    threshold_ : float
        Risk from which there is an alarm.
    left_out_ : LeftOut
        Values that `fit` left out; it is not kept in a model's folder.

    Examples
    --------
    >>> import polars
    >>> rng = np.random.default_rng(0)
    >>> stay, hour = np.repeat(np.arange(60), 20), np.tile(np.arange(20.0), 60)
    >>> is_ill = (stay % 3 == 0) & (hour >= 10)
    >>> rate = 80 + 4.0 * (hour - 6) * ((stay % 3 == 0) & (hour >= 6)) + rng.normal(0, 3, 1200)
    >>> table = polars.DataFrame(
    ...     {"subject_id": stay, "time": hour, "HR": rate, "ill": is_ill.astype(int)})
    >>> model = VitalsMonitor("ill", random_state=0).fit(table)
    >>> answers = model.predict(table)
    >>> bool(answers["risk"][is_ill].mean() > answers["risk"][~is_ill].mean() + 0.5)
    True
    >>> bed = model.stream()
    >>> readings = [bed.push(h, {"HR": v}) for h, v in zip(hour[:20], rate[:20])]
    >>> bool(abs(readings[-1].risk - answers["risk"][19]) < 1e-6)
    True
    """

    task: ClassVar[str] = "vitals"
    reads: ClassVar[str] = "vitals"

    def __init__(
        self,
        target: str | None = None,
        *,
        alarms_per_day: float = 0.5,
        silence_h: float = 6.0,
        lead_h: float = 0.0,
        static: str | tuple[str, ...] = (),
        size: Literal["small", "medium", "large"] = "small",
        random_state: int | None = None,
        train: TrainConfig | None = None,
    ) -> None:
        self.target = target
        self.alarms_per_day = alarms_per_day
        self.silence_h = silence_h
        self.lead_h = lead_h
        self.static = static
        self.size = size
        self.random_state = random_state
        self.train = train

    def fit(self, data: Any, labels: Any = None) -> Self:
        """Train on stays.

        Parameters
        ----------
        data : Events or DataFrame
            Wide (``subject_id, time``, a column a variable, and the target), or long
            (``subject_id, time, code, numeric_value``).
        labels : DataFrame, optional
            ``subject_id, time`` and the target, where the data do not hold it. Each of its rows is
            a step.

        Raises
        ------
        InputError
            An argument or a table cannot be used, or all labels are equal.
        TrainingError
            The loss stayed undefined.

        Warns
        -----
        LeftOutWarning
            Values that cannot be true were left out; they are counted and named by their rows.
        """
        require("torch", extra="train")
        where = f"{type(self).__name__}.fit"
        settings, policy = self._settings(), self.policy_
        watched, layout = self._read(where, data, labels)
        check_patients(where, watched.timelines.subjects, FOLDS)
        if self.target is not None:
            check_labels(where, self.target, watched)
        else:
            check_surprises(where, watched.timelines)
        self.fitted_, held = fit_networks(watched, layout, settings)
        self.variables_, self.left_out_ = layout.variables, watched.timelines.left_out
        risks = risks_of(self.fitted_, watched.timelines, held.answers)
        self._thresholds = self._alone = Thresholds.of(policy, watched, risks)
        if self.target is not None:
            alone = self.fitted_.risks(held.networks)
            self._alone = Thresholds.of(policy, watched, alone)
        self.threshold_ = self._thresholds.rate
        self._learned = (watched, held)
        self._scored: Evaluation | None = None
        return self

    def predict(self, data: Any, labels: Any = None) -> dict[str, np.ndarray]:
        """Give risk and alarm at each step.

        Parameters
        ----------
        data : Events or DataFrame
            As of `fit`.
        labels : DataFrame, optional
            Each of its rows (``subject_id, time``) is a step.

        Returns
        -------
        dict of str to ndarray
            Columns ``subject_id``, ``hour`` since the stay's first step, ``risk`` and ``alarm``,
            by subject and time.
        """
        self._require_fitted("predict")
        watched, _ = self._read(f"{type(self).__name__}.predict", data, labels, answers=False)
        timelines = watched.timelines
        answering = self._answering()
        risks = answering.predict(timelines)
        watch = Policy(answering.threshold, answering.silence_h, 0.0).watch(
            Watched(timelines, None)
        )
        return {
            "subject_id": np.repeat(timelines.subjects, timelines.steps),
            "hour": timelines.hours,
            "risk": risks,
            "alarm": raise_alarms(watch, risks, answering.threshold, answering.silence_h),
        }

    def forecast(self, data: Any, *, level: float = 90.0) -> dict[str, np.ndarray]:
        """Foretell at each step what the next one will measure, if it measures it.

        Parameters
        ----------
        data : Events or DataFrame
            As of `fit`, for a monitor without target.
        level : float
            Per cent of the next measurements that their intervals should hold, below 100.

        Returns
        -------
        dict of str to ndarray
            Columns ``subject_id``, ``hour``, and each variable alone, with ``_low`` and ``_high``.
        """
        self._require_fitted("forecast")
        where = f"{type(self).__name__}.forecast"
        if self.target is not None:
            must, do = "the monitor must watch for surprises", "Fit one with target=None"
            raise InputError(explain(where, must, f"target={self.target!r}", do))
        check_number(where, "level", level, most=100.0, is_open=True)
        timelines = self._read(where, data, None)[0].timelines
        ends = coming(self.fitted_, self.fitted_.answers(timelines)[0], level)
        columns = {
            "subject_id": np.repeat(timelines.subjects, timelines.steps),
            "hour": timelines.hours,
        }
        for place, name in enumerate(self.variables_):
            for end, values in zip(("_low", "", "_high"), ends, strict=True):
                columns[f"{name}{end}"] = values[:, place]
        return columns

    def stream(self, static: Mapping[str, float] | None = None) -> VitalsStream:
        """Watch one stay from its first event on.

        Parameters
        ----------
        static : mapping of str to float, optional
            What does not change during the stay, by the names that the fit had.
        """
        self._require_fitted("stream")
        return VitalsStream(self._answering(), static)

    def evaluate(self, data: Any = None, labels: Any = None) -> Evaluation:
        """Score risks and alarms against what came, beside the baselines.

        Parameters
        ----------
        data, labels : optional
            Patients that were not trained on. When not given, the patients that the first network
            left out are scored by it.

        Returns
        -------
        Evaluation
            Shows itself as a table with definitions, protocol and winner.
        """
        self._require_fitted("evaluate")
        if data is None:
            if self._scored is None:
                self._scored = self._held_out()
            return self._scored
        watched, _ = self._read(f"{type(self).__name__}.evaluate", data, labels)
        timelines = watched.timelines
        protocol = (
            f"Protocol: {len(timelines):,} stays of {len(timelines.hours):,} steps that were given."
        )
        if self.target is None:
            return self._forecasts(watched, self.fitted_.answers(timelines)[0], protocol)
        check_labels(f"{type(self).__name__}.evaluate", self.target, watched)
        both, alone = (self.fitted_.risks(part) for part in self.fitted_.answers(timelines))
        said = {NAME: (both, self._thresholds), ALONE: (alone, self._alone)}
        notes: list[str] = []
        rivals = self._rivals()
        if rivals:
            x = scoring.step_rows(self.fitted_.encoder, timelines)
            said |= {name: (rival.risks(x), rival.thresholds) for name, rival in rivals.items()}
        else:
            notes = ["A model's file keeps no rows, so the other baselines cannot be fitted again."]
        share = self.fitted_.record["data"]["share_true"]
        constant = np.full(len(timelines.hours), share)
        said[scoring.MEAN] = (constant, Thresholds(1.0, 1.0))
        return scoring.compare(self.policy_, watched, said, protocol, notes)

    def story(self, data: Any = None, labels: Any = None) -> Story:
        """Tell how the fit went, for the report; data and labels are as of `evaluate`."""
        from cellstate.tasks.health.vitals.story import tell

        self._require_fitted("story")
        return tell(self, self.evaluate(data, labels))

    def _held_out(self) -> Evaluation:
        watched, held = self._learned
        folds = held.folds
        rows = np.flatnonzero(folds == 0)
        test = _take(watched, rows)
        places = watched.timelines.places(rows)
        said = held.answers[places]
        protocol = (
            f"Protocol: {len(rows):,} of {len(folds):,} stays, by the network and baselines that "
            "left their patients out; thresholds were chosen on the same stays."
        )
        if self.target is None:
            return self._forecasts(test, said, protocol)
        policy = self.policy_
        learn = _take(watched, np.flatnonzero(folds != 0))
        told = {NAME: self.fitted_.risks(said), ALONE: self.fitted_.risks(held.networks[places])}
        x = scoring.step_rows(self.fitted_.encoder, test.timelines)
        for name, rival in scoring.fit_rivals(
            policy, self.fitted_.encoder, learn, self._seed(), folds=1
        ).items():
            told[name] = rival.risks(x)
        systems = {name: (r, Thresholds.of(policy, test, r)) for name, r in told.items()}
        assert learn.truth is not None, "labels were checked"
        constant = np.full(len(x), float(np.nanmean(learn.truth)))
        systems[scoring.MEAN] = (constant, Thresholds(1.0, 1.0))
        return scoring.compare(policy, test, systems, protocol, [])

    def _rivals(self) -> dict[str, scoring.Rival]:
        """Fit the baselines for other patients, once."""
        if not hasattr(self, "_learned"):
            return {}
        if not hasattr(self, "_fitted_rivals"):
            self._fitted_rivals = scoring.fit_rivals(
                self.policy_, self.fitted_.encoder, self._learned[0], self._seed(), FOLDS
            )
        return self._fitted_rivals

    def _forecasts(self, watched: Watched, answers: np.ndarray, protocol: str) -> Evaluation:
        rows = scoring.score_forecasts(self.fitted_.encoder, watched.timelines, answers)
        return Evaluation(rows, "MAE", protocol, metrics=scoring.ALL_METRICS)

    def _read(
        self, where: str, data: Any, labels: Any, *, answers: bool = True
    ) -> tuple[Watched, Any]:
        if labels is not None and self.target is None:
            must = "labels go with a target"
            raise InputError(explain(where, must, "target=None", "Give target, or no labels"))
        layout = self.fitted_.layout if self._is_fitted() and not where.endswith("fit") else None
        static = (self.static,) if isinstance(self.static, str) else self.static
        target = self.target
        return read_watched(
            where, data, labels, target=target, static=static, layout=layout, answers=answers
        )

    def _answering(self) -> Answering:
        return Answering(self.fitted_, self.threshold_, self.policy_.silence_h)

    @property
    def policy_(self) -> Policy:
        """When alarms are raised and what they should precede."""
        return read_policy(
            type(self).__name__,
            alarms_per_day=self.alarms_per_day,
            silence_h=self.silence_h,
            lead_h=self.lead_h,
        )

    def _seed(self) -> int:
        return check_seed(type(self).__name__, self.random_state)

    def _settings(self) -> Settings:
        where = type(self).__name__
        check_columns(where, self.target, self.static)
        return Settings(where, self.size, self._seed(), check_config(where, self.train))

    def _is_fitted(self) -> bool:
        return hasattr(self, "fitted_")

    def _fitted_parts(self) -> Parts:
        network, encoders = describe(self.fitted_)
        decoding = {"shared": asdict(self._thresholds), "alone": asdict(self._alone)}
        record = self.fitted_.record | {"held_out": as_dict(self.evaluate())}
        return network, encoders, decoding, record, self.fitted_.tensors()

    def _restore(self, manifest: Manifest, tensors: dict[str, np.ndarray]) -> None:
        self.fitted_ = restored(manifest.network, manifest.encoders, tensors, manifest.record)
        self.variables_ = self.fitted_.layout.variables
        told = manifest.decoding
        self._thresholds, self._alone = (Thresholds(**told[name]) for name in ("shared", "alone"))
        self.threshold_ = self._thresholds.rate
        self._scored = from_dict(manifest.record["held_out"], scoring.ALL_METRICS)


def _take(watched: Watched, rows: np.ndarray) -> Watched:
    """Pick stays with their labels."""
    truth = watched.truth
    told = None if truth is None else truth[watched.timelines.places(rows)]
    return Watched(watched.timelines.take(rows), told)
