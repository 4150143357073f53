"""The simple rivals of a tagger."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellstate.tasks.text.tagging import schemes
from cellstate.tasks.text.tagging.baselines import (
    FREQUENT,
    LINEAR,
    Baselines,
    best_path,
    features,
)
from cellstate.tasks.text.tagging.fitting import Rows
from cellstate.tasks.text.tagging.word_forms import FormEncoder
from tests.tasks.text.tagging.sentences import entities, plain


def fitted(rows: Rows, scheme: str, tags: tuple[str, ...]) -> tuple[Baselines, FormEncoder]:
    forms = FormEncoder.of(rows.words, 16)
    return Baselines.of(rows, forms, scheme, tags), forms


def test_the_most_frequent_tag_is_that_of_the_word_in_any_case() -> None:
    rows = Rows([["run", "Run", "run", "x"]], [["V", "V", "N", "N"]])
    model, forms = fitted(rows, "none", ("N", "V"))
    said = model.answers(forms, [["RUN", "x", "unknown"], []])[FREQUENT]
    assert said == [["V", "N", "N"], []]  # the first by name of tags that are equally frequent


def test_the_linear_model_reads_neighbours() -> None:
    model, forms = fitted(Rows(*plain(60)), "none", ("DET", "NOUN", "PRON", "VERB"))
    sentences = [["the", "run", "run"], ["they", "run"]]
    assert model.answers(forms, sentences)[LINEAR] == [["DET", "NOUN", "VERB"], ["PRON", "VERB"]]
    assert model.answers(forms, sentences)[FREQUENT] != model.answers(forms, sentences)[LINEAR]


def test_the_linear_model_finds_entities_and_names_none_malformed() -> None:
    tags = schemes.tag_set(["LOC", "PER"])
    model, forms = fitted(Rows(*entities(80)), "BIO", tags)
    X, y = entities(30, seed=1)
    said = model.answers(forms, [*X, []])[LINEAR]
    assert said[-1] == []
    assert all(schemes.stray(row) == 0 for row in said)
    right = [schemes.spans(a) == schemes.spans(b) for a, b in zip(said, y, strict=False)]
    assert np.mean(right) > 0.9


@pytest.mark.parametrize("tags", [["A", "A"], ["A", "B"]])
def test_one_or_two_tags_can_be_learned(tags: list[str]) -> None:
    rows = Rows([["x", "y"]] * 30, [tags] * 30)
    model, forms = fitted(rows, "none", ("A", "B", "never"))
    assert model.answers(forms, [["x", "y"]])[LINEAR] == [tags]


def test_baselines_survive_being_saved() -> None:
    model, forms = fitted(Rows(*plain(30)), "none", ("DET", "NOUN", "PRON", "VERB"))
    again = Baselines.restored(model.as_dict(), model.tensors())
    sentences = plain(20, seed=1)[0]
    assert again.answers(forms, sentences) == model.answers(forms, sentences)


def test_words_at_the_ends_have_features_too() -> None:
    found = list(features(["a"]))
    assert len(found) == 1
    assert {"-1 is outside", "1 is outside"} <= set(found[0])


@given(
    st.integers(0, 4).flatmap(
        lambda n: st.lists(
            st.lists(st.integers(-5, 5), min_size=3, max_size=3), min_size=n, max_size=n
        )
    ),
    st.integers(0, 2**9 - 1),
)
def test_the_best_path_is_the_best_of_all(scores: list[list[int]], mask: int) -> None:
    scores_TK = np.array(scores, dtype=float).reshape(-1, 3)
    pairs = np.array([[0.1 * (mask >> (3 * i + j) & 1) for j in range(3)] for i in range(3)])
    start, end = np.array([0.0, 0.01, 0.02]), np.array([0.0, 0.03, 0.05])

    def score(path: tuple[int, ...]) -> float:
        if not path:
            return 0.0
        total = start[path[0]] + end[path[-1]] + sum(scores_TK[t, k] for t, k in enumerate(path))
        return total + sum(pairs[one, two] for one, two in itertools.pairwise(path))

    best = max(score(path) for path in itertools.product(range(3), repeat=len(scores)))
    assert score(tuple(best_path(scores_TK, pairs, start, end))) == pytest.approx(best)
