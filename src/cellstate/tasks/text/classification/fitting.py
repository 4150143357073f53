"""From texts and targets to trained networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import cellstate
from cellstate.artifact import fingerprint
from cellstate.data.text.tokenizer import Tokenizer
from cellstate.tasks.text.classification import plan as plans
from cellstate.tasks.text.classification.fitted import Fitted, Mix, answers, encoder_of
from cellstate.tasks.text.classification.labels import count_empty
from cellstate.tasks.text.classification.plan import make_plan, training_defaults
from cellstate.tasks.text.classification.pretraining import fine_tuning_groups, pretrain
from cellstate.tasks.text.classification.task import TextTask
from cellstate.tasks.text.classification.words import WITH_PIECES
from cellstate.train.config import TrainConfig

if TYPE_CHECKING:
    from cellstate.train import ParameterGroup

PIECES_PER_WORD = 8
"""Buckets for each word of the vocabulary; words share most of their pieces."""


@dataclass(frozen=True)
class Settings:
    """How to train, apart from the data."""

    where: str  # begins each message
    size: str
    tokenizer: str
    longest: int | None
    networks: int
    is_pretrained: bool
    seed: int
    config: TrainConfig


@dataclass(frozen=True)
class Rows:
    """Training texts, and which of them each network leaves out.

    Attributes
    ----------
    texts : list of str
    targets : np.ndarray
        (n,) class indices or (n, K) float32.
    held : np.ndarray
        (networks, n) bool: rows that choose when a network stops, and calibrate it.
    """

    texts: list[str]
    targets: np.ndarray
    held: np.ndarray


def fit_networks(
    rows: Rows,
    *,
    outputs: int,
    class_weights: np.ndarray | None,
    unlabelled: Sequence[str],
    settings: Settings,
) -> tuple[Fitted, np.ndarray]:
    """Train the networks; give them, and their mean answers for rows that they left out.

    Returns
    -------
    fitted : Fitted
        Without a linear model, and not calibrated.
    held_answers : np.ndarray
        (n, K), NaN for rows that no network left out.
    """
    from cellstate import train

    kept = ~np.all(rows.held, axis=0)
    is_words = settings.tokenizer in WITH_PIECES
    tokenizer = Tokenizer.train(
        [*(rows.texts[k] for k in np.flatnonzero(kept)), *unlabelled],
        kind=settings.tokenizer,
        # A language model learns nothing of a word seen once; pieces make up for it elsewhere.
        min_count=2 if settings.is_pretrained and is_words else 1,
        lowercase=is_words,
    )
    has_pieces = is_words and not settings.is_pretrained
    plan = make_plan(
        settings.where,
        size=settings.size,
        is_pretrained=settings.is_pretrained,
        vocabulary=tokenizer.size,
        pieces=min(plans.BUCKETS, PIECES_PER_WORD * tokenizer.size) if has_pieces else 0,
        outputs=outputs,
    )
    encoder = encoder_of(plan, tokenizer, settings.longest)
    words = encoder.encode(rows.texts)
    models: list[Any] = []
    records: list[dict[str, Any]] = []
    said = np.zeros((len(rows.texts), outputs))
    for place, held in enumerate(rows.held):
        is_backward = settings.is_pretrained and place % 2 == 1
        parts = [(words.take(np.flatnonzero(m)), rows.targets[m]) for m in (~held, held)]
        defaults = training_defaults(int((~held).sum()), is_pretrained=plan.is_pretrained)
        config = settings.config.filled(**defaults)
        task = TextTask(
            encoder,
            parts[0],
            parts[1],
            batch_size=config.batch_size or 1,
            class_weights=class_weights,
            is_backward=is_backward,
            push=0.0 if plan.is_pretrained else plans.PUSH,
        )
        seed = settings.seed + 7919 * place  # networks of one fit share no draws
        with train.isolated(seed):
            model = plan.build()
        record: dict[str, Any] = {}
        groups: Sequence[ParameterGroup] = ()
        if plan.is_pretrained:
            texts = [words.rows[k][1:-1] for k in np.flatnonzero(~held)]
            texts += [row[1:-1] for row in encoder.encode(list(unlabelled)).rows]
            checks = [words.rows[k][1:-1] for k in np.flatnonzero(held)]
            language, record["language"] = pretrain(
                plan, texts, checks, is_backward=is_backward, config=config, seed=seed
            )
            state = {n: t for n, t in language.items() if not n.startswith("output.")}
            model.encoder.load_state_dict(state)
            groups = fine_tuning_groups(model, sum(map(len, texts)))
        record |= train.fit(model, task, config, seed=seed, groups=groups).as_dict()
        models.append(model.cpu())
        records.append(record)
        if held.any():
            said[held] += answers(model, encoder, parts[1][0], is_backward=is_backward)
    times = rows.held.sum(0)
    said = np.where(times[:, None] > 0, said / np.maximum(1, times)[:, None], np.nan)
    record = _joined(records)
    record["data"] = _facts(rows, words.lengths, words.cut, tokenizer, unlabelled)
    record["versions"]["cellstate"] = cellstate.__version__
    thresholds = np.full(outputs if rows.targets.ndim == 2 else 0, 0.5)
    fitted = Fitted(plan, tokenizer, settings.longest, models, record, None, Mix(), thresholds)
    return fitted, said


def _joined(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Tell of several trainings as of one; the curves are the first one's."""
    first = dict(records[0])
    first["seconds"] = sum(
        r["seconds"] + r.get("language", {}).get("seconds", 0.0) for r in records
    )
    first["parameters"] = sum(r["parameters"] for r in records)
    first["events"] = [event for r in records for event in r["events"]]
    first["best_losses"] = [r["best_loss"] for r in records]
    return first


def _facts(
    rows: Rows,
    lengths: np.ndarray,
    cut: int,
    tokenizer: Tokenizer,
    unlabelled: Sequence[str],
) -> dict[str, Any]:
    letters = np.frombuffer("\0".join(rows.texts).encode("utf-8", "replace"), dtype=np.uint8)
    return {
        "fingerprint": fingerprint({"texts": letters, "targets": rows.targets}),
        "rows": len(rows.texts),
        "held_out": int(rows.held.all(0).sum()),
        "folds": int(rows.held.any() and not rows.held.all(0).any()),
        "tokens": int(lengths.sum()),
        "lengths": [int(lengths.min()), int(np.median(lengths)), int(lengths.max())],
        "vocabulary": tokenizer.size,
        "unlabelled": len(unlabelled),
        "empty": count_empty(rows.texts),
        "cut": cut,
    }
