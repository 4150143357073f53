"""What a training leaves behind: plain data, ready for a model's file and its report."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """One validation, or the end of an epoch where there is none to do.

    `train_loss` is the mean since the previous row; `valid_loss` is None without a validation
    split; `seconds` counts from the start of training.
    """

    epoch: int
    step: int
    train_loss: float
    valid_loss: float | None
    learning_rate: float
    seconds: float


@dataclass(frozen=True)
class Event:
    """Out of the ordinary: a "roll_back", "time_limit", "interrupted" or "resumed" training."""

    kind: str
    step: int
    message: str


@dataclass
class TrainRecord:
    """How a training went.

    Attributes
    ----------
    history : list of Row
    best_step, best_epoch : int
        Where the kept weights come from; epochs count from 1.
    best_loss : float or None
        Validation loss of the kept weights.
    stopped : str
        "finished", "early", "time_limit" or "interrupted".
    seconds : float
        Wall time from the first check to the restored weights.
    predicted_seconds : float or None
        What the loop foretold after its first steps, early stopping aside; None for a training
        that ended sooner.
    events : list of Event
    seed : int
    device, precision : str
    parameters : int
        Trainable numbers in the model.
    versions : dict
        Of Python, NumPy, torch.
    """

    seed: int
    device: str
    precision: str
    parameters: int
    history: list[Row] = field(default_factory=list["Row"])
    events: list[Event] = field(default_factory=list["Event"])
    best_step: int = 0
    best_epoch: int = 0
    best_loss: float | None = None
    stopped: str = "finished"
    seconds: float = 0.0
    predicted_seconds: float | None = None
    versions: dict[str, str] = field(default_factory=dict[str, str])

    def as_dict(self) -> dict[str, Any]:
        """Give the record as JSON-ready dictionaries, lists, numbers and strings."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TrainRecord:
        """Read a record back from `as_dict`'s form."""
        rows = [Row(**row) for row in data["history"]]
        events = [Event(**event) for event in data["events"]]
        other = {name: value for name, value in data.items() if name not in ("history", "events")}
        return cls(history=rows, events=events, **other)


def versions() -> dict[str, str]:
    """Name the versions that a model's numbers depend on."""
    import numpy as np
    import torch

    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": str(torch.__version__),
    }
