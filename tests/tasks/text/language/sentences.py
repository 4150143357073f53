"""A small language for tests: sentences drawn from a few words."""

from __future__ import annotations

import pickle
from functools import cache
from typing import Any

import numpy as np

from cellstate.tasks.text.language.plan import NONE
from cellstate.tasks.text.language_model import LanguageModel
from cellstate.train import TrainConfig

NOUNS = ("cat", "dog", "house", "river", "king")
VERBS = ("sees", "finds", "leaves", "loves")


def sentence(rng: np.random.Generator) -> str:
    who, whom = rng.choice(NOUNS, 2)
    return f"the {who} {rng.choice(VERBS)} the {whom}."


def sentences(count: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [sentence(rng) for _ in range(count)]


TEXT = "\n".join(sentences(260)) + "\n"
FRESH = "\n".join(sentences(40, seed=1)) + "\n"
QUICK: dict[str, Any] = {"size": "small", "hidden": 40, "random_state": 0}


@cache
def _fitted(kind: str, form: str) -> bytes:
    X = TEXT if form == "text" else sentences(260)
    train = TrainConfig(epochs=6, learning_rate=6e-3, sanity=False)
    options = {**QUICK, "regularization": NONE}
    model = LanguageModel(tokenizer=kind, train=train, **options)
    return pickle.dumps(model.fit(X))


def fitted(kind: str = "char", form: str = "text") -> LanguageModel:
    """Give a model, fitted once for all tests."""
    return pickle.loads(_fitted(kind, form))
