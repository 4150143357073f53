"""The learning-rate range test: raise the rate step by step and watch the loss."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from cellstate.errors import TrainingError, explain
from cellstate.train import device as devices
from cellstate.train.config import LOOP_DEFAULTS, TrainConfig
from cellstate.train.optimizer import AdamW
from cellstate.train.randomness import isolated
from cellstate.train.task import Batch, Task

SMOOTHING = 0.9
"""Share of the running mean that each step keeps."""
DIVERGED = 4.0
"""Times the range of losses seen so far by which the loss may rise before the test ends."""


@dataclass(frozen=True)
class RangeTest:
    """Losses over rising rates.

    Attributes
    ----------
    rates : ndarray, shape (steps,), float64
    losses : ndarray, shape (steps,), float64
        Smoothed training losses.
    suggested : float
        A tenth of the rate at which the loss was lowest: the loss still falls fast there, and
        the choice does not hang on the noise of single batches as the steepest point does.
    """

    rates: np.ndarray
    losses: np.ndarray
    suggested: float


def learning_rate_range_test(
    model: torch.nn.Module,
    task: Task,
    config: TrainConfig | None = None,
    *,
    seed: int,
    lowest: float = 1e-5,
    highest: float = 1.0,
    steps: int = 100,
) -> RangeTest:
    """Train a copy of `model` at exponentially rising rates until the loss diverges.

    The model and the caller's random generators stay as they are.

    Parameters
    ----------
    model : Module
    task : Task
    config : TrainConfig, optional
    seed : int
    lowest, highest : float
        Range of rates, ``0 < lowest < highest``.
    steps : int
        Rates to try, at least 10.

    Raises
    ------
    TrainingError
        The range is empty, or the loss is not finite from the start.

    References
    ----------
    L. N. Smith, "Cyclical learning rates for training neural networks", WACV 2017.
    """
    if not (0.0 < lowest < highest < math.inf and steps >= 10):
        raise TrainingError(
            explain(
                "learning_rate_range_test",
                "rates must satisfy 0 < lowest < highest, with 10 steps or more",
                f"lowest={lowest}, highest={highest}, steps={steps}",
                "Leave them out to try 100 rates from 1e-5 to 1",
            )
        )
    settings = (config or TrainConfig()).filled(**LOOP_DEFAULTS)
    where = devices.choose_device(settings.device or "auto")
    precision = devices.choose_precision(settings.precision or "auto", where)
    twin = copy.deepcopy(model).to(where).train()
    optimizer = AdamW(twin, rate=lowest, weight_decay=settings.weight_decay or 0.0)
    rng = np.random.default_rng(seed)
    rates: list[float] = []
    losses: list[float] = []
    mean = 0.0
    with isolated(seed, where):
        for k, batch in enumerate(itertools.islice(_endless(task, rng), steps)):
            rate = lowest * (highest / lowest) ** (k / (steps - 1))
            optimizer.rate = rate
            with devices.autocast(where, precision):
                loss = task.loss(twin, devices.to_device(batch, where), None).loss
            value = loss.item()
            if not math.isfinite(value):
                break
            mean = SMOOTHING * mean + (1.0 - SMOOTHING) * value
            rates.append(rate)
            losses.append(mean / (1.0 - SMOOTHING ** (k + 1)))
            if losses[-1] > losses[0] + DIVERGED * (losses[0] - min(losses)) + 1.0:
                break
            optimizer.clear_gradients()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(optimizer.parameters, settings.clip_norm or math.inf)
            optimizer.step()
    if len(rates) < 3:
        must = "the loss must be finite for the first rates"
        do = "Look for NaN or infinite values in the data, or start at a lower rate"
        raise TrainingError(explain("learning_rate_range_test", must, "a loss that is not", do))
    best = rates[int(np.argmin(losses))]
    return RangeTest(np.asarray(rates), np.asarray(losses), max(lowest, best / 10.0))


def _endless(task: Task, rng: np.random.Generator) -> Iterator[Batch]:
    while True:
        empty = True
        for batch in task.train_batches(rng):
            empty = False
            yield batch
        if empty:
            return
