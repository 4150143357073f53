"""Small tagged sentences that a tagger learns in seconds."""

from __future__ import annotations

import numpy as np

from cellstate.tasks.text.tagger import SequenceTagger
from cellstate.train import TrainConfig

NAMES = {
    "PER": ["Ada", "Tom", "Eve", "Kurt Gödel", "Alan M. Turing"],
    "LOC": ["York", "New York", "Rio de Janeiro"],
}
FRAMES = ["{PER} sleeps .", "Then {PER} went to {LOC} .", "{LOC} sleeps too .", "It rains ."]
BRIEF = TrainConfig(epochs=2)
LEARN = TrainConfig(epochs=12)

Sentences = list[list[str]]


def entities(count: int, scheme: str = "BIO", seed: int = 0) -> tuple[Sentences, Sentences]:
    """Make sentences with persons and places."""
    rng = np.random.default_rng(seed)
    X, y = [], []
    for _ in range(count):
        words: list[str] = []
        tags: list[str] = []
        for piece in FRAMES[rng.integers(len(FRAMES))].split():
            kind = piece.strip("{}")
            if kind == piece:
                words.append(piece)
                tags.append("O")
                continue
            name = NAMES[kind][rng.integers(len(NAMES[kind]))].split()
            words += name
            inside = ["I"] * len(name)
            if scheme != "IO":
                inside[0] = "B"
            if scheme == "BIOES":
                inside[-1] = "E" if len(name) > 1 else "S"
            tags += [f"{prefix}-{kind}" for prefix in inside]
        X.append(words)
        y.append(tags)
    return X, y


def plain(count: int, seed: int = 0) -> tuple[Sentences, Sentences]:
    """Make sentences with parts of speech: 'run' is a noun after 'the', else a verb."""
    rng = np.random.default_rng(seed)
    subjects = [["they"], ["the", "run"], ["the", "dog"]]
    X, y = [], []
    for _ in range(count):
        subject = subjects[rng.integers(3)]
        X.append([*subject, "run"])
        y.append([*(["PRON"] if len(subject) == 1 else ["DET", "NOUN"]), "VERB"])
    return X, y


def make(**options: object) -> SequenceTagger:
    settings: dict[str, object] = {"size": "small", "random_state": 0, "train": BRIEF}
    return SequenceTagger(**(settings | options))  # type: ignore[arg-type]
