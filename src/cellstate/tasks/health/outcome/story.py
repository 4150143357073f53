"""What a fitted outcome predictor has to show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cellstate.tasks import chapters, sections
from cellstate.tasks.evaluation import NAME, Evaluation
from cellstate.tasks.health import chapters as clinical
from cellstate.tasks.health.net_benefit import decision_curves
from cellstate.tasks.health.outcome.targets import Target
from cellstate.tasks.health.subgroups import by_subgroup

if TYPE_CHECKING:
    from cellstate.tasks.health.outcome_predictor import OutcomePredictor

NO_DEVICE = "Not a medical device: figures describe these data, not the care of a patient."


def tell(estimator: OutcomePredictor, evaluation: Evaluation) -> sections.Story:
    """Tell how the fit went: verdict, table, calibration, decisions, groups, losses, facts."""
    record, target = estimator.fitted_.record, estimator.targets_[0]
    data = record["data"]
    shown: list[sections.Section] = [
        chapters.verdict(evaluation),
        chapters.comparison(evaluation),
        *_pictures(target, evaluation),
        chapters.losses(record, unit="loss of a stay", note="Of the first network."),
        *chapters.warnings(record),
        facts(data),
        chapters.reproduction(estimator, record, ("Networks", _networks(estimator))),
    ]
    return sections.Story(
        title=f"Outcome of stays: {', '.join(one.name for one in estimator.targets_)}",
        summary=(
            f"{data['stays']:,} stays of {data['patients']:,} patients. {evaluation.protocol} "
            f"{NO_DEVICE}"
        ),
        sections=tuple(shown),
    )


def facts(data: dict[str, Any]) -> sections.Facts:
    """Tell what the fit has read."""
    fewest, middle, most = data["steps"]
    return sections.Facts(
        "Data",
        (
            ("Stays", f"{data['stays']:,}"),
            ("Patients", f"{data['patients']:,}"),
            ("Steps of a stay", f"{fewest:,} to {most:,}, half of them {middle:,} or fewer"),
            ("Variables", f"{data['variables']:,}"),
            ("Measured", f"{100 * data['measured']:.1f} % of all variables and steps"),
            ("Left out by the readers", f"{data['left_out']:,} events"),
            ("Fingerprint", data["fingerprint"]),
        ),
    )


def _pictures(target: Target, evaluation: Evaluation) -> list[sections.Section]:
    """Draw what needs the rows that were scored; a loaded model has none."""
    if not len(evaluation.truth):
        return []
    if target.kind == "classes":
        truth = evaluation.truth[:, 0].astype(np.int64)
        names = [str(name) for name in target.classes]
        return chapters.confusion(names, truth, evaluation.answers.argmax(1), "class")
    if target.kind != "binary":
        return []
    truth, risks = evaluation.truth[:, 0], evaluation.answers
    shown: list[sections.Section] = [
        clinical.calibration(truth, risks),
        clinical.decisions(decision_curves(truth, {NAME: risks})),
    ]
    if evaluation.inputs:
        shown.append(clinical.subgroups(by_subgroup(truth, risks, evaluation.inputs)))
    return shown


def _networks(estimator: OutcomePredictor) -> str:
    plan, mixes = estimator.fitted_.plan, estimator.fitted_.mixes
    share = ", ".join(f"{100 * mix.share:.0f} %" for mix in mixes)
    return (
        f"{len(estimator.fitted_.models)} of {plan.layers} × {plan.hidden} units, mixed with a "
        f"linear model of summaries; the networks' share is {share}"
    )
