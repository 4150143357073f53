"""Which rows are scored, by a network and baselines that have not learned from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.tasks.arrays.baselines import Rival
from cellstate.tasks.arrays.evaluation import rival_answers
from cellstate.tasks.arrays.fitted import Fitted
from cellstate.tasks.arrays.reading import Sequences
from cellstate.tasks.arrays.reference import Reference
from cellstate.tasks.evaluation import NAME, Evaluation

FOLDS = 3

Rows = tuple[Sequences, np.ndarray]


@dataclass(frozen=True)
class Job:
    """How a kind of answer is made, scored and rivalled.

    Attributes
    ----------
    outputs : int
        Answers of the network.
    decode : callable
        (Fitted, Sequences) -> probabilities (n, K) or numbers (n,), in the form of the targets.
    train : callable
        (Sequences, targets, held) -> Fitted
    score : callable
        (truth, answers) -> metrics by name
    decided_by : str
    rivals : callable
        () -> baselines by name
    predict : callable
        (fitted baseline, rows) -> answers in the form of `decode`
    is_grouped : bool
        Whether folds must share out the values of the targets evenly.
    """

    outputs: int
    decode: Callable[[Fitted, Sequences], np.ndarray]
    train: Callable[[Sequences, np.ndarray, np.ndarray], Fitted]
    score: Callable[[np.ndarray, np.ndarray], dict[str, float]]
    decided_by: str
    rivals: Callable[[], dict[str, Rival]]
    predict: Callable[[Any, np.ndarray], np.ndarray]
    is_grouped: bool


def evaluate(
    job: Job, fitted: Fitted, reference: Reference, test: Rows | None = None
) -> Evaluation:
    """Score on given rows, on those that were held out, or by folds where none were."""
    kept, held = len(reference.targets), reference.held
    if test is None and not held.any():
        return _by_folds(job, fitted, reference)
    if test is not None:
        train = (reference.sequences, reference.targets)
        protocol = f"Protocol: {len(test[1])} rows that were given; {reference.total} learned from."
        notes = []
    else:
        train, test = reference.part(~held), reference.part(held)
        protocol = f"Protocol: {len(test[1])} rows that were held out of training."
        notes = ["These rows chose when training stopped: expect a little less on new data."]
    if kept < reference.total:
        notes.append(f"Baselines learned from {len(train[1])} of the training rows.")
    said = {NAME: job.decode(fitted, test[0])}
    said |= rival_answers(job.rivals(), train, test[0], job.predict)
    return _compared(job, test[1], said, protocol, notes)


def _by_folds(job: Job, fitted: Fitted, reference: Reference) -> Evaluation:
    """Score each third of the rows by what was learned from the others."""
    folds = _folds(reference.targets, job.is_grouped)
    if folds.max() == 0:
        rows = reference.part(folds == 0)
        said = {NAME: job.decode(fitted, rows[0])}
        said |= rival_answers(job.rivals(), rows, rows[0], job.predict)
        protocol = "Protocol: the training rows themselves, too few to set any aside."
        return _compared(job, rows[1], said, protocol, [])
    said: dict[str, np.ndarray] = {}
    for fold in range(folds.max() + 1):
        train, test = reference.part(folds != fold), reference.part(folds == fold)
        network = job.train(*train, np.zeros(len(train[1]), dtype=bool))
        here = {NAME: job.decode(network, test[0])}
        here |= rival_answers(job.rivals(), train, test[0], job.predict)
        for name, answers in here.items():
            whole = said.setdefault(name, np.empty((len(folds), *answers.shape[1:])))
            whole[folds == fold] = answers
    protocol = (
        f"Protocol: {len(folds)} training rows in {folds.max() + 1} folds, each scored by a "
        "network and baselines that learned from the others."
    )
    return _compared(job, reference.targets, said, protocol, [])


def _folds(targets: np.ndarray, is_grouped: bool) -> np.ndarray:
    """Number the fold of each row; every class is in at least two, or all rows are in one."""
    order = np.random.default_rng(0).permutation(len(targets))
    if is_grouped:
        if np.bincount(targets).min() < 2:
            return np.zeros(len(targets), dtype=np.int64)
        order = order[np.argsort(targets[order], kind="stable")]
    folds = np.empty(len(targets), dtype=np.int64)
    folds[order] = np.arange(len(targets)) % min(FOLDS, len(targets))
    return folds


def _compared(
    job: Job, truth: np.ndarray, said: dict[str, np.ndarray], protocol: str, notes: list[str]
) -> Evaluation:
    rows = {name: job.score(truth, answers) for name, answers in said.items()}
    return Evaluation(rows, job.decided_by, protocol, tuple(notes), truth, said[NAME])
