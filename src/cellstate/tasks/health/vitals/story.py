"""What a fitted monitor has to show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cellstate.tasks import chapters, sections
from cellstate.tasks.evaluation import Evaluation
from cellstate.tasks.health import chapters as clinical
from cellstate.tasks.health.early_warning import WINDOW, alarm_curve, score_alarms
from cellstate.tasks.health.groups import groups_of
from cellstate.tasks.health.outcome.story import NO_DEVICE, facts
from cellstate.tasks.health.subgroups import by_subgroup
from cellstate.tasks.health.vitals.explaining import effects
from cellstate.tasks.health.vitals.task import Watched

if TYPE_CHECKING:
    from cellstate.tasks.health.vitals_monitor import VitalsMonitor

MOVERS = 4
"""Measurements that are shown of a stay."""


def tell(estimator: VitalsMonitor, evaluation: Evaluation) -> sections.Story:
    """Tell how the fit went: verdict, table, alarms, single stays, calibration, losses, facts."""
    record = estimator.fitted_.record
    data = record["data"]
    watched: Watched | None = evaluation.inputs or None
    pictures = [] if watched is None else _pictures(estimator, evaluation, watched)
    shown: list[sections.Section] = [
        chapters.verdict(evaluation),
        chapters.comparison(evaluation),
        *pictures,
        chapters.losses(record, unit="loss of a step", note="Of the first network."),
        *chapters.warnings(record),
        facts(data),
        chapters.reproduction(estimator, record, ("Networks", _networks(estimator))),
    ]
    of = "surprises" if estimator.target is None else estimator.target
    return sections.Story(
        title=f"Watching vital signs: {of}",
        summary=(
            f"{data['stays']:,} stays of {data['patients']:,} patients. {evaluation.protocol} "
            f"{NO_DEVICE}"
        ),
        sections=tuple(shown),
    )


def _pictures(
    estimator: VitalsMonitor, evaluation: Evaluation, watched: Watched
) -> list[sections.Section]:
    """Draw what needs the stays that were scored; a loaded model has none."""
    if watched.truth is None:
        return []
    policy, threshold = estimator.policy_, estimator.threshold_
    watch, risks = policy.watch(watched), evaluation.answers
    silence = policy.silence_h
    curve = alarm_curve(watch, risks, silence=silence)
    chosen = score_alarms(watch, risks, threshold, silence=silence)
    known = ~np.isnan(watched.truth)
    timelines = watched.timelines
    groups = {
        kind: np.repeat(names, timelines.steps)[known]
        for kind, names in groups_of(timelines).items()
    }

    def movers(place: int) -> list[sections.Mover]:
        hours = timelines.hours[timelines.offsets[place] :]
        found = sorted(
            effects(estimator.fitted_, timelines, place), key=lambda one: -abs(one.effect)
        )[:MOVERS]
        return [sections.Mover(float(hours[one.step]), one.variable, one.effect) for one in found]

    single = clinical.stays(
        watch, risks, threshold, silence=silence, window=WINDOW,
        event=estimator.target or "event", movers=movers,
    )  # fmt: skip
    shown: list[sections.Section] = [
        *clinical.alarms(curve, chosen),
        single,
        clinical.calibration(watched.truth[known], risks[known]),
    ]
    if groups:
        found = by_subgroup(watched.truth[known], risks[known], groups)
        shown.append(clinical.subgroups(found, "By group of patients, step by step"))
    return shown


def _networks(estimator: VitalsMonitor) -> str:
    plan: Any = estimator.fitted_.plan
    count = len(estimator.fitted_.weights)
    share = f"{100 * estimator.fitted_.mix.share:.0f} %"
    units = f"{count} of {plan.layers} × {plan.hidden} units"
    return f"{units}, mixed with a linear model; the networks' share is {share}"
