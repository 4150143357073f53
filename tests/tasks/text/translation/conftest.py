"""Small fitted estimators that several files of tests share."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import pytest

from cellstate.tasks.text.translation import plan as plans
from cellstate.tasks.text.translator import Translator
from cellstate.train import TrainConfig
from tests.tasks.text.translation import corpus


def small(**arguments: object) -> Translator:
    given = {"vocabulary_size": 400, "dropout": 0.0, "beam": 3, "random_state": 0}
    quick = TrainConfig(epochs=8, learning_rate=1e-2, sanity=False)
    return Translator(**(given | {"train": quick} | arguments))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _tiny_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plans.SIZES, "small", (64, 128, 1, 2))


_fitted: dict[str, bytes] = {}


@pytest.fixture
def translator() -> Callable[[str], Translator]:
    """Give a function that copies a translator of a kind of vocabulary, fitted once."""

    def give(vocabulary: str) -> Translator:
        if vocabulary not in _fitted:
            X, y = corpus.pairs(400)
            # Names are seen once each, so that words have something to copy.
            X[:200] = [text.replace("Mann", f"M{k}") for k, text in enumerate(X[:200])]
            y[:200] = [text.replace("man", f"M{k}") for k, text in enumerate(y[:200])]
            size = 400 if vocabulary in ("bpe", "unigram") else None
            model = small(vocabulary=vocabulary, vocabulary_size=size)
            _fitted[vocabulary] = pickle.dumps(model.fit(X, y))
        return pickle.loads(_fitted[vocabulary])

    return give
