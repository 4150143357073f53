"""The arguments of a model of records, checked."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from cellstate.errors import ArgumentTypeError, InputError, explain
from cellstate.tasks.arguments import check_choice, check_config, check_seed, check_whole
from cellstate.tasks.health.records.plan import SIZES
from cellstate.tasks.health.records.targets import kind_of
from cellstate.tasks.health.records.vocabulary import LEAST_PATIENTS
from cellstate.train.config import TrainConfig

WHERE = "RecordsModel"


@dataclass(frozen=True)
class Settings:
    """How to train, apart from the data."""

    where: str  # begins each message
    target: str
    horizon_days: float  # of a readmission
    answers: str  # what codes that are foretold begin with
    least_patients: int
    size: str
    level: float  # of intervals, in per cent
    networks: int
    seed: int
    config: TrainConfig


def read_settings(estimator: Any) -> Settings:
    """Check the arguments of an estimator.

    Raises
    ------
    InputError, ArgumentTypeError
        One is out of range or of the wrong type.
    """
    for name in ("target", "answers"):
        given = getattr(estimator, name)
        if not isinstance(given, str) or (name == "target" and not given):
            must, do = f"{name} must be text", "For example target='next', answers='DX'"
            raise ArgumentTypeError(explain(WHERE, must, repr(given), do))
    if estimator.answers and kind_of(estimator.target) != "codes":
        must, given = "answers goes with target='next'", f"target={estimator.target!r}"
        raise InputError(explain(WHERE, must, given, "Leave it out"))
    horizon = _check_above_zero("horizon_days", estimator.horizon_days, np.inf)
    level = _check_above_zero("level", estimator.level, 100.0)
    least = estimator.least_patients
    return Settings(
        where=f"{WHERE}.fit",
        target=estimator.target,
        horizon_days=horizon,
        answers=estimator.answers,
        least_patients=check_whole(WHERE, "least_patients", least, least=LEAST_PATIENTS),
        size=check_choice(WHERE, "size", estimator.size, SIZES),
        level=level,
        networks=check_whole(WHERE, "networks", estimator.networks),
        seed=check_seed(WHERE, estimator.random_state),
        config=check_config(WHERE, estimator.train),
    )


def _check_above_zero(name: str, given: Any, below: float) -> float:
    is_number = isinstance(given, Real) and not isinstance(given, bool)
    if not is_number or not 0 < float(given) < below:
        end = "" if below == np.inf else f" and below {below:g}"
        must, do = f"{name} must be a number above 0{end}", f"For example {name}=30"
        raise InputError(explain(WHERE, must, repr(given), do))
    return float(given)
