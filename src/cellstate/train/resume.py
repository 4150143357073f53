"""Taking up an unfinished training where it was left, to the same result as without the break."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cellstate.train.checkpoint import CheckpointFile, Saved, fingerprint
from cellstate.train.record import TrainRecord
from cellstate.train.weights import Snapshot

if TYPE_CHECKING:
    from cellstate.train.training import Training

FREE = ("time_limit_s", "progress", "checkpoint", "sanity")
"""Settings that may differ between a training and its continuation."""


def journal(training: Training) -> CheckpointFile | None:
    """Open the checkpoint file where one is asked for, and take up what it holds."""
    config = training.config
    if config.checkpoint is None:
        return None
    settings = {name: value for name, value in asdict(config).items() if name not in FREE}
    facts: dict[str, Any] = {
        "settings": settings,
        "seed": training.record.seed,
        "steps": training.planned_steps,
    }
    if training.groups:
        facts["groups"] = [asdict(group) for group in training.groups]
    rng = np.random.default_rng(training.record.seed)
    first = next(iter(training.task.train_batches(rng)), None)
    file = CheckpointFile(config.checkpoint, fingerprint(training.model, first, facts))
    if saved := file.read():
        _take_up(training, saved)
    return file


def capture(training: Training) -> Saved:
    """Collect all that the rest of a training depends on, at the end of an epoch."""
    tensors = {
        f"{group}.{k}": tensor
        for group, members in _groups(training).items()
        for k, tensor in enumerate(members)
    }
    tensors["random.cpu"] = torch.get_rng_state()
    if training.device.type == "cuda":
        tensors["random.cuda"] = torch.cuda.get_rng_state(training.device)
    facts: dict[str, Any] = {
        "standing": asdict(training.standing),
        "record": training.record.as_dict(),
        "first_losses": training.watch.first,
        "average_steps": training.average.steps if training.average else 0,
        "rng": training.rng.bit_generator.state,
        "elapsed": training.pace.elapsed(),
    }
    return Saved(tensors, facts)


@torch.no_grad()
def _take_up(training: Training, saved: Saved) -> None:
    if "best.0" in saved.tensors:
        training.best = Snapshot(training.weights)
    for group, members in _groups(training).items():
        for k, tensor in enumerate(members):
            tensor.copy_(saved.tensors[f"{group}.{k}"])
    torch.set_rng_state(saved.tensors["random.cpu"])
    if "random.cuda" in saved.tensors and training.device.type == "cuda":
        torch.cuda.set_rng_state(saved.tensors["random.cuda"], training.device)
    facts = saved.facts
    training.standing = type(training.standing)(**facts["standing"])
    training.record = TrainRecord.from_dict(facts["record"])
    training.watch.first = facts["first_losses"]
    if training.average:
        training.average.steps = facts["average_steps"]
    training.rng.bit_generator.state = facts["rng"]
    training.pace.add_elapsed(facts["elapsed"])
    training.good.take()
    training.note("resumed", f"Taken up at epoch {training.standing.epoch}.")


def _groups(training: Training) -> dict[str, list[torch.Tensor]]:
    return {
        "weights": training.weights,
        "optimizer": training.optimizer.tensors,
        "average": training.average.means if training.average else [],
        "best": training.best.copies if training.best else [],
    }
