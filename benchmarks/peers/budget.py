"""Lightning callbacks that treat every peer alike: a time budget, and the best weights kept."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytorch_lightning as lightning


class Budget(lightning.Callback):
    """Stops training after so many seconds; then restores the weights that validated best.

    Parameters
    ----------
    seconds : float
        How long training may take, validation included.
    monitor : str
        What the library calls its validation loss.
    patience : int
        Stop after so many validations without a better one.
    """

    def __init__(self, seconds: float, monitor: str, patience: int = 10) -> None:
        self.seconds = seconds
        self.monitor = monitor
        self.patience = patience
        self.best = float("inf")
        self.best_weights: dict[str, Any] | None = None
        self.waited = 0
        self.steps = 0
        self.start = self.end = 0.0
        self.validation_start = self.validation_seconds = 0.0

    def __deepcopy__(self, memo: dict[int, Any]) -> Budget:
        """Stay the same object: a library that copies its models must not copy the clock."""
        return self

    @property
    def fit_seconds(self) -> float:
        """How long training took."""
        return self.end - self.start

    def on_fit_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Start the clock."""
        self.start = time.perf_counter()

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Stop when there is only time for the last validation, which follows."""
        self.steps = trainer.global_step
        left = self.start + self.seconds - time.perf_counter()
        if left < self.validation_seconds:
            trainer.should_stop = True

    def on_validation_start(self, *_: Any) -> None:
        """Start the clock of one validation."""
        self.validation_start = time.perf_counter()

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Keep the best weights, and stop when they do not get better."""
        self.validation_seconds = time.perf_counter() - self.validation_start
        if trainer.sanity_checking or self.monitor not in trainer.callback_metrics:
            return
        loss = float(trainer.callback_metrics[self.monitor])
        if loss < self.best:
            self.best, self.waited = loss, 0
            self.best_weights = copy.deepcopy(pl_module.state_dict())
        else:
            self.waited += 1
            trainer.should_stop = trainer.should_stop or self.waited >= self.patience

    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Put the best weights back, and stop the clock."""
        if self.best_weights is not None:
            pl_module.load_state_dict(self.best_weights)
        self.end = time.perf_counter()


def quiet(budget: Budget) -> dict[str, Any]:
    """Arguments of a trainer that runs on the processor and writes nothing."""
    return {
        "accelerator": "cpu",
        "devices": 1,
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "num_sanity_val_steps": 0,
        "callbacks": [budget],
    }
