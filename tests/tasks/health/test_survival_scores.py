import numpy as np
import pytest

from cellstate.errors import InputError
from cellstate.tasks.health import survival_scores
from cellstate.tasks.health.survival import KaplanMeier
from cellstate.tasks.health.survival_scores import (
    brier_scores,
    censoring_of,
    concordance,
    integrated_brier,
    score_survival,
    times_to_score,
)
from tests.tasks.health.cohorts import lifetimes


def pair_by_pair(times, events, risks):
    right = pairs = 0.0
    for i in range(len(times)):
        for j in range(len(times)):
            later = times[j] > times[i] or (times[j] == times[i] and not events[j])
            if i != j and events[i] and later:
                pairs += 1
                right += 1.0 if risks[i] > risks[j] else 0.5 if risks[i] == risks[j] else 0.0
    return right / pairs


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("chunk", [50, 4_000_000])
def test_concordance_is_that_of_all_pairs_with_ties_too(seed, chunk, monkeypatch):
    monkeypatch.setattr(survival_scores, "CHUNK", chunk)
    times, events, risks = lifetimes(80, seed)
    times, risks = np.ceil(times), risks.round(1)
    expected = pair_by_pair(times, events, risks)
    assert concordance(times, events, risks) == pytest.approx(expected)


def test_a_weight_counts_a_patient_so_often():
    times, events, risks = lifetimes(60)
    weights = np.random.default_rng(0).integers(0, 3, 60)
    again = np.repeat(np.arange(60), weights)
    # Pairs of a patient with itself never count: nobody outlives an event of its own.
    expected = concordance(times[again], events[again], risks[again])
    assert concordance(times, events, risks, weights) == pytest.approx(expected)


def test_risks_in_order_and_in_reverse_are_one_and_nought():
    assert concordance([1, 2, 3], [1, 1, 0], [3, 2, 1]) == 1.0
    assert concordance([1, 2, 3], [1, 1, 0], [1, 2, 3]) == 0.0
    assert np.isnan(concordance([1, 2], [0, 0], [1, 2]))


def test_without_leavings_brier_is_the_plain_one():
    times, _, _ = lifetimes(100)
    rng = np.random.default_rng(0)
    at = np.array([0.5, 1.0, 3.0])
    survival = rng.random((100, 3))
    plain = ((survival - (times[:, None] > at)) ** 2).mean(0)
    assert brier_scores(times, np.ones(100), survival, at) == pytest.approx(plain)


def test_brier_is_that_of_its_definition_patient_by_patient():
    times, events, _ = lifetimes(60)
    times = np.ceil(2 * times) / 2
    at = np.array([0.5, 1.0, 2.0])
    survival = np.random.default_rng(0).random((60, 3))
    stays = censoring_of(times, events)
    for column, t in enumerate(at):
        total = 0.0
        for i in range(60):
            if times[i] <= t and events[i]:
                total += survival[i, column] ** 2 / stays.at([times[i]], before=True)[0]
            elif times[i] > t:
                total += (1 - survival[i, column]) ** 2 / stays.at([t])[0]
        expected = total / 60
        assert brier_scores(times, events, survival, at)[column] == pytest.approx(expected)


def test_leavings_are_counted_after_events_of_the_same_time():
    stays = censoring_of([1, 1, 1, 2], [1, 0, 0, 0])
    # At hour 1, the event comes first: of the three that are left then, two leave.
    assert stays.shares.tolist() == pytest.approx([1 / 3, 0])


def test_the_true_curve_scores_better_than_one_for_all():
    times, events, risks = lifetimes(3000)
    at = times_to_score(times, events, 20)
    truth = np.exp(-at * np.exp(risks)[:, None])
    for_all = np.tile(KaplanMeier.of(times, events).at(at), (3000, 1))
    ours, theirs = (score_survival(times, events, curves, at) for curves in (truth, for_all))
    assert ours["integrated Brier"] < 0.9 * theirs["integrated Brier"]
    assert ours["C-index"] > 0.7
    assert theirs["C-index"] == 0.5
    given = score_survival(times, events, truth, at, censoring=censoring_of(times, events))
    assert given == ours


def test_leavings_do_not_bend_the_score():
    times, events, risks = lifetimes(20_000)
    whole, _, _ = lifetimes(20_000, is_censored=False)
    at = np.array([0.5, 1.0])
    curves = np.exp(-at * np.exp(risks)[:, None])
    assert brier_scores(times, events, curves, at) == pytest.approx(
        brier_scores(whole, np.ones(20_000), curves, at), abs=0.006
    )


def test_where_nobody_is_left_there_is_no_score():
    stays = KaplanMeier(np.array([1.0]), np.array([0.0]))
    scores = brier_scores([3, 4], [1, 1], np.full((2, 2), 0.5), [0.5, 2.0], censoring=stays)
    assert scores[0] == 0.25
    assert np.isnan(scores[1])
    assert integrated_brier(scores, np.array([0.5, 2.0])) == 0.25
    assert np.isnan(integrated_brier(np.array([np.nan]), np.array([1.0])))


def test_bad_calls_are_refused():
    with pytest.raises(InputError, match=r"one risk for each patient; got shape \(1,\)"):
        concordance([1, 2], [1, 0], [0.5])
    with pytest.raises(InputError, match=r"survival must have shape \(2, 1\); got \(1, 2\)"):
        brier_scores([1, 2], [1, 0], [[0.5, 0.5]], [1.0])
