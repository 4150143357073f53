"""What network a corpus of pairs gets and how it is trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

SIZES = {"small": (256, 256, 1, 2), "medium": (256, 512, 1, 2), "large": (512, 1024, 2, 2)}
"""Features of a token, units of a layer, layers of encoder and decoder."""
RATES = {"small": 3e-3, "medium": 2e-3, "large": 1e-3}
"""Highest step size: wider layers want smaller steps."""
ATTENTIONS = ("dot", "general", "additive")
VOCABULARIES = ("bpe", "unigram", "word", "whitespace", "char")
SUBWORDS = ("bpe", "unigram")
RARE = 2
"""Times a word must be seen to be in a vocabulary of words: rarer ones teach what is unknown."""
CHARACTERS_PER_PIECE = 300
FEWEST_PIECES, MOST_PIECES = 400, 8000
"""Pieces of a sub-word vocabulary, by the characters of the corpus."""

DROPOUT, RECURRENT_DROPOUT = 0.3, 0.1
SMOOTHING = 0.1
FEWEST_TO_SPLIT = 200
"""Pairs from which some are held out to choose when to stop."""
HELD_OUT, MOST_HELD_OUT = 0.05, 1000

UPDATES, FEWEST_EPOCHS, MOST_EPOCHS = 16_000, 10, 60
AVERAGED_SHARE = 0.03
"""Share of the run over which the average of the weights looks back."""


@dataclass(frozen=True)
class Plan:
    """The network, apart from its weights; see `cellstate.nn.translation.TranslationNetwork`."""

    source_tokens: int
    target_tokens: int
    is_shared: bool
    width: int
    hidden: int
    encoder_layers: int
    decoder_layers: int
    attention: str
    input_feeding: bool
    dropout: float
    recurrent_dropout: float = RECURRENT_DROPOUT

    def build(self) -> Any:
        """Make the trainable network."""
        from cellstate.nn.translation import TranslationNetwork

        sizes: dict[str, Any] = asdict(self)
        return TranslationNetwork(sizes.pop("source_tokens"), sizes.pop("target_tokens"), **sizes)


def pieces_for(characters: int) -> int:
    """Choose the size of a sub-word vocabulary.

    Examples
    --------
    >>> pieces_for(10_000), pieces_for(900_000), pieces_for(10**9)
    (400, 3000, 8000)
    """
    return min(MOST_PIECES, max(FEWEST_PIECES, characters // CHARACTERS_PER_PIECE))


def training_defaults(rows: int, *, size: str, is_split: bool) -> dict[str, Any]:
    """Choose what the caller left open.

    Parameters
    ----------
    rows : int
        Pairs to train on.
    size : str
        One of `SIZES`.
    is_split : bool
        Whether further pairs are held out to choose when to stop.

    Examples
    --------
    >>> training_defaults(29_000, size="small", is_split=True)["epochs"]
    35
    """
    batch_size = 16 if rows < 2000 else 64
    per_epoch = -(-rows // batch_size)
    epochs = min(MOST_EPOCHS, max(FEWEST_EPOCHS, round(UPDATES / per_epoch)))
    return {
        "batch_size": batch_size,
        "epochs": epochs,
        "learning_rate": RATES[size],
        "schedule": "one_cycle",
        "weight_decay": 1e-2,
        "clip_norm": 1.0,
        "average": min(0.9995, max(0.9, 1.0 - 1.0 / (AVERAGED_SHARE * epochs * per_epoch))),
        "patience": max(5, epochs // 4) if is_split else 0,
    }
