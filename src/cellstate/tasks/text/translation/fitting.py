"""From pairs of sentences to a trained network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import cellstate
from cellstate.artifact import fingerprint
from cellstate.data.text.tokenizer import Tokenizer
from cellstate.extras import require
from cellstate.tasks import splitting
from cellstate.tasks.text.translation import plan as plans
from cellstate.tasks.text.translation.fitted import FittedTranslation
from cellstate.tasks.text.translation.plan import Plan
from cellstate.tasks.text.translation.task import TranslationTask
from cellstate.train.config import TrainConfig

Texts = tuple[list[str], list[str]]


@dataclass(frozen=True)
class Settings:
    """How to build and to train, apart from the data; see `Translator`."""

    where: str  # begins each message
    size: str
    vocabulary: str
    vocabulary_size: int | None
    is_shared: bool
    attention: str
    input_feeding: bool
    dropout: float
    sampled: float
    seed: int
    config: TrainConfig


def hold_out(texts: Texts, rng: np.random.Generator) -> tuple[Texts, Texts]:
    """Part pairs into those to learn from and those that choose when to stop; few are kept whole.

    Examples
    --------
    >>> lines = [str(k) for k in range(400)]
    >>> learn, held = hold_out((lines, lines), np.random.default_rng(0))
    >>> len(learn[0]), len(held[1]), held[0] == held[1]
    (380, 20, True)
    """
    count = len(texts[0])
    if count < plans.FEWEST_TO_SPLIT:
        return texts, ([], [])
    share = min(plans.HELD_OUT, plans.MOST_HELD_OUT / count)
    held = splitting.hold_out(np.zeros(count), share, rng)
    learn, chosen = (
        tuple([text for text, is_in in zip(side, mask, strict=True) if is_in] for side in texts)
        for mask in (~held, held)
    )
    return (learn[0], learn[1]), (chosen[0], chosen[1])


def fit_network(learn: Texts, held: Texts, settings: Settings) -> FittedTranslation:
    """Learn vocabularies from the pairs, and train a network on them.

    Parameters
    ----------
    learn, held : pair of list of str
        Pairs to learn from, and those, maybe none, that choose when to stop.
    settings : Settings
    """
    require("torch", extra="train")
    from cellstate import train

    tokenizers = learn_tokenizers(learn, settings)
    width, hidden, encoder_layers, decoder_layers = plans.SIZES[settings.size]
    plan = Plan(
        source_tokens=tokenizers[0].size,
        target_tokens=tokenizers[1].size,
        is_shared=settings.is_shared,
        width=width,
        hidden=hidden,
        encoder_layers=encoder_layers,
        decoder_layers=decoder_layers,
        attention=settings.attention,
        input_feeding=settings.input_feeding,
        dropout=settings.dropout,
    )
    pairs, valid = (
        (tokenizers[0].encode_all(part[0]), tokenizers[1].encode_all(part[1]))
        for part in (learn, held)
    )
    defaults = plans.training_defaults(len(pairs[0]), size=settings.size, is_split=bool(held[0]))
    config = settings.config.filled(**defaults)
    task = TranslationTask(
        pairs,
        valid,
        config.batch_size or 1,
        smoothing=plans.SMOOTHING,
        sampled=settings.sampled,
    )
    with train.isolated(settings.seed):
        model = plan.build()
    record = train.fit(model, task, config, seed=settings.seed).as_dict()
    tokens = [sum(map(len, side)) for side in pairs]
    longest = [max(map(len, side)) for side in pairs]
    record["data"] = {
        "fingerprint": fingerprint({"X": learn[0], "y": learn[1]}),
        "pairs": len(pairs[0]),
        "held_out": len(held[0]),
        "tokens": tokens,
        "longest": longest,
    }
    record["versions"]["cellstate"] = cellstate.__version__
    growth = tokens[1] / max(1, tokens[0])
    return FittedTranslation(plan, tokenizers, model, growth, record)


def learn_tokenizers(learn: Texts, settings: Settings) -> tuple[Tokenizer, Tokenizer]:
    """Learn one vocabulary from both sides, or one from each."""

    def tokenizer(texts: Sequence[str]) -> Tokenizer:
        kind, size = settings.vocabulary, settings.vocabulary_size
        if kind in plans.SUBWORDS:
            size = size or plans.pieces_for(sum(map(len, texts)))
            return Tokenizer.train(texts, kind=kind, size=size)
        # What stands once in both languages, a name, is no better known for that.
        least = plans.RARE + (1 if settings.is_shared else 0)
        return Tokenizer.train(texts, kind=kind, size=size, min_count=least)

    if settings.is_shared:
        both = tokenizer([*learn[0], *learn[1]])
        return both, both
    return tokenizer(learn[0]), tokenizer(learn[1])
