"""How the next token is chosen: each filter against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from cellstate.tasks.text.language.sampling import Sampling, choose, constrained

P = np.array([0.4, 0.3, 0.15, 0.1, 0.05])
LOG_P = np.log(P)


def drawn(sampling, draws=4000, log_p=LOG_P):
    rng = np.random.default_rng(0)
    tokens = [choose(log_p, sampling, rng) for _ in range(draws)]
    return np.bincount(tokens, minlength=len(log_p)) / draws


def test_plain_draws_follow_the_probabilities():
    np.testing.assert_allclose(drawn(Sampling()), P, atol=0.03)


def test_temperature_is_a_power_of_the_probabilities():
    for temperature in (0.5, 2.0):
        expected = P ** (1 / temperature)
        np.testing.assert_allclose(
            drawn(Sampling(temperature=temperature)), expected / expected.sum(), atol=0.03
        )
    assert drawn(Sampling(temperature=0.0), 5).tolist() == [1, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("sampling", "kept"),
    [
        (Sampling(top_k=2), [0, 1]),
        (Sampling(top_k=99), [0, 1, 2, 3, 4]),
        (Sampling(top_p=0.4), [0]),
        (Sampling(top_p=0.5), [0, 1]),
        (Sampling(top_p=0.7), [0, 1]),
        (Sampling(top_p=0.71), [0, 1, 2]),
        (Sampling(top_p=1.0), [0, 1, 2, 3, 4]),
        # The entropy is 1.39 nats; 0.3 (1.20) is nearest, then 0.15 (1.90), then 0.4 (0.92).
        (Sampling(typical=0.3), [1]),
        (Sampling(typical=0.6), [0, 1]),
        # What top_k leaves is made to sum to 1 first: 0.82 of it.
        (Sampling(top_p=0.8), [0, 1, 2]),
        (Sampling(top_k=3, top_p=0.8), [0, 1]),
    ],
)
def test_filters_keep_what_their_definition_says(sampling, kept):
    shares = drawn(sampling)
    assert np.flatnonzero(shares).tolist() == kept
    np.testing.assert_allclose(shares[kept], P[kept] / P[kept].sum(), atol=0.03)


def test_typical_prefers_the_expected_surprise_to_the_likeliest_token():
    p = np.array([0.5, *[0.05] * 10])
    # The entropy is 1.84 nats: 0.5 (0.69) is farther away than 0.05 (3.00).
    shares = drawn(Sampling(typical=0.4), log_p=np.log(p))
    entropy = -(p * np.log(p)).sum()
    near = np.abs(-np.log(p) - entropy)
    assert near[0] < near[1]
    assert shares[0] == 1.0


def test_impossible_tokens_stay_impossible():
    log_p = LOG_P.copy()
    log_p[0] = -np.inf
    for sampling in (Sampling(), Sampling(typical=0.9), Sampling(top_p=0.9), Sampling(top_k=4)):
        assert drawn(sampling, 500, log_p)[0] == 0.0


def test_what_was_written_becomes_less_likely():
    said = constrained(LOG_P, [0, 0, 3], Sampling(repetition_penalty=2.0))
    np.testing.assert_allclose(np.exp(said), P ** np.array([2, 1, 1, 2, 1]))


def test_sequences_that_would_come_twice_are_ruled_out():
    history = [1, 2, 3, 1, 2]
    said = constrained(LOG_P, history, Sampling(no_repeat=3))
    assert np.flatnonzero(np.isneginf(said)).tolist() == [3]
    said = constrained(LOG_P, history, Sampling(no_repeat=1))
    assert np.flatnonzero(np.isneginf(said)).tolist() == [1, 2, 3]
    assert np.isfinite(constrained(LOG_P, [1], Sampling(no_repeat=3))).all()


def test_only_allowed_tokens_are_left_as_likely_as_they_were():
    said = constrained(LOG_P, [], Sampling(), allowed=[2, 4])
    np.testing.assert_allclose(np.exp(said), [0, 0, 0.15, 0, 0.05])
