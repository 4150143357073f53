"""Learning the language of the texts before their labels, and how to go on from there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cellstate.tasks.text.classification import plan as plans
from cellstate.tasks.text.classification.plan import Plan
from cellstate.tasks.text.classification.task import StreamTask
from cellstate.train.config import TrainConfig

if TYPE_CHECKING:
    from cellstate.train import ParameterGroup

PACE = {"much": (2.6, 0.12), "little": (1.0, 0.03)}
"""What the rate is divided by from one layer to the one below, and the share of the run after which
one more layer learns. A memory that has read little has little worth keeping: it learns at once."""
MUCH = 1_000_000
"""Tokens from which a language model has read much."""
FEWEST_TOKENS = 4
"""Tokens below which there is no next one to learn."""


def pretrain(
    plan: Plan,
    texts: list[np.ndarray],
    checks: list[np.ndarray],
    *,
    is_backward: bool,
    config: TrainConfig,
    seed: int,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Train a language model; give its tensors by name and the record of its training.

    Parameters
    ----------
    plan : Plan
    texts, checks : list of ndarray
        Tokens of the texts to learn from, and of those that choose when to stop.
    is_backward : bool
        Whether texts are read from the end.
    config : TrainConfig
        Device, precision, progress bar and time limit are taken from it.
    seed : int
    """
    from cellstate import train

    with train.isolated(seed):
        model = plan.language_network()
    settings = plans.LANGUAGE_DEFAULTS
    task = StreamTask(
        texts,
        checks,
        streams=settings["batch_size"],
        steps=plans.LANGUAGE_STEP,
        is_backward=is_backward,
    )
    if task.tokens < FEWEST_TOKENS:
        return model.state_dict(), {"seconds": 0.0, "history": []}
    epochs = min(15, max(1, round(plans.LANGUAGE_TOKENS / task.tokens)))
    if config.epochs is not None:  # who asks for a short training means this one too
        epochs = min(epochs, config.epochs)
    chosen = replace(TrainConfig(**settings), epochs=epochs)
    same = ("device", "precision", "progress", "time_limit_s")
    chosen = replace(chosen, **{name: getattr(config, name) for name in same})
    record = train.fit(model, task, chosen, seed=seed).as_dict()
    return model.cpu().state_dict(), record


def fine_tuning_groups(model: Any, tokens: int) -> list[ParameterGroup]:
    """Let a network on a language model thaw from the head down, each layer slower than the last.

    `tokens` is how many the language model has learned from.

    These are the gradual unfreezing and the discriminative rates of J. Howard and S. Ruder,
    "Universal language model fine-tuning for text classification", ACL 2018.
    """
    from cellstate.train import ParameterGroup

    memories = [name for name, _ in model.encoder.named_children() if name.startswith("memory_")]
    below = [f"encoder.{name}" for name in reversed(memories)] + ["encoder.embedding"]
    fall, thaw = PACE["much" if tokens >= MUCH else "little"]
    return [
        ParameterGroup((name,), rate_factor=fall ** -(1 + depth), frozen_share=thaw * (1 + depth))
        for depth, name in enumerate(below)
    ]
