"""What network stays get and how it is trained, decided from the data's shape."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from cellstate.tasks.arguments import check_choice

SIZES = {"small": (64, 64, 1), "medium": (128, 128, 1), "large": (192, 192, 2)}
"""Width of the layer before the LSTM, and the LSTM's units and layers."""
DROPOUT = 0.5
KINDS = ("last", "measured")
"""What a network sees of each variable at a step; more of it is learned by heart."""
GAPS = ("masks", "decay", "time_aware")
"""What is made of the time between measurements, as `StayNetwork` has it."""
FOLDS = 5
"""Networks, each of which leaves out another part of the patients."""
UPDATES = 500
"""Steps of training, more or less, whatever the number of stays."""
FEWEST_EPOCHS = 6
ALWAYS = {"learning_rate": 3e-3, "schedule": "one_cycle", "weight_decay": 2.0, "clip_norm": 1.0}


@dataclass(frozen=True)
class Plan:
    """The network, apart from its weights."""

    inputs: int
    summaries: int
    outputs: int
    width: int
    hidden: int
    layers: int
    dropout: float = DROPOUT
    gaps: str = GAPS[0]

    def build(self) -> Any:
        """Make the trainable network."""
        from cellstate.nn.stays import StayNetwork

        return StayNetwork(**asdict(self))


def make_plan(
    where: str, size: str, *, inputs: int, summaries: int, outputs: int, gaps: str = GAPS[0]
) -> Plan:
    """Choose the network.

    Raises
    ------
    InputError
        There is no such size, or no such way with gaps.

    Examples
    --------
    >>> make_plan("doctest", "small", inputs=10, summaries=5, outputs=1).hidden
    64
    """
    width, hidden, layers = SIZES[check_choice(where, "size", size, SIZES)]
    check_choice(where, "gaps", gaps, GAPS)
    return Plan(inputs, summaries, outputs, width, hidden, layers, gaps=gaps)
