import numpy as np
import pytest

from cellstate.tasks.health.alarms import Watch, choose_threshold, raise_alarms
from cellstate.tasks.health.bootstrap import bootstrap
from cellstate.tasks.health.early_warning import METRICS, alarm_curve, score_alarms
from tests.tasks.health import cohorts

# Three stays: an event at hour 10, one at hour 8, none. Hours are 0, 2, 4 …
HOURS = np.tile(np.arange(0.0, 12.0, 2.0), 3)
WATCH = Watch.of([0, 6, 12, 18], HOURS, [10.0, 8.0, np.nan])
RISKS = np.zeros(18)
RISKS[[1, 3, 4]] = 0.9  # hours 2, 6 and 8 of the first
RISKS[11] = 0.9  # hour 10 of the second, after its event
RISKS[[12, 17]] = 0.9  # two of the third


def test_scores_are_those_counted_by_hand():
    scores = score_alarms(WATCH, RISKS, 0.5, window=6.0)
    assert scores.alarms.tolist() == [3, 0, 2]
    assert scores.true_alarms.tolist() == [2, 0, 0]  # the one 8 hours before is too early
    assert scores.leads.tolist()[0] == 4.0
    assert np.isnan(scores.leads[1:]).all()
    days = (12 + 10 + 12) / 24
    assert scores() == pytest.approx(
        {
            "sensitivity": 0.5,
            "precision": 2 / 5,
            "alarms per patient-day": 5 / days,
            "lead time": 4.0,
        }
    )


def test_a_window_an_hour_too_late_and_silence_change_what_counts():
    assert score_alarms(WATCH, RISKS, 0.5, window=24.0)()["lead time"] == 8.0
    late = score_alarms(WATCH, RISKS, 0.5, window=24.0, least_lead=5.0)
    assert late.true_alarms.tolist() == [1, 0, 0]
    silent = score_alarms(WATCH, RISKS, 0.5, silence=5.0, window=24.0)
    assert silent.alarms.tolist() == [2, 0, 2]


def test_what_is_not_defined_is_not_a_number():
    quiet = score_alarms(Watch.of([0, 2], [0, 1]), [0.1, 0.1], 0.5)()
    assert np.isnan([quiet["sensitivity"], quiet["precision"], quiet["lead time"]]).all()
    assert quiet["alarms per patient-day"] == 0.0
    assert set(quiet) == set(METRICS)


def test_weights_of_stays_are_those_of_drawn_stays():
    offsets, hours, risks, events = cohorts.stays(30)
    weights = np.random.default_rng(0).integers(0, 3, 30)
    again = np.repeat(np.arange(30), weights)
    lengths = np.diff(offsets)[again]
    steps = np.concatenate([np.arange(offsets[k], offsets[k + 1]) for k in again])
    twice = Watch.of(np.concatenate([[0], np.cumsum(lengths)]), hours[steps], events[again])
    watch = Watch.of(offsets, hours, events)
    drawn = score_alarms(twice, risks[steps], 0.6, silence=4)()
    weighted = score_alarms(watch, risks, 0.6, silence=4)(weights.astype(float))
    assert weighted == pytest.approx(drawn)
    found = bootstrap(score_alarms(watch, risks, 0.6), np.arange(30), resamples=50)
    assert found["sensitivity"].low <= found["sensitivity"].value <= found["sensitivity"].high


def test_a_curve_goes_from_few_alarms_to_many():
    offsets, hours, risks, events = cohorts.stays(60)
    watch = Watch.of(offsets, hours, events)
    curve = alarm_curve(watch, risks, silence=4.0, window=1000.0)
    assert (np.diff(curve.thresholds) < 0).all()
    assert (np.diff(curve.alarms_per_day) >= 0).all()
    assert (np.diff(curve.sensitivity) >= 0).all()
    threshold = choose_threshold(watch, risks, alarms_per_day=1.0, silence=4.0)
    at = np.flatnonzero(curve.thresholds == threshold)
    assert len(at) == 1
    alarms = raise_alarms(watch, risks, threshold, 4.0).sum()
    assert curve.alarms_per_day[at[0]] == pytest.approx(alarms / watch.days.sum())


def test_thousands_of_stays_are_quick():
    rng = np.random.default_rng(0)
    offsets = np.arange(0, 4001 * 60, 60)
    hours = np.tile(np.arange(60.0), 4000)
    events = np.where(rng.random(4000) < 0.1, 50.0, np.nan)
    curve = alarm_curve(Watch.of(offsets, hours, events), rng.random(240_000), silence=6.0)
    assert len(curve.thresholds) > 10
