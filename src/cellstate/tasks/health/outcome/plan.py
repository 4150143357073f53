"""What network stays get and how it is trained, decided from the data's shape."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from cellstate.tasks.arguments import check_choice

SIZES = {"small": (64, 64, 1), "medium": (128, 128, 1), "large": (192, 192, 2)}
"""Width of the layer before the LSTM, and the LSTM's units and layers."""
DROPOUT = 0.3
FOLDS = 5
"""Networks, each of which leaves out another part of the patients."""
UPDATES = 600
"""Steps of training, more or less, whatever the number of stays."""
FEWEST_EPOCHS, MOST_EPOCHS = 6, 60
ALWAYS = {"learning_rate": 3e-3, "schedule": "one_cycle", "weight_decay": 5e-2, "clip_norm": 1.0}


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

    def build(self) -> Any:
        """Make the trainable network."""
        from cellstate.nn.stays import StayNetwork

        return StayNetwork(**asdict(self))


def make_plan(where: str, size: str, *, inputs: int, summaries: int, outputs: int) -> Plan:
    """Choose the network.

    Raises
    ------
    InputError
        There is no such size.

    Examples
    --------
    >>> make_plan("doctest", "small", inputs=10, summaries=5, outputs=1).hidden
    64
    """
    width, hidden, layers = SIZES[check_choice(where, "size", size, SIZES)]
    return Plan(inputs, summaries, outputs, width, hidden, layers)


def training_defaults(rows: int) -> dict[str, Any]:
    """Choose batch size, epochs and averaging.

    Examples
    --------
    >>> training_defaults(3200)["epochs"]
    12
    """
    batch_size = 32 if rows < 2000 else 64 if rows < 20_000 else 256
    per_epoch = -(-rows // batch_size)
    epochs = min(MOST_EPOCHS, max(FEWEST_EPOCHS, round(UPDATES / per_epoch)))
    return {
        **ALWAYS,
        "batch_size": batch_size,
        "epochs": epochs,
        "average": min(0.999, max(0.9, 1.0 - 20.0 / (epochs * per_epoch))),
        "patience": max(4, epochs // 3),
        "device": "auto" if rows >= 5000 else "cpu",
    }
