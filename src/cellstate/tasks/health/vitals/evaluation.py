"""What a monitor and its rivals said of the same steps, scored by risks and by alarms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cellstate.data.health.splits import fold_subjects
from cellstate.data.health.timelines import Timelines
from cellstate.tasks.evaluation import NAME, Evaluation
from cellstate.tasks.health import baselines, early_warning, utility
from cellstate.tasks.health.alarms import Watch, choose_threshold
from cellstate.tasks.health.bootstrap import bootstrap
from cellstate.tasks.health.metrics import METRICS as RISK_METRICS
from cellstate.tasks.health.metrics import RiskScorer, score_risks
from cellstate.tasks.health.steps import PLAIN, StepEncoder
from cellstate.tasks.health.vitals.answering import earlier
from cellstate.tasks.health.vitals.task import NARROWEST, Watched
from cellstate.tasks.metrics import Metric

MEAN = "prevalence"
ALONE = f"{NAME} networks alone"
LAST, SO_FAR = "last value", "mean so far"
LEVEL = 0.9
COVERAGE = "coverage of 90 % intervals"
FORECAST_METRICS = {
    "MAE": Metric("mean absolute error of the next measurement, standard units", "min"),
    COVERAGE: Metric("share of next measurements inside their interval", ""),
}
RISKS = ("AUROC", "AUPRC", "ECE")
ALARMS = {
    "events found": "sensitivity",
    "true alarms": "precision",
    "alarms a day": "alarms per patient-day",
    "lead, h": "lead time",
}
"""What a table calls the scores of alarms, so that it is not wider than a terminal."""
ALL_METRICS = (
    RISK_METRICS
    | utility.METRICS
    | {name: early_warning.METRICS[of] for name, of in ALARMS.items()}
    | FORECAST_METRICS
)


@dataclass(frozen=True)
class Policy:
    """When alarms are raised and what they should precede.

    Attributes
    ----------
    alarms_per_day, silence_h, lead_h : float
        As of `VitalsMonitor`.
    """

    alarms_per_day: float
    silence_h: float
    lead_h: float

    def watch(self, watched: Watched) -> Watch:
        """Give the stays with the hours of their events."""
        timelines, truth = watched.timelines, watched.truth
        events = np.full(len(timelines), np.nan)
        if truth is not None:
            owner = np.repeat(np.arange(len(timelines)), timelines.steps)
            so = np.flatnonzero(truth == 1)
            stays, first = np.unique(owner[so], return_index=True)
            events[stays] = timelines.hours[so[first]] + self.lead_h
        return Watch.of(timelines.offsets, timelines.hours, events)


@dataclass(frozen=True)
class Thresholds:
    """From which risk a system raises an alarm: at the stated rate, and for the most utility.

    Risks do not reach 2, which stands for no alarm at all.
    """

    rate: float
    utility: float = 2.0

    @classmethod
    def of(cls, policy: Policy, watched: Watched, risks: np.ndarray) -> Thresholds:
        """Choose on patients that the risks were not learned from."""
        watch = policy.watch(watched)
        rate = choose_threshold(
            watch, risks, alarms_per_day=policy.alarms_per_day, silence=policy.silence_h
        )
        if watched.truth is None:
            return cls(rate)
        worth = utility.Utilities.of(np.nan_to_num(watched.truth), watched.timelines.offsets)
        return cls(rate, worth.best_threshold(risks)[0])


def score(
    policy: Policy, watched: Watched, risks: np.ndarray, thresholds: Thresholds
) -> dict[str, float]:
    """Score what one system said of all steps."""
    assert watched.truth is not None, "risks are scored against labels"
    known = ~np.isnan(watched.truth)
    worth = utility.Utilities.of(np.nan_to_num(watched.truth), watched.timelines.offsets)
    alarms = early_warning.score_alarms(
        policy.watch(watched), risks, thresholds.rate, silence=policy.silence_h
    )
    risk, alarm = score_risks(watched.truth[known], risks[known]), alarms()
    return {
        **{name: risk[name] for name in RISKS},
        "utility": worth.score(risks >= thresholds.utility),
        **{name: alarm[of] for name, of in ALARMS.items()},
    }


@dataclass(frozen=True)
class Rival:
    """A baseline, fitted on parts of the patients in turn, with thresholds from those left out."""

    models: list[Any]
    thresholds: Thresholds

    def risks(self, x: np.ndarray) -> np.ndarray:
        """Give the mean risk at steps (M, F)."""
        return np.mean([baselines.probabilities(model, x, 2)[:, 1] for model in self.models], 0)


def fit_rivals(
    policy: Policy, encoder: StepEncoder, watched: Watched, seed: int, folds: int
) -> dict[str, Rival]:
    """Fit each baseline on what the network sees of each step, on the patients of each fold."""
    timelines, truth = watched.timelines, watched.truth
    assert truth is not None, "rivals learn from labels"
    x = step_rows(encoder, timelines)
    owner = np.repeat(np.arange(len(timelines)), timelines.steps)
    happens = np.bincount(owner, np.nan_to_num(truth), len(timelines)) > 0
    known = ~np.isnan(truth)
    if folds == 1:  # for the risks of others alone: no patient is left out
        y = truth[known].astype(np.int64)
        return {
            name: Rival([fit(x[known], y, owner[known])], Thresholds(2.0))
            for name, fit in baselines.classifiers(seed).items()
        }
    fold = fold_subjects(timelines.subjects, folds, labels=happens, seed=seed)[owner]
    rivals: dict[str, Rival] = {}
    for name, fit in baselines.classifiers(seed).items():
        models: list[Any] = []
        said = np.zeros(len(truth))
        for place in range(int(fold.max()) + 1):
            learn, out = known & (fold != place), fold == place
            models.append(fit(x[learn], truth[learn].astype(np.int64), owner[learn]))
            said[out] = baselines.probabilities(models[-1], x[out], 2)[:, 1]
        rivals[name] = Rival(models, Thresholds.of(policy, watched, said))
    return rivals


def step_rows(encoder: StepEncoder, timelines: Timelines) -> np.ndarray:
    """Give what is known at each step: (N, F) float32, NaN for what was never measured."""
    V = len(encoder.variables)
    rows = replace(encoder, kinds=PLAIN).rows(timelines)
    never = rows[:, 2 * V : 3 * V] == 0
    for block in (0, 3, 4, 5, 6):
        rows[:, block * V : (block + 1) * V][never] = np.nan
    return rows


def compare(
    policy: Policy,
    watched: Watched,
    said: Mapping[str, tuple[np.ndarray, Thresholds]],
    protocol: str,
    notes: list[str],
) -> Evaluation:
    """Score all systems on the same steps; intervals are over patients."""
    assert watched.truth is not None, "risks are scored against labels"
    rows = {name: score(policy, watched, *parts) for name, parts in said.items()}
    known = ~np.isnan(watched.truth)
    timelines = watched.timelines
    subjects = np.repeat(places(timelines.subjects), timelines.steps)[known]
    found = bootstrap(
        RiskScorer.of(watched.truth[known], said[NAME][0][known]), subjects, resamples=200
    )
    shown = f"AUROC {found['AUROC']}, AUPRC {found['AUPRC']}"
    notes = [*notes, f"{NAME}, 95 % intervals over patients: {shown}."]
    return Evaluation(
        rows,
        "AUROC",
        protocol,
        tuple(notes),
        watched.truth,
        said[NAME][0],
        inputs=watched,
        metrics=ALL_METRICS,
    )


def places(subjects: np.ndarray) -> np.ndarray:
    """Number subjects: (n,) int64."""
    return np.unique(np.array(list(map(str, subjects))), return_inverse=True)[1]


def score_forecasts(
    encoder: StepEncoder, timelines: Timelines, answers: np.ndarray
) -> dict[str, dict[str, float]]:
    """Score what was foretold of the next measurements, beside what needs no network."""
    V = len(encoder.variables)
    scaled = encoder.scales(np.asarray(timelines.values)).astype(np.float64)
    before = earlier(timelines, answers)
    rows = step_rows(encoder, timelines)
    last = earlier(timelines, rows[:, :V].astype(np.float64))
    so_far = earlier(timelines, rows[:, 4 * V : 5 * V].astype(np.float64))
    known = ~(np.isnan(scaled) | np.isnan(before[:, :V]) | np.isnan(last))
    spread = np.exp(np.maximum(before[:, V:], NARROWEST))
    # A Laplace distribution's central interval of probability p reaches −log(1 − p) spreads.
    inside = np.abs(scaled - before[:, :V]) <= -np.log(1 - LEVEL) * spread
    nothing = float("nan")
    return {
        NAME: {
            "MAE": float(np.abs(scaled - before[:, :V])[known].mean()),
            COVERAGE: float(inside[known].mean()),
        },
        LAST: {"MAE": float(np.abs(scaled - last)[known].mean()), COVERAGE: nothing},
        SO_FAR: {"MAE": float(np.abs(scaled - so_far)[known].mean()), COVERAGE: nothing},
    }
