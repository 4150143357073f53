"""What is measured on risks of an event, with definitions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.errors import InputError, ShapeError, explain
from cellstate.tasks.health.ranking import Ranking
from cellstate.tasks.metrics import CALIBRATION_BINS, FLOOR, Metric

SPECIFICITY = 0.9
SENSITIVITY = f"sensitivity at {100 * SPECIFICITY:.0f} % specificity"

METRICS = {
    "AUROC": Metric(
        "chance that a row with the event has a higher risk than one without, ties count half",
        "max",
    ),
    "AUPRC": Metric(
        "average precision over the rows with the event; risks by chance have the prevalence",
        "max",
    ),
    "prevalence": Metric("share of rows with the event", ""),
    "Brier": Metric("mean squared difference of risk and event, 1 or 0", "min"),
    "log loss": Metric("mean of −log p(what happened), nats, p no less than 1e-12", "min"),
    "ECE": Metric(
        "expected calibration error: mean gap of risk and share of events, 15 equal bins", "min"
    ),
    SENSITIVITY: Metric(
        "share of events found where a tenth of the rows without one have an alarm", "max"
    ),
}


@dataclass(frozen=True)
class RiskScorer:
    """Scores of risks against events, quick to compute again for other weights.

    Attributes
    ----------
    ranking : Ranking
    truth : np.ndarray
        (n,) 1.0 where the row has the event.
    squares, losses : np.ndarray
        (n,) what each row adds to the Brier score and to the log loss.
    gaps, bins : np.ndarray
        (n,) risk − event, and the bin of the risk.

    Examples
    --------
    >>> score = RiskScorer.of(np.array([1, 0, 0]), np.array([0.9, 0.2, 0.4]))
    >>> score()["AUROC"], score(np.array([1.0, 2.0, 0.0]))["Brier"].__round__(4)
    (1.0, 0.03)
    """

    ranking: Ranking
    truth: np.ndarray
    squares: np.ndarray
    losses: np.ndarray
    gaps: np.ndarray
    bins: np.ndarray

    @classmethod
    def of(cls, truth: Any, risks: Any) -> RiskScorer:
        """Prepare rows, each with an event or without, and their risks.

        Raises
        ------
        InputError
            A truth is neither 0 nor 1, a risk is no probability, or there are not as many.
        """
        event, risk = read_risks("score_risks", truth, risks)
        said = np.where(event, risk, 1.0 - risk)
        return cls(
            Ranking.of(event, risk),
            event.astype(np.float64),
            (risk - event) ** 2,
            -np.log(np.clip(said, FLOOR, None)),
            risk - event,
            np.minimum((risk * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1),
        )

    def __call__(self, weights: np.ndarray | None = None) -> dict[str, float]:
        """Score all rows, each as often as its weight (n,) says; NaN where not defined."""
        here = np.ones(len(self.truth)) if weights is None else weights
        total = here.sum()
        if total <= 0:
            return dict.fromkeys(METRICS, float("nan"))
        found = self.ranking.found(weights)
        off = np.abs(np.bincount(self.bins, here * self.gaps, CALIBRATION_BINS)).sum()
        return {
            "AUROC": found.auroc(),
            "AUPRC": found.auprc(),
            "prevalence": float(here @ self.truth / total),
            "Brier": float(here @ self.squares / total),
            "log loss": float(here @ self.losses / total),
            "ECE": float(np.round(off / total, 12)),  # no rounding error of a sum
            SENSITIVITY: found.sensitivity(specificity=SPECIFICITY),
        }


def score_risks(truth: Any, risks: Any) -> dict[str, float]:
    """Score risks (n,) of an event against what happened (n,).

    Returns
    -------
    dict of str to float
        By the names in `METRICS`; NaN where rows of both kinds are needed and one is missing.

    Raises
    ------
    InputError
        A truth is neither 0 nor 1, a risk is no probability, or there are not as many.

    Examples
    --------
    >>> scores = score_risks([1, 0, 0, 1], [0.8, 0.3, 0.4, 0.4])
    >>> scores["AUROC"], round(scores["AUPRC"], 3), scores["prevalence"], scores["Brier"]
    (0.875, 0.833, 0.5, 0.1625)
    """
    return RiskScorer.of(truth, risks)()


def sensitivity_at_rate(truth: Any, risks: Any, rate: float) -> float:
    """Give the share of events found where a share of all rows may have an alarm.

    Raises
    ------
    InputError
        As of `score_risks`, or the rate is not from 0 to 1.

    Examples
    --------
    >>> sensitivity_at_rate([1, 0, 0, 1], [0.8, 0.3, 0.4, 0.5], 0.25)
    0.5
    """
    _check_share("sensitivity_at_rate", "rate", rate)
    event, risk = read_risks("sensitivity_at_rate", truth, risks)
    return Ranking.of(event, risk).found().sensitivity(rate=rate)


def sensitivity_at_specificity(truth: Any, risks: Any, specificity: float) -> float:
    """Give the share of events found where a share of the rows without one stays without alarm.

    Raises
    ------
    InputError
        As of `score_risks`, or the specificity is not from 0 to 1.

    Examples
    --------
    >>> sensitivity_at_specificity([1, 0, 0, 1], [0.8, 0.3, 0.4, 0.35], 0.5)
    1.0
    """
    _check_share("sensitivity_at_specificity", "specificity", specificity)
    event, risk = read_risks("sensitivity_at_specificity", truth, risks)
    return Ranking.of(event, risk).found().sensitivity(specificity=specificity)


def observed_to_expected(truth: Any, risks: Any) -> float:
    """Give the number of events over the sum of the risks: above 1, risks are too low.

    Examples
    --------
    >>> observed_to_expected([1, 0, 0, 1], [0.5, 0.5, 0.5, 0.1]).__round__(6)
    1.25
    """
    event, risk = read_risks("observed_to_expected", truth, risks)
    expected = float(risk.sum())
    return float(event.sum() / expected) if expected > 0 else float("nan")


def read_risks(where: str, truth: Any, risks: Any) -> tuple[np.ndarray, np.ndarray]:
    """Read events as (n,) bool and risks as (n,) float64.

    Raises
    ------
    ShapeError
        They are not two rows of numbers of one length.
    InputError
        A truth is neither 0 nor 1, or a risk is no probability; the first such row is named.
    """
    given, risk = np.asarray(truth), np.asarray(risks, dtype=np.float64)
    if given.ndim != 1 or given.shape != risk.shape:
        must = "truth and risks must be two arrays of one axis and one length"
        shapes = f"{given.shape} and {risk.shape}"
        raise ShapeError(explain(where, must, shapes, "Give one risk for each row"))
    event = given.astype(np.float64)
    _refuse_first(
        where,
        "every truth must be 0 or 1",
        (event != 0) & (event != 1),
        "Leave rows out whose outcome is not known",
    )
    _refuse_first(
        where,
        "every risk must be a probability",
        ~((risk >= 0) & (risk <= 1)),
        "Give numbers from 0 to 1",
    )
    return event == 1, risk


def _refuse_first(where: str, must: str, is_bad: np.ndarray, do: str) -> None:
    if is_bad.any():
        given = f"something else in row {int(np.argmax(is_bad))}"
        raise InputError(explain(where, must, given, do))


def _check_share(where: str, name: str, given: float) -> None:
    if not 0 <= given <= 1:
        raise InputError(
            explain(where, f"{name} must be from 0 to 1", repr(given), f"Give {name}=0.1, say")
        )
