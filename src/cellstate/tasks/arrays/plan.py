"""What network a data set gets and how it is trained, decided from the data's shape."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from cellstate.tasks.arguments import check_choice

SIZES = {"small": (64, 64, 1), "medium": (128, 128, 1), "large": (192, 192, 2)}
"""Width of the front, units and layers of the LSTM."""
SEGMENTS = 32
"""Segments that a sequence is cut into where it is long enough; more cost time, not accuracy."""
PLACES = 32
SHORTEST_WINDOW = 9
DROPOUT = 0.2

UPDATES_PER_STEP = 8
FEWEST_UPDATES, MOST_UPDATES = 120, 400
"""Steps of training that few rows get, by their number of time steps: short rows say less."""
FEWEST_EPOCHS, MOST_EPOCHS = 12, 100
FEWEST_TO_SPLIT = 200
"""Rows from which some are held out to choose when to stop; fewer would choose by chance."""
HELD_OUT = 0.15
MANY = 2000
"""Rows from which an accelerator is used, where there is one."""
ALWAYS = {"learning_rate": 5e-3, "schedule": "one_cycle", "weight_decay": 1e-2, "clip_norm": 1.0}


@dataclass(frozen=True)
class Plan:
    """The network, apart from its weights.

    Attributes
    ----------
    inputs, outputs : int
    window, stride : int
        Time steps of a segment, and between segments.
    places : int
        Parts of a sequence that the linear path sees.
    width, hidden, layers : int
    dropout : float
    """

    inputs: int
    outputs: int
    window: int
    stride: int
    places: int
    width: int
    hidden: int
    layers: int
    dropout: float = DROPOUT

    def build(self) -> Any:
        """Make the trainable network."""
        from cellstate.nn.pooled import PooledNetwork

        return PooledNetwork(**asdict(self))


def make_plan(where: str, *, size: str, inputs: int, outputs: int, steps: int) -> Plan:
    """Choose the network for sequences of `steps` time steps.

    Raises
    ------
    InputError
        There is no such size.

    Examples
    --------
    >>> make_plan("doctest", size="small", inputs=2, outputs=3, steps=320).stride
    10
    """
    width, hidden, layers = SIZES[check_choice(where, "size", size, SIZES)]
    stride = max(1, round(steps / SEGMENTS))
    window = max(SHORTEST_WINDOW, 2 * stride + 1)
    places = min(PLACES, steps)
    return Plan(inputs, outputs, window, stride, places, width, hidden, layers)


def training_defaults(rows: int, steps: int, *, is_split: bool) -> dict[str, Any]:
    """Choose batch size, epochs, averaging and patience.

    Parameters
    ----------
    rows : int
        Rows to train on.
    steps : int
        Time steps of a row.
    is_split : bool
        Whether further rows are held out to choose when to stop.

    Examples
    --------
    >>> training_defaults(80, 100, is_split=False)["epochs"]
    80
    """
    batch_size = 16 if rows < 400 else 32 if rows < MANY else 64
    per_epoch = -(-rows // batch_size)
    updates = min(MOST_UPDATES, max(FEWEST_UPDATES, UPDATES_PER_STEP * steps))
    epochs = min(MOST_EPOCHS, max(FEWEST_EPOCHS, round(updates / per_epoch)))
    return {
        **ALWAYS,
        "batch_size": batch_size,
        "epochs": epochs,
        # The average looks back over a twentieth of the run.
        "average": min(0.999, max(0.9, 1.0 - 20.0 / (epochs * per_epoch))),
        "patience": max(5, epochs // 4) if is_split else 0,
        # Moving small batches to an accelerator costs more than it saves.
        "device": "auto" if rows >= MANY else "cpu",
    }
