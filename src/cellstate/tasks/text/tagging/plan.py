"""What network a set of tagged sentences gets and how it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cellstate.tasks.arguments import check_choice


@dataclass(frozen=True)
class Width:
    """One step of the dial."""

    word: int
    char: int
    gram: int
    char_hidden: int
    hidden: int
    buckets: int
    networks: int


SIZES = {
    "small": Width(50, 16, 32, 16, 64, 1 << 14, 1),
    "medium": Width(100, 25, 50, 25, 128, 1 << 15, 1),
    "large": Width(100, 25, 50, 25, 128, 1 << 15, 3),
}
"""The last step is of networks that answer together, not of width."""
DROPOUT = 0.5
HIDDEN = 1.0
"""See `Noise.hidden`."""

UPDATES = 5000
"""Steps of training, where that takes a sensible number of epochs."""
FEWEST_EPOCHS, MOST_EPOCHS = 3, 30
FEWEST_TO_SPLIT = 50
"""Sentences from which some are held out to choose when to stop."""
ALWAYS = {"learning_rate": 3e-3, "schedule": "one_cycle", "weight_decay": 1e-2, "clip_norm": 5.0}


@dataclass(frozen=True)
class Plan:
    """The network, apart from its weights; see `TaggingNetwork`."""

    words: int
    cases: int
    chars: int
    grams: int
    tags: int
    word_width: int
    char_width: int
    gram_width: int
    char_hidden: int
    hidden: int
    layers: int
    dropout: float

    def build(self, tags: Sequence[str], *, has_spans: bool) -> Any:
        """Make the trainable network; spans constrain which tag follows which."""
        import torch

        from cellstate.nn.crf import Allowed
        from cellstate.nn.tagging import TaggingNetwork
        from cellstate.tasks.text.tagging.schemes import allowed

        constraints = None
        if has_spans:
            constraints = Allowed(*(torch.from_numpy(part) for part in allowed(tags)))
        return TaggingNetwork(**asdict(self), allowed=constraints)


def width_of(where: str, size: Any) -> Width:
    """Look a size up.

    Raises
    ------
    InputError
        There is no such size.

    Examples
    --------
    >>> width_of("doctest", "medium").hidden
    128
    """
    return SIZES[check_choice(where, "size", size, SIZES)]


def make_plan(width: Width, sizes: dict[str, int], tags: int) -> Plan:
    """Choose the network for vocabularies of these sizes."""
    return Plan(
        **sizes,
        tags=tags,
        word_width=width.word,
        char_width=width.char,
        gram_width=width.gram,
        char_hidden=width.char_hidden,
        hidden=width.hidden,
        layers=1,
        dropout=DROPOUT,
    )


def training_defaults(sentences: int, *, is_split: bool) -> dict[str, Any]:
    """Choose batch size, epochs, averaging and patience.

    Examples
    --------
    >>> training_defaults(5424, is_split=True)["epochs"]
    15
    """
    batch_size = 8 if sentences < 1000 else 16 if sentences < 20_000 else 32
    per_epoch = -(-sentences // batch_size)
    epochs = min(MOST_EPOCHS, max(FEWEST_EPOCHS, round(UPDATES / per_epoch)))
    return {
        **ALWAYS,
        "batch_size": batch_size,
        "epochs": epochs,
        # The average looks back over a twentieth of the run.
        "average": min(0.998, max(0.9, 1.0 - 20.0 / (epochs * per_epoch))),
        "patience": max(5, epochs // 3) if is_split else 0,
        "device": "cpu",
    }
