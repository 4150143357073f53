"""Kneser–Ney counts: a distribution, an answer by hand, and unseen contexts."""

from __future__ import annotations

import numpy as np
import pytest

from cellstate.tasks.text.language.ngrams import NGrams

RNG = np.random.default_rng(0)
TEXT = np.where(RNG.random(400) < 0.6, np.arange(400) % 5, RNG.integers(0, 7, 400))
V = 9  # two tokens never occur


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_it_is_a_distribution_after_any_context(order):
    model = NGrams(TEXT, order=order, vocabulary=V)
    for context in ([0, 1, 2, 3], [6, 6, 6, 6], [8, 7, 8, 7], [3], []):
        p = [np.exp(model.log_probabilities(np.array([*context, w]))[-1]) for w in range(V)]
        assert min(p) > 0
        assert sum(p) == pytest.approx(1.0)


def test_bigrams_are_what_the_formula_says():
    """Few counts, hence discounts of a half: text a b a b a c, with a, b, c = 0, 1, 2."""
    text = np.array([0, 1, 0, 1, 0, 2])
    model = NGrams(text, order=2, vocabulary=4)
    # Below: how many different tokens precede each, a after b, b after a, c after a.
    lower = np.array([0.5, 0.5, 0.5, 0.0]) / 3 + 1.5 / 3 / 4
    after_a = np.array([0.0, 1.5, 0.5, 0.0]) / 3 + 1.0 / 3 * lower
    said = [model.log_probabilities(np.array([0, w]))[1] for w in range(4)]
    np.testing.assert_allclose(np.exp(said), after_a)
    # c was the last token: nothing ever followed it.
    said = [model.log_probabilities(np.array([2, w]))[1] for w in range(4)]
    np.testing.assert_allclose(np.exp(said), lower)


def test_a_probability_depends_on_the_past_alone():
    model = NGrams(TEXT, order=4, vocabulary=V)
    whole = model.log_probabilities(TEXT)
    for end in (1, 2, 7, 50):
        np.testing.assert_array_equal(model.log_probabilities(TEXT[:end]), whole[:end])


def test_longer_sequences_help_where_there_is_order_and_short_texts_are_enough():
    losses = [
        -NGrams(TEXT[:300], order=n, vocabulary=V).log_probabilities(TEXT[300:]).mean()
        for n in (1, 3)
    ]
    assert losses[1] < losses[0]
    assert np.isfinite(NGrams(TEXT[:2], order=5, vocabulary=V).log_probabilities(TEXT)).all()
