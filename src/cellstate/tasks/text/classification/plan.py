"""What networks a data set gets and how they are trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from cellstate.errors import InputError, did_you_mean, explain

SIZES = {"small": (128, 64, 1), "medium": (200, 100, 1), "large": (300, 150, 2)}
"""Features of a word, units of the LSTM in each direction, and its layers."""
BUCKETS = 10_000
"""Numbers of pieces of words."""
HEAD = 50
"""Units of the head on a language model, as in the paper."""

FEWEST_TO_SPLIT = 1000
"""Rows from which some are held out; of fewer, each network leaves out its own part."""
HELD_OUT, MOST_HELD_OUT = 0.1, 2000
FOLDS = 3
SMOOTHING = 0.1
"""Of the classes' probabilities in training."""
PUSH = 0.03
"""How far adversarial training moves the vectors of a text, as a share of their length."""
MANY = 5000
"""Rows from which an accelerator is used, where there is one."""


@dataclass(frozen=True)
class Plan:
    """A network, apart from its weights and its vocabulary.

    Attributes
    ----------
    is_pretrained : bool
        Whether it stands on a language model.
    vocabulary, pieces, outputs : int
    width, hidden, layers : int
    """

    is_pretrained: bool
    vocabulary: int
    pieces: int
    outputs: int
    width: int
    hidden: int
    layers: int

    def build(self) -> Any:
        """Make the trainable network."""
        from cellstate.nn.text_classifier import FineTunedNetwork, TextNetwork

        if self.is_pretrained:
            return FineTunedNetwork(
                self.language_network(), outputs=self.outputs, width=HEAD, dropout=0.4
            )
        sizes = asdict(self)
        del sizes["is_pretrained"]
        return TextNetwork(**sizes, word_dropout=0.5, embedding_dropout=0.5, dropout=0.6)

    def language_network(self) -> Any:
        """Make the language model's network that one of this kind stands on."""
        from cellstate.nn.language import LanguageNetwork

        return LanguageNetwork(
            self.vocabulary,
            embedding_size=self.width,
            hidden_size=4 * self.hidden,
            num_layers=self.layers + 1,
            tie=True,
            embedding_dropout=0.1,
            input_dropout=0.4,
            hidden_dropout=0.25,
            output_dropout=0.4,
            weight_drop=0.3,
        )


def make_plan(
    where: str, *, size: str, is_pretrained: bool, vocabulary: int, pieces: int, outputs: int
) -> Plan:
    """Choose the network.

    Raises
    ------
    InputError
        There is no such size.

    Examples
    --------
    >>> given = {"is_pretrained": False, "vocabulary": 900, "pieces": 0, "outputs": 2}
    >>> make_plan("doctest", size="small", **given).hidden
    64
    """
    if size not in SIZES:
        must = "size must be 'small', 'medium' or 'large'"
        raise InputError(explain(where, must, repr(size), did_you_mean(str(size), SIZES)))
    width, hidden, layers = SIZES[size]
    return Plan(is_pretrained, vocabulary, pieces, outputs, width, hidden, layers)


def training_defaults(rows: int, *, is_pretrained: bool) -> dict[str, Any]:
    """Choose batch size, epochs, rate and averaging.

    Parameters
    ----------
    rows : int
        Rows to train on.
    is_pretrained : bool
        Whether the network stands on a language model.

    Examples
    --------
    >>> training_defaults(6000, is_pretrained=False)["epochs"]
    8
    """
    batch_size = 16 if rows < 1000 else 32 if rows < 50_000 else 64
    per_epoch = -(-rows // batch_size)
    # As many steps as small data needs; large data has seen its rows after two passes.
    epochs = min(60, max(2, round(1500 / per_epoch)))
    return {
        "batch_size": batch_size,
        "epochs": epochs,
        "learning_rate": 4e-3 if is_pretrained else 2e-3,
        "schedule": "one_cycle",
        "weight_decay": 1e-2,
        "clip_norm": 1.0,
        # The average looks back over a tenth of the run.
        "average": min(0.999, max(0.9, 1.0 - 10.0 / (epochs * per_epoch))),
        "patience": max(3, epochs // 2),
        "device": "auto" if rows >= MANY else "cpu",
        "sanity": False,
    }


LANGUAGE_DEFAULTS: dict[str, Any] = {
    "batch_size": 20,
    "learning_rate": 4e-3,
    "schedule": "one_cycle",
    "weight_decay": 1e-2,
    "clip_norm": 0.5,
    "patience": 3,
    "sanity": False,
}
LANGUAGE_STEP = 40
"""Tokens through which the gradient flows in pre-training."""
LANGUAGE_TOKENS = 2_000_000
"""Tokens that pre-training passes over, in as many epochs as that takes."""
