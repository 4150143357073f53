"""From stays and what is so at each step to trained networks, scaled on patients left out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import cellstate
from cellstate.artifact import fingerprint
from cellstate.data.health.splits import fold_subjects
from cellstate.data.health.timelines import Layout, Timelines
from cellstate.runtime import Chain
from cellstate.tasks.health.outcome.fitting import joined
from cellstate.tasks.health.outcome.mix import Mix
from cellstate.tasks.health.outcome.targets import Target
from cellstate.tasks.health.schedule import training_defaults
from cellstate.tasks.health.steps import StepEncoder
from cellstate.tasks.health.vitals.answering import earlier, surprises
from cellstate.tasks.health.vitals.fitted import Fitted, run
from cellstate.tasks.health.vitals.linear import fit_linear
from cellstate.tasks.health.vitals.plan import ALWAYS, FEWEST_EPOCHS, FOLDS, UPDATES, make_plan
from cellstate.tasks.health.vitals.task import VitalsTask, Watched
from cellstate.train.config import TrainConfig

TAIL = 12
"""Quantiles of surprise that are kept: half, three quarters, seven eighths … of all steps."""


@dataclass(frozen=True)
class Settings:
    """How to train, apart from the data."""

    where: str  # begins each message
    size: str
    seed: int
    config: TrainConfig


@dataclass(frozen=True)
class Held:
    """What was said of each step by what had not learned from its patient.

    Attributes
    ----------
    answers, networks : np.ndarray
        (N, outputs), shared and of the networks alone.
    folds : np.ndarray
        (n,) which network left the stay out.
    """

    answers: np.ndarray
    networks: np.ndarray
    folds: np.ndarray


def fit_networks(watched: Watched, layout: Layout, settings: Settings) -> tuple[Fitted, Held]:
    """Train a network for each part of the patients, on all others."""
    from cellstate import train

    timelines, truth = watched.timelines, watched.truth
    encoder = StepEncoder.of(timelines)
    rows = encoder.rows(timelines)
    outputs = 1 if truth is not None else 2 * len(layout.variables)
    plan = make_plan(settings.where, settings.size, inputs=encoder.inputs, outputs=outputs)
    happens = np.zeros(len(timelines)) if truth is None else _happens(timelines, truth)
    fold = fold_subjects(timelines.subjects, FOLDS, labels=happens, seed=settings.seed)
    answers = np.zeros((len(timelines.hours), outputs))
    weights: list[dict[str, np.ndarray]] = []
    records: list[dict[str, Any]] = []
    for place in range(int(fold.max()) + 1):
        held = fold == place
        config = settings.config.filled(
            sanity=place == 0,  # the others are like the first
            **training_defaults(
                int((~held).sum()), ALWAYS, updates=UPDATES, fewest_epochs=FEWEST_EPOCHS
            ),
        )
        task = VitalsTask(watched, rows, encoder, held, config.batch_size or 1)
        seed = settings.seed + 7919 * place  # networks of one fit share no draws
        with train.isolated(seed):
            model = plan.build()
        records.append(train.fit(model, task, config, seed=seed).as_dict())
        weights.append(model.cpu().tensors())
        chain = Chain(plan.chain, weights[-1])
        said, places = run((chain,), rows, timelines, np.flatnonzero(held))
        answers[places] = said
    record = joined(records)
    record["data"] = _facts(watched, int(fold.max()) + 1)
    record["versions"]["cellstate"] = cellstate.__version__
    fitted = Fitted(plan, layout, encoder, tuple(weights), None, Mix(), np.zeros(0), record)
    if truth is not None:
        owner = np.repeat(fold, timelines.steps)
        parts = [owner == place for place in range(int(fold.max()) + 1)]
        rng = np.random.default_rng([settings.seed, 3])
        linear, lines = fit_linear(rows, truth, parts, rng)
        mix = Mix.of(Target("", "binary", (0, 1)), answers, lines, truth[:, None])
        fitted = replace(fitted, linear=linear, mix=mix)
        return fitted, Held(mix(answers, lines), answers, fold)
    scaled = encoder.scales(np.asarray(timelines.values))
    known = surprises(earlier(timelines, answers), scaled)
    tail = np.quantile(known[known > 0], 1.0 - 0.5 ** np.arange(1, TAIL + 1))
    return replace(fitted, tail=tail), Held(answers, answers, fold)


def _happens(timelines: Timelines, truth: np.ndarray) -> np.ndarray:
    """Tell which stays have a step where it is so: (n,) float64."""
    owner = np.repeat(np.arange(len(timelines)), timelines.steps)
    return (np.bincount(owner, np.nan_to_num(truth), len(timelines)) > 0).astype(np.float64)


def _facts(watched: Watched, folds: int) -> dict[str, Any]:
    timelines, truth = watched.timelines, watched.truth
    steps = timelines.steps
    values = np.asarray(timelines.values)
    return {
        "fingerprint": fingerprint({"values": values}),
        "stays": len(timelines),
        "patients": len(set(timelines.subjects.tolist())),
        "steps": [int(steps.min()), int(np.median(steps)), int(steps.max())],
        "variables": len(timelines.variables),
        "measured": float((~np.isnan(values)).mean()) if values.size else 0.0,
        "share_true": None if truth is None else float(np.nanmean(truth)),
        "folds": folds,
        "left_out": len(timelines.left_out),
    }
