"""One stream over a text: chunks, the cache and dynamic evaluation against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cellstate.tasks.text.language import stream_score
from cellstate.tasks.text.language.dynamic import DynamicEvaluation, score_dynamically
from cellstate.tasks.text.language.stream_score import NeuralCache, score_stream
from tests.tasks.text.language.sentences import FRESH, fitted


@pytest.fixture
def tokens():
    return fitted().tokenizer_.encode(FRESH)[:300]


@pytest.mark.parametrize("cache", [None, NeuralCache(size=20)])
def test_chunks_do_not_matter(tokens, cache, monkeypatch):
    reader = fitted().fitted_.reader
    whole = score_stream(reader, tokens, cache)
    monkeypatch.setattr(stream_score, "MOST_STEPS", 7)
    monkeypatch.setattr(stream_score, "MOST_NUMBERS", 100)
    np.testing.assert_allclose(score_stream(reader, tokens, cache), whole, atol=1e-5)
    assert len(score_stream(reader, tokens[:1])) == 0
    assert len(score_stream(reader, tokens[:2])) == 1


def test_the_cache_is_what_its_formula_says(tokens):
    reader = fitted().fitted_.reader
    cache = NeuralCache(size=15, theta=0.7, weight=0.2)
    hidden = reader.hidden(tokens[:-1, None], None)[0][:, 0].astype(float)
    plain = score_stream(reader, tokens)
    expected = []
    for t in range(len(tokens) - 1):
        p = np.exp(plain[t])
        past = range(max(0, t - 15), t)
        if len(past):
            weights = [np.exp(0.7 * hidden[t] @ hidden[i]) for i in past]
            hits = [w for w, i in zip(weights, past, strict=True) if tokens[i + 1] == tokens[t + 1]]
            p = 0.8 * p + 0.2 * sum(hits) / sum(weights)
        expected.append(np.log(p))
    np.testing.assert_allclose(score_stream(reader, tokens, cache), expected, atol=1e-5)


def test_a_cache_helps_on_a_text_that_repeats_itself():
    model = fitted()
    odd = "the tac sees the tac. the god loves the god. the tac sees the god.\n" * 4
    evaluation = model.evaluate(odd, cache=NeuralCache(size=200, theta=0.5, weight=0.2))
    assert evaluation.metric("nats per token", "LSTM with neural cache") < evaluation.metric(
        "nats per token"
    )


def test_dynamic_evaluation_scores_before_it_learns(tokens):
    fit = fitted().fitted_
    whole = score_dynamically(fit.network(), tokens, fit.train, DynamicEvaluation(steps=30))
    plain = score_stream(fit.reader, tokens)
    # Nothing was learned yet in the first stretch; later all differ.
    np.testing.assert_allclose(whole[:30], plain[:30], atol=1e-5)
    assert (np.abs(whole[30:] - plain[30:]) > 1e-7).any()
    # What comes after a token does not change what was said of it.
    part = score_dynamically(fit.network(), tokens[:151], fit.train, DynamicEvaluation(steps=30))
    np.testing.assert_allclose(whole[:150], part, atol=1e-6)


def test_dynamic_evaluation_learns_a_new_habit():
    fit = fitted().fitted_
    text = "the tac sees the tac. the god loves the god.\n" * 10
    tokens = fitted().tokenizer_.encode(text)
    settings = DynamicEvaluation(rate=1e-4)
    learned = score_dynamically(fit.network(), tokens, fit.train, settings)
    assert learned.mean() > score_stream(fit.reader, tokens).mean() + 0.05


def test_a_full_pull_undoes_every_step(tokens):
    fit = fitted().fitted_
    network = fit.network()
    before = torch.cat([p.detach().flatten().clone() for p in network.parameters()])
    score_dynamically(network, tokens, fit.train, DynamicEvaluation(rate=1e-12, decay=1.0))
    after = torch.cat([p.detach().flatten() for p in network.parameters()])
    torch.testing.assert_close(after, before, atol=1e-5, rtol=0)
