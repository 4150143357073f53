"""The one training loop: what a task must say, how training is set, what it records.

Importing this package does not import torch; calling `fit` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cellstate.train.config import TrainConfig
from cellstate.train.record import Event, Row, TrainRecord
from cellstate.train.warning import TrainingWarning

if TYPE_CHECKING:
    from cellstate.train.groups import ParameterGroup
    from cellstate.train.loop import fit
    from cellstate.train.randomness import isolated
    from cellstate.train.range_test import RangeTest, learning_rate_range_test
    from cellstate.train.task import StepLoss, Task

__all__ = [
    "Event",
    "ParameterGroup",
    "RangeTest",
    "Row",
    "StepLoss",
    "Task",
    "TrainConfig",
    "TrainRecord",
    "TrainingWarning",
    "fit",
    "isolated",
    "learning_rate_range_test",
]

_NEEDS_TORCH = {
    "ParameterGroup": "groups",
    "RangeTest": "range_test",
    "StepLoss": "task",
    "Task": "task",
    "fit": "loop",
    "isolated": "randomness",
    "learning_rate_range_test": "range_test",
}


def __getattr__(name: str) -> Any:
    """Import the parts that need torch when they are first asked for."""
    if name not in _NEEDS_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from cellstate.extras import require

    require("torch", extra="train")
    module = require(f"{__name__}.{_NEEDS_TORCH[name]}", extra="train")
    return getattr(module, name)
