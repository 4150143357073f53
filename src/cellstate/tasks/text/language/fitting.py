"""From a text to a trained language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

import cellstate
from cellstate.artifact import fingerprint
from cellstate.data.text.corpus import TokenFile
from cellstate.data.text.tokenizer import EOS, Tokenizer
from cellstate.errors import ArgumentTypeError, InputError, explain
from cellstate.extras import require
from cellstate.tasks.text.language.plan import LanguagePlan, Regularization, training_defaults
from cellstate.tasks.text.language.reader import AbstractReader, build_network, make_reader
from cellstate.tasks.text.language.task import LanguageTask
from cellstate.train.config import TrainConfig

FEWEST_TOKENS = 16
HELD_OUT, MOST_HELD_OUT = 0.05, 200_000
FEWEST_TO_SPLIT = 2_000
"""Tokens from which the end is held out; what is left of fewer says little."""
MOST_KEPT = 4_000_000
"""Training tokens that a model keeps, for its baselines: eight megabytes at most."""


@dataclass(frozen=True)
class Corpus:
    """A text as tokens.

    Attributes
    ----------
    tokens : np.ndarray
        (N,) numbers; a text in parts has an end token between them.
    is_running : bool
        Whether it is one text without parts.
    """

    tokens: np.ndarray
    is_running: bool


@dataclass(frozen=True)
class FittedLanguage:
    """What training leaves; needs no torch where the network is a chain.

    Attributes
    ----------
    plan : LanguagePlan
    tokenizer : Tokenizer
    tensors : dict of str to np.ndarray
        The network's weights.
    is_running : bool
        Whether the text had no parts, so that nothing ever ended.
    train, held : np.ndarray
        Tokens learned from, or the last of them, and tokens held out.
    record : dict
        Of the training, JSON-ready.
    """

    plan: LanguagePlan
    tokenizer: Tokenizer
    tensors: dict[str, np.ndarray] = field(repr=False)
    is_running: bool
    train: np.ndarray = field(repr=False)
    held: np.ndarray = field(repr=False)
    record: dict[str, Any] = field(repr=False)

    @cached_property
    def reader(self) -> AbstractReader:
        """The network as something that reads."""
        return make_reader(self.plan, self.tensors)

    @cached_property
    def digest(self) -> str:
        """Tells the weights from others."""
        return fingerprint(self.tensors)

    def network(self) -> Any:
        """Build the network in torch."""
        return build_network(self.plan, self.tensors)

    def __getstate__(self) -> dict[str, Any]:
        # What is made on demand is not carried along.
        return {name: self.__dict__[name] for name in self.__dataclass_fields__}


def read_corpus(where: str, X: Any, tokenizer: Tokenizer) -> Corpus:
    """Turn a text, a list of documents or a file of tokens into numbers.

    Raises
    ------
    ArgumentTypeError
        `X` is something else.
    InputError
        There is no text in it, or its tokens are others.
    """
    if isinstance(X, TokenFile):
        if X.tokenizer.to_json() != tokenizer.to_json():
            must = "a file of tokens must be written with the model's tokenizer"
            do = "Write it with TokenFile.write(…, model.tokenizer_)"
            raise InputError(explain(where, must, f"one of {X.tokenizer.size:,} tokens", do))
        return Corpus(X.tokens, is_running=False)
    documents = check_documents(where, X)
    if len(documents) == 1:
        return Corpus(tokenizer.encode(documents[0]), is_running=True)
    ended = [np.append(numbers, EOS) for numbers in tokenizer.encode_all(documents)]
    return Corpus(np.concatenate([[EOS], *ended]).astype(np.int32), is_running=False)


def check_documents(where: str, X: Any) -> list[str]:
    """Require a text or a list of texts with something in them."""
    if isinstance(X, str):
        documents = [X]
    elif isinstance(X, Sequence) or (isinstance(X, np.ndarray) and X.ndim == 1):
        documents = list(X)
    else:
        must = "X must be a str, a list of str or a TokenFile"
        do = "Read a file with cellstate.data.text.reading"
        raise ArgumentTypeError(explain(where, must, type(X).__name__, do))
    for place, document in enumerate(documents):
        if not isinstance(document, str):
            given = f"{type(document).__name__} at place {place}"
            do = "Decode bytes, and leave missing texts out"
            raise ArgumentTypeError(explain(where, "each text must be a str", given, do))
    documents = [document for document in documents if document.strip()]
    if not documents:
        given = "an empty text" if isinstance(X, str) else f"{len(X)} texts without any"
        raise InputError(explain(where, "there must be text", given, "Check where it comes from"))
    return documents


def learn_tokens(where: str, X: Any, *, kind: str, size: int | None) -> Tokenizer:
    """Learn the vocabulary of a text; a file of tokens has its own.

    Words seen once stand for all that will be unknown, where all would be kept otherwise.
    """
    if isinstance(X, TokenFile):
        return X.tokenizer
    min_count = 2 if kind in ("word", "whitespace") and size is None else 1
    documents = check_documents(where, X)
    return Tokenizer.train(documents, kind=kind, size=size, min_count=min_count)


def split(tokens: np.ndarray, share: float = HELD_OUT) -> tuple[np.ndarray, np.ndarray]:
    """Hold the end of a text out; a short one is kept whole.

    Examples
    --------
    >>> [len(part) for part in split(np.zeros(10_000))]
    [9500, 500]
    """
    count = min(MOST_HELD_OUT, int(share * len(tokens)))
    if len(tokens) < FEWEST_TO_SPLIT or not count:
        return tokens, tokens[:0]
    return tokens[:-count], tokens[-count:]


def fit_language(
    where: str,
    corpus: Corpus,
    tokenizer: Tokenizer,
    plan: LanguagePlan,
    *,
    regularization: Regularization,
    context: int,
    size: str,
    seed: int,
    config: TrainConfig,
    held_out: float = HELD_OUT,
) -> FittedLanguage:
    """Train a network on all but the end of a text."""
    if len(corpus.tokens) < FEWEST_TOKENS:
        must = f"a text must have at least {FEWEST_TOKENS} tokens to learn from"
        given = f"{len(corpus.tokens)} of kind {tokenizer.kind!r}"
        raise InputError(explain(where, must, given, "Give a longer text"))
    require("torch", extra="train")
    from cellstate import train

    learn, held = split(corpus.tokens, held_out)
    defaults = training_defaults(len(learn), context, tokenizer.kind, size)
    if config.optimizer == "nt_asgd":
        # Its rate, schedule and average are its own; the loop knows them.
        for name in ("learning_rate", "schedule", "weight_decay", "clip_norm", "average"):
            del defaults[name]
    settings = config.filled(**defaults)
    task = LanguageTask(learn, held, streams=settings.batch_size or 1, steps=context)
    ranks = None
    if plan.cutoffs:
        counts = np.bincount(learn[:MOST_KEPT].astype(np.int64), minlength=plan.vocabulary)
        ranks = np.empty(plan.vocabulary, dtype=np.int64)
        ranks[np.argsort(-counts, kind="stable")] = np.arange(plan.vocabulary)
    with train.isolated(seed):
        model = plan.build(regularization, ranks)
    record = train.fit(model, task, settings, seed=seed).as_dict()
    kind = np.uint16 if tokenizer.size <= 2**16 else np.int32
    kept = np.array(learn[-MOST_KEPT:], dtype=kind)
    record["data"] = {
        "fingerprint": fingerprint({"tokens": np.asarray(corpus.tokens[-MOST_KEPT:])}),
        "tokens": len(corpus.tokens),
        "held_out": len(held),
        "vocabulary": tokenizer.size,
        "kind": tokenizer.kind,
    }
    record["regularization"] = asdict(regularization)
    record["context"] = task.steps
    record["streams"] = task.streams
    record["versions"]["cellstate"] = cellstate.__version__
    tensors = model.cpu().tensors()
    held = np.array(held, dtype=kind)
    return FittedLanguage(plan, tokenizer, tensors, corpus.is_running, kept, held, record)
