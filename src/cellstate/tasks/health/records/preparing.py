"""From visits to what networks are trained on: checked, encoded, and some patients held out."""

from __future__ import annotations

from typing import Any

import numpy as np

from cellstate.data.health.visits import Visits
from cellstate.errors import InputError, explain
from cellstate.tasks.health.records import plan as plans
from cellstate.tasks.health.records.checks import (
    check_patients_apart,
    check_target,
    check_variables,
    check_visits,
    joined,
)
from cellstate.tasks.health.records.encoding import Scales
from cellstate.tasks.health.records.settings import Settings
from cellstate.tasks.health.records.targets import find_targets
from cellstate.tasks.health.records.told import Problem
from cellstate.tasks.health.records.vocabulary import Vocabulary


def prepare(
    settings: Settings, visits: Any, labels: Any, validation: Any
) -> tuple[Problem, Vocabulary, Scales, np.ndarray]:
    """Check and encode visits, and choose the patients that each network leaves out.

    Returns
    -------
    problem : Problem
    vocabulary : Vocabulary
    scales : Scales
    held : np.ndarray
        (networks, S) bool

    Raises
    ------
    InputError
        Nothing can be learned from, or a patient is in both parts.
    """
    where = settings.where
    given = check_visits(where, visits)
    vocabulary, scales = Vocabulary.learn(given, settings.least_patients), Scales.of(given)
    whole = given if validation is None else _joined(where, given, labels, validation)
    targets = find_targets(
        where, settings.target, whole, horizon_days=settings.horizon_days, labels=labels
    )
    is_codes = targets.kind == "codes"
    nodes = vocabulary.targets(settings.answers) if is_codes else np.zeros(0, dtype=np.int64)
    check_target(where, whole, targets, nodes, settings.answers)
    if validation is None:
        held = hold_out(whole, targets.known, settings.networks, settings.seed)
    else:
        is_other = np.isin(whole.subjects, given.subjects, invert=True)
        if not targets.known[is_other[whole.subject_of]].any():
            must = "of some visit of the validation patients it must be known what came after"
            raise InputError(explain(where, must, "none", "Give others, or leave validation out"))
        held = np.repeat(is_other[None], settings.networks, axis=0)
    problem = Problem.of(whole, targets, vocabulary, scales, nodes, settings.answers)
    return problem, vocabulary, scales, held


def hold_out(visits: Visits, known: np.ndarray, networks: int, seed: int) -> np.ndarray:
    """Choose the patients that each network leaves out: (networks, S) bool.

    Patients of whom nothing is known after any visit are left out by none: they are not used.
    """
    rng = np.random.default_rng(seed)
    usable = np.unique(visits.subject_of[known])
    held = np.zeros((networks, len(visits.subjects)), dtype=bool)
    order = rng.permutation(usable)
    if len(usable) >= plans.FEWEST_TO_SPLIT:
        count = min(plans.MOST_HELD_OUT, int(plans.HELD_OUT * len(order)))
        held[:, order[:count]] = True
        return held
    # Parts that are no smaller with fewer networks: more patients to learn from count for more.
    count = min(max(plans.FOLDS, networks), len(usable))
    for place in range(networks):
        held[place, order[np.arange(len(order)) % count == place % count]] = True
    return held


def _joined(where: str, visits: Visits, labels: Any, validation: Any) -> Visits:
    if labels is not None:
        must, do = "validation takes no labels", "Give all visits and labels together"
        raise InputError(explain(where, must, "labels with validation", do))
    check_patients_apart(where, visits, check_visits(where, validation))
    check_variables(where, visits.variables, validation)
    return joined(visits, validation)
