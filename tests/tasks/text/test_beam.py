"""Beam search against an enumeration of everything there is to find."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from cellstate.errors import InputError
from cellstate.tasks.text.beam import BeamSearch, Coverage, Hypothesis

VOCABULARY, END, SOURCE = 3, 0, 4
ALL = 200  # more than there are sequences


class Language:
    """Log-probabilities that depend on the row and on everything said so far.

    The state is (row, number that stands for what was said), one pair for each hypothesis.
    """

    def __init__(self, seed: int, rows: int, longest: int) -> None:
        draw = torch.Generator().manual_seed(seed)
        histories = (VOCABULARY + 1) ** (longest + 1)
        logits = 2 * torch.randn(rows, histories, VOCABULARY, generator=draw, dtype=torch.float64)
        self.table = logits.log_softmax(2)
        self.looks = (2 * torch.randn(rows, histories, SOURCE, generator=draw)).softmax(2).double()
        self.steps: list[int] = []

    def start(self, rows: int) -> torch.Tensor:
        return torch.stack([torch.arange(rows), torch.zeros(rows, dtype=torch.int64)], 1)

    def step(self, tokens: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.steps.append(len(tokens))
        said = state[:, 1] * (VOCABULARY + 1) + tokens
        return self.table[state[:, 0], said], torch.stack([state[:, 0], said], 1)

    def attention(self, state: torch.Tensor) -> torch.Tensor:
        return self.looks[state[:, 0], state[:, 1]]

    def search(
        self, settings: BeamSearch, limits: list[int], weight: float | None = None
    ) -> list[list[Hypothesis]]:
        rows = len(limits)
        mask = torch.ones(rows, SOURCE, dtype=torch.bool)
        cover = None if weight is None else Coverage(weight, self.attention, mask)
        return settings(
            self.step,
            lambda state, chosen: state[chosen],
            self.start(rows),
            first=[VOCABULARY] * rows,
            end=END,
            max_length=limits,
            coverage=cover,
        )

    def score(
        self, row: int, tokens: tuple[int, ...], penalty: float, weight: float
    ) -> tuple[float, float]:
        """Score by the definition: tokens with the end token where there is one."""
        said, log_prob, covered = 0, 0.0, torch.zeros(SOURCE, dtype=torch.float64)
        for before, token in itertools.pairwise((VOCABULARY, *tokens)):
            said = said * (VOCABULARY + 1) + before
            log_prob += float(self.table[row, said, token])
            covered += self.looks[row, said]
        score = log_prob / ((5 + len(tokens)) / 6) ** penalty
        return score + weight * float(covered.clamp(max=1.0).log().sum()), log_prob

    def everything(
        self, row: int, limit: int, penalty: float, weight: float, shortest: int
    ) -> list[tuple[float, float, list[int], bool]]:
        found = []
        for length in range(1, limit + 1):
            for tokens in itertools.product(range(VOCABULARY), repeat=length):
                ended = tokens[-1] == END
                if END in tokens[:-1] or (not ended and length < limit):
                    continue
                if ended and length <= shortest:
                    continue
                score, log_prob = self.score(row, tokens, penalty, weight)
                found.append((score, log_prob, [t for t in tokens if t != END], ended))
        return sorted(found, reverse=True)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("penalty", [0.0, 0.6, 2.0])
@pytest.mark.parametrize("weight", [None, 0.0, 0.7])
@pytest.mark.parametrize("shortest", [0, 2])
def test_a_beam_as_wide_as_everything_finds_the_best_of_everything(seed, penalty, weight, shortest):
    limits = [4, 1, 3]
    language = Language(seed, rows=3, longest=4)
    settings = BeamSearch(ALL, length_penalty=penalty, min_length=shortest, n_best=6)
    results = language.search(settings, limits, weight)
    for row, (limit, found) in enumerate(zip(limits, results, strict=True)):
        best = language.everything(row, limit, penalty, weight or 0.0, shortest)[:6]
        assert [list(h.tokens) for h in found] == [tokens for _, _, tokens, _ in best]
        assert [h.is_complete for h in found] == [ended for *_, ended in best]
        np.testing.assert_allclose([h.score for h in found], [score for score, *_ in best], 1e-5)
        np.testing.assert_allclose([h.log_prob for h in found], [p for _, p, *_ in best], 1e-5)


@pytest.mark.parametrize("seed", range(8))
def test_a_beam_of_one_is_greedy(seed):
    language = Language(seed, rows=2, longest=6)
    results = language.search(BeamSearch(1), [6, 6])
    for row, (found,) in enumerate(results):
        tokens, said, before = [], 0, VOCABULARY
        while len(tokens) < 6:
            said = said * (VOCABULARY + 1) + before
            before = int(language.table[row, said].argmax())
            if before == END:
                break
            tokens.append(before)
        assert list(found.tokens) == tokens
        assert found.is_complete == (before == END)


@pytest.mark.parametrize("beam", [2, 3, 5])
@pytest.mark.parametrize("seed", range(4))
def test_rows_find_the_same_in_any_batch(seed, beam):
    limits = [6, 2, 5, 6]
    settings = BeamSearch(beam, n_best=2)
    language = Language(seed, rows=4, longest=6)
    together = language.search(settings, limits, 0.2)
    for row, limit in enumerate(limits):
        alone = Language(seed, rows=4, longest=6)
        alone.table, alone.looks = alone.table[row:], alone.looks[row:]
        (found,) = alone.search(settings, [limit], 0.2)
        assert [list(h.tokens) for h in found] == [list(h.tokens) for h in together[row]]
        assert [h.score for h in found] == pytest.approx([h.score for h in together[row]])


@pytest.mark.parametrize("seed", range(4))
def test_a_result_is_never_worse_than_what_its_own_score_says(seed):
    language = Language(seed, rows=3, longest=5)
    for row, found in enumerate(language.search(BeamSearch(3, n_best=3), [5, 5, 5])):
        for h in found:
            tokens = (*h.tokens, *([END] if h.is_complete else []))
            score, log_prob = language.score(row, tokens, 1.0, 0.0)
            assert (h.score, h.log_prob) == pytest.approx((score, log_prob))
        assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)


def test_rows_that_are_done_leave_the_batch():
    language = Language(0, rows=3, longest=6)
    language.search(BeamSearch(2), [6, 1, 3])
    assert language.steps[0] == 6
    assert language.steps[1] <= 4
    assert language.steps == sorted(language.steps, reverse=True)
    assert len(language.steps) <= 6


def test_a_search_stops_when_nothing_better_is_possible():
    steps = 0

    def step(tokens: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
        nonlocal steps
        steps += 1
        return torch.tensor([[0.98, 0.01, 0.01]]).log().expand(len(tokens), -1), state

    search = BeamSearch(4, length_penalty=1.0)
    ((found,),) = search(step, lambda s, r: s, None, first=[1], end=END, max_length=500)
    assert list(found.tokens) == []
    assert steps < 5


def test_without_an_end_token_results_have_the_greatest_length():
    language = Language(1, rows=1, longest=4)
    ((found,),) = BeamSearch(3)(
        language.step, lambda s, r: s[r], language.start(1),
        first=[VOCABULARY], end=None, max_length=4,
    )  # fmt: skip
    assert len(found.tokens) == 4
    assert not found.is_complete


def test_what_has_probability_zero_is_never_found():
    def step(tokens: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
        never = torch.full((len(tokens), 3), -torch.inf)
        return never, state

    assert BeamSearch(2)(step, lambda s, r: s, None, first=[1, 1], end=0, max_length=3) == [[], []]


def test_no_rows_give_no_results():
    language = Language(0, rows=1, longest=2)
    assert language.search(BeamSearch(2), []) == []


def test_a_beam_wider_than_the_vocabulary_takes_what_there_is():
    language = Language(2, rows=1, longest=2)
    ((best, *_),) = language.search(BeamSearch(50, n_best=3), [2])
    assert list(best.tokens) == language.everything(0, 2, 1.0, 0.0, 0)[0][2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beam": 0}, "beam must be at least 1; got beam=0"),
        ({"length_penalty": -0.5}, "length_penalty must be at least 0; got length_penalty=-0.5"),
        ({"min_length": -1}, "min_length must be at least 0"),
        ({"n_best": 0}, "n_best must be at least 1"),
        ({"beam": 2, "n_best": 3}, "n_best must be at most beam=2; got n_best=3"),
    ],
)
def test_settings_out_of_range_are_explained(arguments, message):
    with pytest.raises(InputError, match=message):
        BeamSearch(**arguments)
