"""What a fitted model of records has to show; nothing of a single patient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cellstate.data.health.icd import title
from cellstate.tasks import chapters, sections
from cellstate.tasks.evaluation import Evaluation

if TYPE_CHECKING:
    from cellstate.tasks.health.records_model import RecordsModel

UNITS = {
    "codes": "loss of a code",
    "risk": "loss of a visit",
    "values": "pinball loss, in deviations",
}


def tell(estimator: RecordsModel, evaluation: Evaluation) -> sections.Story:
    """Tell how the fit went: verdict, tables, losses, facts."""
    fitted = estimator.fitted_
    record, data = fitted.record, fitted.record["data"]
    shown: list[sections.Section] = [
        chapters.verdict(evaluation),
        chapters.comparison(evaluation),
        *_codes(evaluation),
        chapters.losses(
            record, unit=UNITS[fitted.plan.kind], title="Loss of the first network",
            note="That of all networks together.",
        ),
        *chapters.warnings(record),
        _data(data),
        _left_out(data),
        chapters.reproduction(estimator, record, *_network(estimator)),
    ]  # fmt: skip
    return sections.Story(
        title="Health records",
        summary=(
            f"{data['patients']:,} patients, {data['visits']:,} visits; foretold: "
            f"{estimator.target}. {evaluation.protocol} Not a medical device."
        ),
        sections=tuple(shown),
    )


def _codes(evaluation: Evaluation) -> list[sections.Section]:
    if not evaluation.by_class:
        return []
    columns = list(next(iter(evaluation.by_class.values())))
    rows = tuple(
        (name, title(name), *values.values()) for name, values in evaluation.by_class.items()
    )
    note = "Visits: those whose next visit has the code."
    return [sections.Table("The most frequent codes", ("code", "what", *columns), rows, note=note)]


def _data(data: dict[str, Any]) -> sections.Facts:
    held = f"{data['held_out']:,} patients" if data["held_out"] else "a part by each network"
    rows = (
        ("Patients", f"{data['patients']:,}, {data['usable']:,} of them with something to learn"),
        ("Visits", f"{data['visits']:,}; after {data['known']:,} it is known what came"),
        ("Codes", f"{data['codes']:,}, {data['known_codes']:,} of them known to the model"),
        ("Held out", held),
        ("Fingerprint", data["fingerprint"]),
    )
    note = "Codes of one patient alone are not kept: they are read as what they are a part of."
    return sections.Facts("Data", rows, note)


def _left_out(data: dict[str, Any]) -> sections.Table:
    rows = [("visits", name, count) for name, count in data["not_known"].items()]
    rows += [("rows", name, count) for name, count in data["rows_left_out"].items()]
    note = "Visits without an answer still belong to the history of later ones."
    return sections.Table("Left out", ("what", "why", "count"), tuple(rows), note=note)


def _network(estimator: RecordsModel) -> tuple[tuple[str, str], ...]:
    plan = estimator.fitted_.plan
    models = len(estimator.fitted_.models)
    told = f"{models} × {plan.layers} × {plan.hidden} units, {plan.width} a code"
    return (("Networks", told),)
