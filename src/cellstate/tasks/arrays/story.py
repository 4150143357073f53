"""What a fitted classifier or regressor has to show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cellstate.tasks import chapters, sections
from cellstate.tasks.arrays.plan import Plan
from cellstate.tasks.evaluation import Evaluation

if TYPE_CHECKING:
    from cellstate.tasks.arrays.sequence_estimator import AbstractSequenceEstimator

BINS = 31


def tell(estimator: AbstractSequenceEstimator, evaluation: Evaluation) -> sections.Story:
    """Tell how the fit went: verdict, table, confusion or residuals, losses, facts."""
    data, record = estimator.fitted_.record["data"], estimator.fitted_.record
    is_classifier = evaluation.answers.ndim == 2
    shown: list[sections.Section] = [
        chapters.verdict(evaluation),
        chapters.comparison(evaluation),
        *(_confusion(estimator, evaluation) if is_classifier else [_residuals(evaluation)]),
        chapters.losses(record, unit="loss of a row"),
        *chapters.warnings(record),
        _data(data),
        chapters.reproduction(estimator, record, ("Network", _network(estimator.fitted_.plan))),
    ]
    kind = "Classes" if is_classifier else "Numbers"
    return sections.Story(
        title=f"{kind} from sequences",
        summary=f"{data['rows']:,} rows of {_steps(data)} steps. {evaluation.protocol}",
        sections=tuple(shown),
    )


def _confusion(estimator: Any, evaluation: Evaluation) -> list[sections.Section]:
    names = [str(name) for name in estimator.classes_]
    return chapters.confusion(names, evaluation.truth, evaluation.answers.argmax(1), "class")


def _residuals(evaluation: Evaluation) -> sections.Histogram:
    errors = evaluation.truth - evaluation.answers
    counts, edges = np.histogram(errors, BINS)
    note = f"Mean {errors.mean():.3g}."
    return sections.Histogram("Residuals", edges, counts, "truth − answer", note)


def _data(data: dict[str, Any]) -> sections.Facts:
    rows = (
        ("Rows", f"{data['rows']:,}"),
        ("Time steps", _steps(data)),
        ("Channels", str(data["channels"])),
        ("Missing values", f"{data['missing']:,}"),
        ("Held out to choose when to stop", f"{data['held_out']:,} rows"),
        ("Fingerprint", data["fingerprint"]),
    )
    return sections.Facts("Data", rows)


def _network(plan: Plan) -> str:
    return (
        f"segments of {plan.window} steps every {plan.stride}, {plan.width} channels; "
        f"{plan.layers} × {plan.hidden} units in both directions"
    )


def _steps(data: dict[str, Any]) -> str:
    shortest, longest = data["steps"]
    return f"{longest:,}" if shortest == longest else f"{shortest:,} – {longest:,}"
