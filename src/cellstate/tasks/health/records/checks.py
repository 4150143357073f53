"""What visits must be to be learned from, or to be answered for."""

from __future__ import annotations

from typing import Any

import numpy as np

from cellstate.data.health.visits import Visits, assemble
from cellstate.errors import ArgumentTypeError, InputError, explain
from cellstate.tasks.health.records.encoding import Scales
from cellstate.tasks.health.records.targets import Targets


def check_visits(where: str, visits: Any) -> Visits:
    """Require visits of at least one patient, each with one or more.

    Raises
    ------
    ArgumentTypeError
        They are something else.
    InputError
        There is none, or a patient has none.
    """
    if not isinstance(visits, Visits):
        must = "visits must be Visits"
        do = "Read them with read_visits or read_mimic of cellstate.data.health"
        raise ArgumentTypeError(explain(where, must, type(visits).__name__, do))
    if not len(visits):
        must, do = "there must be visits", "Check what was read, and visits.left_out"
        raise InputError(explain(where, must, "none", do))
    empty = np.flatnonzero(visits.counts == 0)
    if len(empty):
        must = "each patient must have a visit"
        given = f"{len(empty):,} without, the first at place {empty[0]:,}"
        raise InputError(explain(where, must, given, "Leave them out with visits.take"))
    return visits


def check_variables(where: str, known: tuple[str, ...], visits: Visits) -> None:
    """Require the numbers that the model was fitted with, in their order.

    Raises
    ------
    InputError
        There are others.
    """
    if visits.variables != known:
        must = f"visits must have the {len(known):,} variables of the training visits"
        missing = [name for name in known if name not in visits.variables]
        told = ", ".join(map(repr, missing[:5]))
        given = f"no {told}" if missing else f"{len(visits.variables):,}, or another order"
        raise InputError(explain(where, must, given, "Read them with the same variables"))


def check_patients_apart(where: str, visits: Visits, others: Visits) -> None:
    """Refuse a patient in both parts of a split; say how many, not who.

    Raises
    ------
    InputError
        Some are in both.
    """
    both = set(visits.subjects.tolist()) & set(others.subjects.tolist())
    if both:
        must = "no patient may be in both visits and validation"
        do = "Split by patient, for example with visits.split"
        raise InputError(explain(where, must, f"{len(both):,} in both", do))


def check_target(
    where: str,
    visits: Visits,
    targets: Targets,
    nodes: np.ndarray,
    answers: str,
    *,
    to_learn: bool = True,
) -> None:
    """Require that something is known to have come true, and more than one thing.

    Raises
    ------
    InputError
        Nothing can be learned from, or scored.
    """
    if targets.kind == "codes" and not len(visits.code):
        must, do = "some visit must have a code", "Check what was read, and visits.left_out"
        raise InputError(explain(where, must, "none", do))
    if targets.kind == "values" and not visits.variables:
        must = "visits must have numbers for target='labs'"
        do = "Read them with variables=10, for example"
        raise InputError(explain(where, must, "none", do))
    if targets.kind == "values" and to_learn and not Scales.of(visits).is_seen_by_any:
        must = "some variable must be of two patients or more"
        do = "Read other variables, or more patients"
        raise InputError(explain(where, must, "none", do))
    if not targets.known.any():
        told = ", ".join(f"{count:,} with {name}" for name, count in targets.counts.items())
        must = "of some visit it must be known what came after"
        single = int((visits.counts == 1).sum())
        given = f"{len(visits):,} visits: {told}; {single:,} patients have a single visit"
        do = "Give patients with several visits, or a shorter horizon"
        raise InputError(explain(where, must, given, do))
    patients = len(np.unique(visits.subject_of[targets.known]))
    if to_learn and patients < 2:
        must = "at least two patients must have a visit of which it is known what came after"
        raise InputError(explain(where, must, f"{patients}", "Give more patients"))
    if targets.kind == "codes" and not len(nodes):
        must = "some code must be of two patients or more, and begin as answers says"
        do = "Roll codes up to their categories, or change answers"
        raise InputError(explain(where, must, f"none, answers={answers!r}", do))
    if to_learn and targets.kind == "risk":
        values = targets.values[targets.known]
        if values.min() == values.max():
            must = "outcomes must not all be equal"
            given = f"{len(values):,} visits, all {'with' if values[0] else 'without'} it"
            do = "Give more visits, another target or another horizon"
            raise InputError(explain(where, must, given, do))


def joined(first: Visits, second: Visits) -> Visits:
    """Put two sets of patients with the same variables together."""
    parts = (first, second)
    sizes = np.cumsum([0, len(first)])
    subjects = np.concatenate([part.subjects[part.subject_of] for part in parts])
    return assemble(
        subjects,
        np.concatenate([part.start for part in parts]),
        np.concatenate([part.end for part in parts]),
        np.concatenate([part.visit_of + size for part, size in zip(parts, sizes, strict=True)]),
        [part.codes[k] for part in parts for k in part.code],
        age=np.concatenate([part.age for part in parts]),
        values=np.concatenate([part.values for part in parts]),
        variables=first.variables,
        observed_until={
            who: float(until)
            for part in parts
            for who, until in zip(part.subjects, part.observed_until, strict=True)
        },
        death={
            who: float(when)
            for part in parts
            for who, when in zip(part.subjects, part.death, strict=True)
        },
        left_out=first.left_out + second.left_out,
    )
