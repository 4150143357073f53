"""From rows and targets to a trained network."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

import cellstate
from cellstate.artifact import fingerprint
from cellstate.extras import require
from cellstate.tasks import splitting
from cellstate.tasks.arrays.encode import Encoder
from cellstate.tasks.arrays.fitted import Fitted
from cellstate.tasks.arrays.plan import FEWEST_TO_SPLIT, HELD_OUT, make_plan, training_defaults
from cellstate.tasks.arrays.reading import Sequences
from cellstate.tasks.arrays.task import ArraysTask
from cellstate.tasks.calibration import best_temperature
from cellstate.train.config import TrainConfig


@dataclass(frozen=True)
class Settings:
    """How to train, apart from the data."""

    where: str  # begins each message
    size: str
    seed: int
    config: TrainConfig


def fit_network(
    sequences: Sequences,
    targets: np.ndarray,
    held: np.ndarray,
    *,
    outputs: int,
    settings: Settings,
) -> Fitted:
    """Train a network on the rows that are not held out.

    Parameters
    ----------
    sequences : Sequences
    targets : np.ndarray
        (n,) int64 class indices, or float32 standardised numbers.
    held : np.ndarray
        (n,) bool, rows that choose when to stop; all False for none.
    outputs : int
        Answers of the network.
    settings : Settings
    """
    require("torch", extra="train")
    from cellstate import train

    learn = sequences.take(np.flatnonzero(~held))
    encoder = Encoder.of(learn)
    steps = int(np.median(learn.lengths))
    plan = make_plan(
        settings.where, size=settings.size, inputs=encoder.inputs, outputs=outputs, steps=steps
    )
    defaults = training_defaults(len(learn), steps, is_split=bool(held.any()))
    config = settings.config.filled(**defaults)
    scaled = encoder.scaled(sequences)
    parts = [(scaled.take(np.flatnonzero(mask)), targets[mask]) for mask in (~held, held)]
    valid = parts[1] if held.any() else None
    task = ArraysTask(encoder, parts[0], valid, config.batch_size or 1)
    with train.isolated(settings.seed):
        model = plan.build()
    record = train.fit(model, task, config, seed=settings.seed).as_dict()
    record["data"] = {
        "fingerprint": fingerprint({"X": sequences.values, "target": targets}),
        "rows": len(sequences),
        "held_out": int(held.sum()),
        "steps": [int(sequences.lengths.min()), int(sequences.lengths.max())],
        "channels": int(sequences.values.shape[2]),
        "missing": sequences.missing,
    }
    record["versions"]["cellstate"] = cellstate.__version__
    fitted = Fitted(plan, encoder, model.cpu().double(), record)
    if held.any() and targets.dtype.kind == "i":
        answers = fitted.answers(sequences.take(np.flatnonzero(held)))
        fitted = replace(fitted, temperature=best_temperature(answers, targets[held]))
    return fitted


def hold_out(groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Choose rows to hold out, the same share of each group: (n,) bool.

    Few rows, and groups of few rows, are kept whole.

    Examples
    --------
    >>> held = hold_out(np.repeat([0, 1], 200), np.random.default_rng(0))
    >>> int(held[:200].sum()), int(held[200:].sum())
    (30, 30)
    >>> bool(hold_out(np.zeros(50), np.random.default_rng(0)).any())
    False
    """
    if len(groups) < FEWEST_TO_SPLIT:
        return np.zeros(len(groups), dtype=bool)
    return splitting.hold_out(groups, HELD_OUT, rng)
