"""`fit`: checks first, then the training itself."""

from __future__ import annotations

import torch

from cellstate.train import device, sanity
from cellstate.train.config import LOOP_DEFAULTS, NT_ASGD_DEFAULTS, TrainConfig
from cellstate.train.randomness import isolated
from cellstate.train.record import TrainRecord
from cellstate.train.task import Task
from cellstate.train.training import Training


def fit(
    model: torch.nn.Module, task: Task, config: TrainConfig | None = None, *, seed: int
) -> TrainRecord:
    """Train `model` on `task` and leave the best weights in it.

    The model is moved to the device of training and stays there, in evaluation mode. Equal
    models, tasks, settings and seeds give equal weights, bit for bit on one machine's CPU with
    the same number of threads; the caller's random generators are as before.

    A loss that turns NaN or explodes takes the training back to its last good state and halves
    the rate. Ctrl-C stops the training and keeps the best weights so far, as an early stop
    would; before the first validation there are none, and the interrupt is raised again.

    Parameters
    ----------
    model : Module
    task : Task
    config : TrainConfig, optional
        Fields that are None take the loop's defaults.
    seed : int
        In [0, 2**63).

    Returns
    -------
    TrainRecord

    Raises
    ------
    TrainingError
        The loss is not finite at the start, or diverges again after three roll-backs; the model
        is then in its last good state.

    Examples
    --------
    >>> import numpy as np
    >>> class Line:
    ...     x = np.linspace(-1, 1, 32, dtype=np.float32)[:, None]
    ...     def train_batches(self, rng):
    ...         yield {"x": self.x[rng.permutation(32)]}
    ...     def valid_batches(self):
    ...         return [{"x": self.x}]
    ...     def steps_per_epoch(self):
    ...         return 1
    ...     def loss(self, model, batch, state):
    ...         return StepLoss(torch.nn.functional.mse_loss(model(batch["x"]), 2 * batch["x"]))
    >>> from cellstate.train import StepLoss
    >>> with isolated(0):
    ...     line = torch.nn.Linear(1, 1)
    >>> record = fit(line, Line(), TrainConfig(epochs=100, learning_rate=0.1), seed=0)
    >>> record.best_loss < 0.01
    True
    """
    settings = config or TrainConfig()
    if settings.optimizer == "nt_asgd":
        settings = settings.filled(**NT_ASGD_DEFAULTS)
    settings = settings.filled(**LOOP_DEFAULTS)
    where = device.choose_device(settings.device or "auto")
    model.to(where)
    training = Training(model, task, settings, seed, where)
    if settings.sanity:
        sanity.check(model, task, settings, seed=seed, device=where, steps=training.planned_steps)
    with isolated(seed, where):
        training.run()
    return training.record
