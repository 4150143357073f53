"""From stays and outcomes to trained networks, each of which leaves out other patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import cellstate
from cellstate.artifact import fingerprint
from cellstate.data.health.splits import fold_subjects
from cellstate.data.health.timelines import Layout, Timelines
from cellstate.tasks.health.outcome.fitted import Fitted, network_answers, per_target
from cellstate.tasks.health.outcome.linear import fit_linear
from cellstate.tasks.health.outcome.mix import Mix
from cellstate.tasks.health.outcome.plan import (
    ALWAYS,
    FEWEST_EPOCHS,
    FOLDS,
    KINDS,
    UPDATES,
    make_plan,
)
from cellstate.tasks.health.outcome.summary import SummaryEncoder
from cellstate.tasks.health.outcome.targets import Target
from cellstate.tasks.health.outcome.task import OutcomeTask, Stays
from cellstate.tasks.health.schedule import training_defaults
from cellstate.tasks.health.steps import StepEncoder
from cellstate.tasks.health.summaries import summarize
from cellstate.train.config import TrainConfig


@dataclass(frozen=True)
class Settings:
    """How to train, apart from the data."""

    where: str  # begins each message
    size: str
    gaps: str
    is_balanced: bool
    seed: int
    config: TrainConfig


@dataclass(frozen=True)
class Held:
    """What was said of each training stay by what had not learned from its patient.

    Attributes
    ----------
    answers, networks : list of np.ndarray
        For each target (n, outputs), shared and of the networks alone.
    folds : np.ndarray
        (n,) which network left the stay out.
    """

    answers: list[np.ndarray]
    networks: list[np.ndarray]
    folds: np.ndarray


def fit_networks(
    timelines: Timelines,
    layout: Layout,
    targets: tuple[Target, ...],
    truths: tuple[np.ndarray, ...],
    settings: Settings,
) -> tuple[Fitted, Held]:
    """Train a network for each part of the patients, on all others.

    Answers for the part that a network left out choose when it stops; all of them together choose
    how networks and linear model share an answer, and what it is scaled by.
    """
    from cellstate import train

    where = settings.where
    targets = tuple(t.learned(where, y) for t, y in zip(targets, truths, strict=True))
    encoder = StepEncoder.of(timelines, KINDS)
    raw = summarize(timelines)
    summary = SummaryEncoder.of(raw)
    stays = Stays(timelines, encoder, summary(raw), settings.gaps)
    outputs = sum(target.outputs for target in targets)
    plan = make_plan(
        where,
        settings.size,
        inputs=stays.inputs,
        summaries=summary.features,
        outputs=outputs,
        gaps=settings.gaps,
    )
    first = None if targets[0].kind == "number" else np.nan_to_num(truths[0][:, -1], nan=-1.0)
    fold = fold_subjects(timelines.subjects, FOLDS, labels=first, seed=settings.seed)
    masks = [fold == k for k in range(int(fold.max()) + 1)]
    weights = [_weights(t, y, settings.is_balanced) for t, y in zip(targets, truths, strict=True)]
    said = np.zeros((len(stays), outputs))
    models: list[Any] = []
    records: list[dict[str, Any]] = []
    for place, held in enumerate(masks):
        config = settings.config.filled(
            sanity=place == 0,  # the others are like the first
            **training_defaults(
                int((~held).sum()), ALWAYS, updates=UPDATES, fewest_epochs=FEWEST_EPOCHS
            ),
        )
        task = OutcomeTask(stays, targets, truths, weights, held, config.batch_size or 1)
        seed = settings.seed + 7919 * place  # networks of one fit share no draws
        with train.isolated(seed):
            model = plan.build()
        records.append(train.fit(model, task, config, seed=seed).as_dict())
        models.append(model.cpu())
        said[held] = network_answers(models[-1], stays, np.flatnonzero(held))
    networks = per_target(targets, said)
    linear, lines = _linear(targets, stays.summary, truths, masks)
    mixes = tuple(
        Mix.of(target, net, line, y)
        for target, net, line, y in zip(targets, networks, lines, truths, strict=True)
    )
    shared = [mix(net, line) for mix, net, line in zip(mixes, networks, lines, strict=True)]
    record = joined(records)
    record["data"] = _facts(timelines, truths, len(masks))
    record["versions"]["cellstate"] = cellstate.__version__
    fitted = Fitted(plan, layout, encoder, summary, targets, models, linear, mixes, record)
    return fitted, Held(shared, networks, fold)


def _weights(target: Target, truth: np.ndarray, is_balanced: bool) -> np.ndarray:
    """Give each class the same weight over all rows, or each row."""
    if not is_balanced or target.kind not in ("binary", "classes"):
        return np.ones(1)
    known = truth[~np.isnan(truth[:, 0]), 0].astype(np.int64)
    counts = np.bincount(known, minlength=len(target.classes))
    return len(known) / (np.maximum(1, counts) * len(counts))


def _linear(
    targets: tuple[Target, ...],
    x: np.ndarray,
    truths: tuple[np.ndarray, ...],
    masks: list[np.ndarray],
) -> tuple[tuple[np.ndarray | None, ...], list[np.ndarray | None]]:
    weights: list[np.ndarray | None] = []
    said: list[np.ndarray | None] = []
    for target, truth in zip(targets, truths, strict=True):
        if target.kind == "time":
            weights.append(None)
            said.append(None)
            continue
        table, held = fit_linear(target, x, truth, masks)
        weights.append(table)
        said.append(held)
    return tuple(weights), said


def joined(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Tell of several trainings as of one; the curves are the first one's."""
    first = dict(records[0])
    first["seconds"] = sum(r["seconds"] for r in records)
    first["parameters"] = sum(r["parameters"] for r in records)
    first["events"] = [event for r in records for event in r["events"]]
    first["best_losses"] = [r["best_loss"] for r in records]
    return first


def _facts(timelines: Timelines, truths: tuple[np.ndarray, ...], folds: int) -> dict[str, Any]:
    steps = timelines.steps
    return {
        "fingerprint": fingerprint({"values": np.asarray(timelines.values), "truth": truths[0]}),
        "stays": len(timelines),
        "patients": len(set(timelines.subjects.tolist())),
        "steps": [int(steps.min()), int(np.median(steps)), int(steps.max())],
        "variables": len(timelines.variables),
        "measured": float((~np.isnan(timelines.values)).mean()) if timelines.values.size else 0.0,
        "folds": folds,
        "left_out": len(timelines.left_out),
    }
