"""What network a monitor gets and how it is trained, decided from the data's shape."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from cellstate import network
from cellstate.tasks.arguments import check_choice

SIZES = {"small": (64, 64, 1), "medium": (128, 128, 1), "large": (192, 192, 2)}
"""Width of the layer before the LSTM, and the LSTM's units and layers."""
DROPOUT = 0.2
FOLDS = 3
"""Networks, each of which leaves out another part of the patients."""
UPDATES = 800
"""Steps of training, more or less, whatever the number of stays."""
FEWEST_EPOCHS = 4
ALWAYS = {"learning_rate": 3e-3, "schedule": "one_cycle", "weight_decay": 3e-2, "clip_norm": 1.0}


@dataclass(frozen=True)
class Plan:
    """The network, apart from its weights."""

    inputs: int
    outputs: int
    width: int
    hidden: int
    layers: int
    dropout: float = DROPOUT

    @property
    def chain(self) -> tuple[network.Layer, ...]:
        """The network as data: what trains, streams and is exported."""
        return (
            network.Linear("front", self.inputs, self.width, activation="relu"),
            network.Dropout("thin", self.dropout),
            network.LSTM("memory", self.width, self.hidden, self.layers),
            network.Dropout("thin_memory", self.dropout),
            network.Linear("head", self.hidden, self.outputs),
        )

    def build(self) -> Any:
        """Make the trainable network."""
        from cellstate.nn.chain import Chain

        return Chain(self.chain)

    def as_dict(self) -> dict[str, Any]:
        """Give JSON-ready data."""
        return asdict(self)


def make_plan(where: str, size: str, *, inputs: int, outputs: int) -> Plan:
    """Choose the network.

    Raises
    ------
    InputError
        There is no such size.

    Examples
    --------
    >>> make_plan("doctest", "small", inputs=10, outputs=1).chain[2].hidden_size
    64
    """
    width, hidden, layers = SIZES[check_choice(where, "size", size, SIZES)]
    return Plan(inputs, outputs, width, hidden, layers)
