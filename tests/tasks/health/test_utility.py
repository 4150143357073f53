import numpy as np
import pytest

from cellstate.errors import InputError
from cellstate.tasks.health.bootstrap import bootstrap
from cellstate.tasks.health.utility import Utilities, UtilityScorer


def by_hand(labels, alarms):
    """Add up one stay hour by hour, as the challenge describes it in words."""
    onset = labels.index(1) + 6 if 1 in labels else None
    total = 0.0
    for hour, alarm in enumerate(alarms):
        if onset is None:
            total += -0.05 if alarm else 0.0
            continue
        away = hour - onset
        if away > 3:
            continue
        if alarm:
            total += max((away + 12) / 6, -0.05) if away <= -6 else (3 - away) / 9
        else:
            total += 0.0 if away <= -6 else -2 * (away + 6) / 9
    return total


def test_the_example_of_the_challenge_is_met():
    worth = Utilities.of([0, 0, 0, 0, 1, 1], [0, 6])
    alarms = np.array([0, 0, 1, 1, 1, 1], dtype=bool)
    assert np.where(alarms, worth.alarm, worth.quiet).sum() == pytest.approx(3.388888888888889)


def test_utility_is_the_sum_over_stays_hour_by_hour():
    rng = np.random.default_rng(0)
    labels, offsets, alarms = [], [0], []
    observed = best = nothing = 0.0
    for _ in range(40):
        length = int(rng.integers(1, 50))
        start = int(rng.integers(0, length)) if rng.random() < 0.5 else length
        label = [0] * start + [1] * (length - start)
        alarm = (rng.random(length) < 0.4).tolist()
        ideal = [0] * length
        if start < length:
            onset = start + 6
            ideal = [int(onset - 12 <= hour <= onset + 3) for hour in range(length)]
        observed += by_hand(label, alarm)
        best += by_hand(label, ideal)
        nothing += by_hand(label, [0] * length)
        labels += label
        alarms += alarm
        offsets.append(len(labels))
    worth = Utilities.of(labels, offsets)
    assert worth.score(alarms) == pytest.approx((observed - nothing) / (best - nothing))


def test_inaction_has_none_and_the_best_alarms_have_one():
    labels = [0] * 20 + [1] * 9 + [0] * 15
    worth = Utilities.of(labels, [0, 29, 44])
    hours = np.arange(44)
    ideal = (hours >= 26 - 12) & (hours <= 26 + 3) & (hours < 29)
    assert worth.score(np.zeros(44)) == 0.0
    assert worth.score(ideal) == pytest.approx(1.0)
    assert worth.score(np.ones(44)) < 1.0


def test_alarms_far_too_early_or_too_late_count_as_told():
    worth = Utilities.of([0] * 30 + [1] * 12, [0, 42])
    assert worth.alarm[0] == pytest.approx(-0.05)  # as dear as a false one, no dearer
    assert worth.alarm[24] == 0.0  # twelve hours before
    assert worth.alarm[30] == 1.0  # six hours before
    assert worth.quiet[39] == pytest.approx(-2.0)  # three hours after: a miss
    assert (worth.alarm[40:] == 0).all()
    assert (worth.quiet[40:] == 0).all()


def test_the_best_threshold_is_the_best_of_all():
    rng = np.random.default_rng(1)
    labels = np.zeros(600, dtype=int)
    offsets = np.arange(0, 601, 30)
    for place in range(0, 20, 3):
        labels[30 * place + 18 : 30 * place + 30] = 1
    risks = (0.4 * labels + 0.8 * rng.random(600)).round(2)
    worth = Utilities.of(labels, offsets)
    threshold, utility = worth.best_threshold(risks)
    levels = np.append(np.unique(risks), 9.0)
    assert utility == pytest.approx(max(worth.score(risks >= level) for level in levels))
    assert utility == worth.score(risks >= threshold)


def test_a_threshold_that_only_costs_is_above_all_risks():
    worth = Utilities.of([0, 0, 0, 1], [0, 3, 4])
    threshold, utility = worth.best_threshold([0.9, 0.9, 0.9, 0.9])
    assert threshold < 0.95
    assert utility > 0
    worth = Utilities.of([0] * 100 + [1], [0, 100, 101])
    threshold, utility = worth.best_threshold([0.9] * 101)
    assert threshold > 0.9
    assert utility == 0.0


def test_stays_without_sepsis_alone_have_no_utility():
    worth = Utilities.of([0, 0, 0], [0, 3])
    assert np.isnan(worth.score([0, 0, 0]))
    assert np.isnan(worth.score([1, 0, 0]))


def test_utility_has_an_interval_over_patients():
    labels = np.tile([0] * 10 + [1] * 10 + [0] * 20, 10)
    offsets = np.arange(0, 401, 20)
    owner = np.repeat(np.arange(20), 20)
    alarms = np.random.default_rng(0).random(400) < 0.3 + 0.4 * labels
    found = bootstrap(UtilityScorer(Utilities.of(labels, offsets), alarms), owner, resamples=100)
    assert found["utility"].low < found["utility"].value < found["utility"].high


def test_bad_calls_are_refused():
    with pytest.raises(InputError, match=r"every label must be 0 or 1; got another in row 1\."):
        Utilities.of([0, 2], [0, 2])
    with pytest.raises(InputError, match="offsets must lead from 0 to the number of labels"):
        Utilities.of([0, 1], [0, 3])
    worth = Utilities.of([0, 1], [0, 2])
    with pytest.raises(InputError, match=r"an alarm or none for each hour; got shape \(1,\)"):
        worth.score([True])
    with pytest.raises(InputError, match="there must be one risk for each hour"):
        worth.best_threshold([0.5, np.nan])
