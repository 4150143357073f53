"""Health records: what a patient's visits so far say of the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np

from cellstate.data.health.visits import Visits
from cellstate.errors import InputError, did_you_mean, explain
from cellstate.extras import require
from cellstate.tasks.estimator import AbstractEstimator
from cellstate.tasks.evaluation import Evaluation
from cellstate.tasks.health.records import held as held_scores
from cellstate.tasks.health.records.baselines import Rivals
from cellstate.tasks.health.records.checks import check_target, check_variables, check_visits
from cellstate.tasks.health.records.encoding import Scales
from cellstate.tasks.health.records.fitted import Fitted, restored
from cellstate.tasks.health.records.fitting import fit_all
from cellstate.tasks.health.records.preparing import prepare
from cellstate.tasks.health.records.settings import read_settings
from cellstate.tasks.health.records.targets import NEXT, Targets, find_targets
from cellstate.tasks.health.records.told import Problem, Told, tell
from cellstate.tasks.health.records.vocabulary import LEAST_PATIENTS, Vocabulary
from cellstate.train.config import TrainConfig

if TYPE_CHECKING:
    from cellstate.artifact import Manifest
    from cellstate.tasks.health.records.attributions import Attribution
    from cellstate.tasks.sections import Story

Parts = tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]


class Foretold(NamedTuple):
    """A code and how probable it is at the next visit."""

    code: str
    probability: float


class RecordsModel(AbstractEstimator):
    """Foretell a patient's next visit, or an outcome, from the codes of the visits so far.

    LSTMs over visits: a visit is the sum of its codes' vectors, and a code's vector is its own and
    those of its ancestors in the hierarchy, so that rare codes learn from their chapter. With them
    come the days between visits, the length of stay, the age and, where visits have numbers such
    as laboratory values, these. Answers are put right on patients that were held out: a tenth of
    1,000 patients or more; with fewer, each network leaves out a part of its own. Not a medical
    device.

    Codes that one patient alone has are never learned: they, and codes unknown at prediction, are
    read as the nearest ancestor that is known. A model folder holds no patient.

    Parameters
    ----------
    target : str
        What is foretold after each visit: "next" for the codes of the next visit, "readmission",
        "labs" for the numbers of the next visit with intervals, the beginning of codes such as
        "DX10:E11" for their onset at the next visit among those who have not had them, or a name
        for outcomes that `fit` is given labels of.
    horizon_days : float
        Within how many days a readmission counts.
    answers : str
        With target="next": foretell only codes that begin so, such as "DX".
    least_patients : int
        Patients who must have a code for it to be learned; at least 2.
    level : float
        Per cent of the values that intervals of target="labs" are to hold.
    networks : int
        Networks that are trained and averaged.
    size : {"small", "medium", "large"}
        Width and depth of the networks.
    random_state : int, optional
        Seed; equal seeds give equal models. 0 when not given.
    train : TrainConfig, optional
        Settings of the training loop; what is left open is chosen from the data.

    Attributes
    ----------
    codes_ : ndarray of shape (K,)
        The codes that are foretold, sorted; with target="labs" the variables; else empty.

    Examples
    --------
    >>> from cellstate.data.health.visits import make_visits
    >>> visits = make_visits({k: [(0, 9, ["DX10:I10"]), (99, 120, ["DX10:I10", "DX10:I50"])]
    ...                       for k in range(12)})
    >>> model = RecordsModel(networks=1, random_state=0).fit(visits)
    >>> [code for code, _ in model.predict(visits.take([0]))[0]]
    ['DX10:I10', 'DX10:I50']
    """

    task: ClassVar[str] = "records"
    reads: ClassVar[str] = "visits"

    def __init__(
        self,
        *,
        target: str = NEXT,
        horizon_days: float = 30.0,
        answers: str = "",
        least_patients: int = LEAST_PATIENTS,
        level: float = 80.0,
        networks: int = 3,
        size: Literal["small", "medium", "large"] = "small",
        random_state: int | None = None,
        train: TrainConfig | None = None,
    ) -> None:
        self.target = target
        self.horizon_days = horizon_days
        self.answers = answers
        self.least_patients = least_patients
        self.level = level
        self.networks = networks
        self.size = size
        self.random_state = random_state
        self.train = train

    def fit(self, visits: Visits, labels: Any = None, validation: Visits | None = None) -> Self:
        """Train on the visits of patients.

        Parameters
        ----------
        visits : Visits
            Of `read_visits`, `read_mimic` or `make_visits`.
        labels : array or frame, optional
            Outcomes of the visits where `target` names one: (N,) of 0, 1 or NaN for unknown, or a
            frame with subject_id, start and a column of that name.
        validation : Visits, optional
            Other patients, who choose when to stop and put answers right.

        Raises
        ------
        InputError
            An argument is out of range, nothing can be learned from (no codes, no patient with two
            visits, all outcomes equal), or a patient is in both `visits` and `validation`.
        TrainingError
            The loss stayed undefined.
        """
        require("torch", extra="train")
        settings = read_settings(self)
        parts = prepare(settings, visits, labels, validation)
        self.fitted_, self.rivals_, self.held_ = fit_all(*parts, settings)
        self._name_answers(parts[0].visits.variables)
        return self

    def predict(self, visits: Visits) -> Any:
        """Foretell what follows each patient's last visit.

        Returns
        -------
        list of list of Foretold, or ndarray
            With target="next" the 10 most probable codes of each patient; with "labs" (S, V)
            medians of the next visit's numbers; else (S,) bool, whether the outcome is more
            probable than not.

        Warns
        -----
        UnknownCodesWarning
            Visits have codes that the model does not know.
        """
        fitted, said = self._said("predict", visits)
        if fitted.plan.kind == "values":
            return fitted.intervals(said)[..., 1]
        risks = fitted.probabilities(said)
        if fitted.plan.kind == "risk":
            return risks[:, 0] >= 0.5
        order = np.argsort(-risks, axis=1, kind="stable")[:, :10]
        return [
            [Foretold(str(self.codes_[k]), float(row[k])) for k in chosen]
            for row, chosen in zip(risks, order, strict=True)
        ]

    def predict_proba(self, visits: Visits) -> np.ndarray:
        """Give the probability of each code after each patient's last visit: (S, K).

        Columns are as in `codes_`; of an outcome its risk, (S,).

        Raises
        ------
        InputError
            The model foretells numbers.
        """
        fitted, said = self._said("predict_proba", visits)
        if fitted.plan.kind == "values":
            must = "the model must foretell codes or an outcome"
            do = "Call predict_intervals"
            raise InputError(explain("RecordsModel.predict_proba", must, "target='labs'", do))
        risks = fitted.probabilities(said)
        return risks if fitted.plan.kind == "codes" else risks[:, 0]

    def predict_intervals(self, visits: Visits) -> np.ndarray:
        """Give low end, median and high end of each number of the next visit: (S, V, 3).

        Raises
        ------
        InputError
            The model foretells codes or an outcome.
        """
        fitted, said = self._said("predict_intervals", visits)
        if fitted.plan.kind != "values":
            must, do = "the model must foretell numbers", "Call predict_proba, or fit target='labs'"
            given = f"target={self.target!r}"
            raise InputError(explain("RecordsModel.predict_intervals", must, given, do))
        return fitted.intervals(said)

    def attributions(self, visits: Visits, code: str | None = None) -> list[Attribution]:
        """Tell which codes of which visits speak for what is foretold, patient by patient.

        Parameters
        ----------
        visits : Visits
        code : str, optional
            With target="next" the code to speak of; by default the most probable one of each
            patient.

        Returns
        -------
        list of Attribution
            What is said minus what would be said without one code of one visit, in nats of log
            odds: exact, see `Attribution`.
        """
        from cellstate.tasks.health.records.attributions import attribute

        where = "RecordsModel.attributions"
        fitted, said = self._said("attributions", visits)
        if fitted.plan.kind == "values":
            must, do = "the model must foretell codes or an outcome", "Fit with another target"
            raise InputError(explain(where, must, "target='labs'", do))
        names = [*map(str, self.codes_)] or [self.target]
        chosen = said.argmax(1)
        if code is not None:
            if code not in names:
                must = f"code must be among the {len(names):,} that are foretold"
                raise InputError(explain(where, must, repr(code), did_you_mean(code, names)))
            chosen = np.full(len(said), names.index(code))
        encoded = fitted.encode(visits)
        return [
            attribute(fitted, encoded, patient, int(target), names[int(target)])
            for patient, target in enumerate(chosen)
        ]

    def score(self, visits: Visits, labels: Any = None) -> float:
        """Give the score that decides, with its sign turned where less is better."""
        evaluation = self.evaluate(visits, labels)
        value = evaluation.metric(evaluation.decided_by)
        return value if evaluation.metrics[evaluation.decided_by].best == "max" else -value

    def evaluate(self, visits: Visits | None = None, labels: Any = None) -> Evaluation:
        """Score answers against what came true, beside the baselines, over every visit.

        The baselines are the most frequent codes, how often codes of the last visit come again,
        and logistic regression on the codes so far, its penalty chosen on patients left out; of
        numbers the median, the last value and ridge regression.

        Parameters
        ----------
        visits : Visits, optional
            Patients that were not trained on. When not given, those that `fit` held out.
        labels : optional
            As of `fit`.
        """
        self._require_fitted("evaluate")
        if visits is None:
            return self.held_
        told = self.told(visits, labels)
        patients, trained = len(np.unique(told.patients)), self.fitted_.record["data"]["usable"]
        return told.evaluation(
            f"Protocol: {len(told.truth):,} visits of {patients:,} patients that were given; "
            f"{trained:,} patients learned from."
        )

    def told(self, visits: Visits, labels: Any = None) -> Told:
        """Give what the networks and the baselines say, row by row, for scores of your own.

        Parameters
        ----------
        visits : Visits
        labels : optional
            As of `fit`.
        """
        where = "RecordsModel.told"
        self._require_fitted("told")
        fitted, given = self.fitted_, self._checked(where, visits)
        targets = self._targets(where, given, labels)
        check_target(where, given, targets, fitted.nodes, self.answers, to_learn=False)
        fitted.vocabulary.warn(where, given)
        parts = fitted.vocabulary, fitted.scales, fitted.nodes
        problem = Problem.of(given, targets, *parts, self.answers)
        return tell(fitted, self.rivals_, problem)

    def story(self, visits: Visits | None = None, labels: Any = None) -> Story:
        """Tell how the fit went, for the report; visits are scored as by `evaluate`."""
        from cellstate.tasks.health.records.story import tell

        self._require_fitted("story")
        return tell(self, self.evaluate(visits, labels))

    def _said(self, method: str, visits: Visits) -> tuple[Fitted, np.ndarray]:
        """Give the networks' answers after the last visit of each patient: (S, K)."""
        self._require_fitted(method)
        given = self._checked(f"RecordsModel.{method}", visits)
        self.fitted_.vocabulary.warn(f"RecordsModel.{method}", given, stacklevel=4)
        encoded = self.fitted_.encode(given)
        return self.fitted_, self.fitted_.answers(encoded, encoded.last)

    def _checked(self, where: str, visits: Visits) -> Visits:
        given = check_visits(where, visits)
        check_variables(where, tuple(self.variables_), given)
        return given

    def _targets(self, where: str, visits: Visits, labels: Any) -> Targets:
        return find_targets(
            where, self.target, visits, horizon_days=float(self.horizon_days), labels=labels
        )

    def _name_answers(self, variables: tuple[str, ...]) -> None:
        names = [self.fitted_.vocabulary.nodes[k] for k in self.fitted_.nodes]
        self.variables_ = tuple(variables)
        self.codes_ = np.array(variables if self.fitted_.plan.kind == "values" else names)

    def _is_fitted(self) -> bool:
        return hasattr(self, "fitted_")

    def _fitted_parts(self) -> Parts:
        fitted = self.fitted_
        encoders = {
            "vocabulary": fitted.vocabulary.as_dict(),
            "scales": fitted.scales.as_dict(),
            "variables": list(self.variables_),
        }
        decoding = {"held": held_scores.to_dict(self.held_)}
        tensors = fitted.tensors() | self.rivals_.tensors()
        return fitted.network(), encoders, decoding, fitted.record, tensors

    def _restore(self, manifest: Manifest, tensors: dict[str, np.ndarray]) -> None:
        require("torch", extra="train")
        encoders = manifest.encoders
        vocabulary = Vocabulary.from_dict(encoders["vocabulary"])
        scales = Scales(**encoders["scales"])
        self.fitted_ = restored(manifest.network, vocabulary, scales, tensors, manifest.record)
        self.rivals_ = Rivals.from_tensors(self.fitted_.plan.kind, tensors)
        self.held_ = held_scores.from_dict(manifest.decoding["held"])
        self._name_answers(tuple(encoders["variables"]))
