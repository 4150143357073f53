"""Look at the first batch before training: whether it is usable and the model can learn it."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from torch.utils.hooks import RemovableHandle

from cellstate.errors import TrainingError, explain
from cellstate.train import device as devices
from cellstate.train.asgd import make_optimizer
from cellstate.train.config import TrainConfig
from cellstate.train.randomness import isolated
from cellstate.train.task import Batch, Task
from cellstate.train.warning import TrainingWarning

SHARE = 0.03
"""Share of the run's steps that the attempt to overfit may take."""
FEWEST, MOST = 4, 12
"""Steps of that attempt; a run too short for the fewest goes without."""
LEARNED = 1e-6
"""Loss below which there is nothing left to learn, as on a constant series."""
LARGE = 100.0
"""Root mean square of a layer's input above which it counts as unscaled."""


def check(
    model: torch.nn.Module,
    task: Task,
    config: TrainConfig,
    *,
    seed: int,
    device: torch.device,
    steps: int,
) -> None:
    """Raise where training is bound to fail and warn where it probably will.

    Works on a copy of the model and draws from generators of its own.

    Raises
    ------
    TrainingError
        There is no first batch, or its loss is not finite.
    """
    with isolated(seed, device):
        first = next(iter(task.train_batches(np.random.default_rng(seed))), None)
        if first is None:
            must = "train_batches must yield at least one batch an epoch"
            raise TrainingError(explain("train", must, "none", "Give the task more rows"))
        batch = devices.to_device(first, device)
        twin = copy.deepcopy(model)
        precision = devices.choose_precision(config.precision or "auto", device)

        def loss() -> torch.Tensor:
            with devices.autocast(device, precision):
                return task.loss(twin, batch, None).loss

        twin.eval()
        with torch.no_grad(), _FirstInput(twin) as seen:
            before = float(loss())
        if not math.isfinite(before):
            raise TrainingError(_not_finite(first, f"a loss of {before}"))
        if not math.isfinite(seen.size):
            raise TrainingError(_not_finite(first, "inputs that are not"))
        if seen.size > LARGE:
            _warn(
                "the inputs of the first layer should be of size 1 or so",
                f"a root mean square of {seen.size:.3g} in {seen.name!r}",
                "Scale the inputs to mean 0 and standard deviation 1",
            )
        attempts = min(MOST, int(SHARE * steps))
        if attempts < FEWEST or abs(before) < LEARNED:
            return
        after = _overfit(twin, loss, config, attempts)
    if not after < before:
        _warn(
            "the model should be able to learn one batch by heart",
            f"a loss of {before:.4g} before and {after:.4g} after {attempts} steps on it",
            "Check that the loss depends on the trainable parameters, or lower learning_rate",
        )


def _overfit(twin: torch.nn.Module, loss: Any, config: TrainConfig, steps: int) -> float:
    """Take a few steps on one batch; give the lowest loss seen on the way."""
    optimizer = make_optimizer(twin, replace(config, weight_decay=0.0))
    lowest = math.inf
    for _ in range(steps):
        twin.train()
        optimizer.clear_gradients()
        loss().backward()
        torch.nn.utils.clip_grad_norm_(optimizer.parameters, config.clip_norm or math.inf)
        optimizer.step()
        twin.eval()
        with torch.no_grad():
            lowest = min(lowest, float(loss()))
    return lowest


class _FirstInput:
    """Measure what the first layer with parameters is given, whatever a task calls it."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.name = ""
        self.size = 0.0
        self._handles: list[RemovableHandle] = [
            module.register_forward_pre_hook(self._hook(name))
            for name, module in cast("Iterator[tuple[str, torch.nn.Module]]", model.named_modules())
            if next(module.parameters(recurse=False), None) is not None
        ]

    def _hook(self, name: str) -> Any:
        def measure(module: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
            first = inputs[0] if inputs else None
            if not self.name and isinstance(first, torch.Tensor) and first.is_floating_point():
                self.name = name or "the model"
                self.size = float(first.float().square().mean().sqrt())

        return measure

    def __enter__(self) -> _FirstInput:
        return self

    def __exit__(self, *problem: object) -> None:
        for handle in self._handles:
            handle.remove()


def _not_finite(batch: Batch, given: str) -> str:
    culprits = [
        name
        for name, array in batch.items()
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all()
    ]
    if culprits:
        given += f"; NaN or infinite values are in {', '.join(map(repr, culprits))}"
    return explain(
        "train",
        "inputs and loss of the first batch must be finite",
        given,
        "Remove or mask such values before training",
    )


def _warn(must: str, given: str, do: str) -> None:
    warnings.warn(explain("train", must, given, do), TrainingWarning, stacklevel=4)
