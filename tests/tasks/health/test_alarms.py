from itertools import pairwise

import numpy as np
import pytest

from cellstate.errors import InputError
from cellstate.tasks.health.alarms import Silencer, Watch, choose_threshold, raise_alarms
from tests.tasks.health import cohorts


def step_by_step(watch, risks, threshold, silence):
    sounds = []
    for place in range(len(watch.events)):
        silencer = Silencer(threshold, silence)
        steps = range(watch.offsets[place], watch.offsets[place + 1])
        sounds += [silencer.step(watch.hours[step], risks[step]) for step in steps]
    return np.array(sounds, dtype=bool)


@pytest.mark.parametrize("silence", [0.0, 0.7, 3.0, 8.0, 1000.0])
def test_streaming_sounds_the_alarms_of_the_batch(silence):
    offsets, hours, risks, _ = cohorts.stays(60)
    risks[::17] = np.nan
    watch = Watch.of(offsets, hours)
    for threshold in (0.2, 0.5, 0.8, 1.1):
        batch = raise_alarms(watch, risks, threshold, silence)
        assert np.array_equal(batch, step_by_step(watch, risks, threshold, silence))


def test_alarms_of_a_stay_keep_their_distance():
    offsets, hours, risks, events = cohorts.stays(60)
    watch = Watch.of(offsets, hours, events)
    sounds = raise_alarms(watch, risks, 0.3, 6.0)
    for a, b in pairwise(offsets):
        assert (np.diff(hours[a:b][sounds[a:b]]) >= 6).all()


def test_no_alarm_sounds_after_the_event():
    watch = Watch.of([0, 4], [0, 1, 2, 3], [1.5])
    assert raise_alarms(watch, np.ones(4), 0.5).tolist() == [True, True, False, False]


def test_days_are_counted_up_to_the_event():
    hours = [0, 1, 2, 3, 0, 2, 0]
    watch = Watch.of([0, 4, 6, 7], hours, [1, np.nan, -5])
    # One hour and the usual one; two hours and the usual one; after its event nobody is watched.
    assert 24 * watch.days == pytest.approx([2, 3, 0])


@pytest.mark.parametrize("silence", [0.0, 2.0, 6.0])
@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0, 4.0, 100.0])
def test_the_threshold_is_the_lowest_that_is_quiet_enough(rate, silence):
    offsets, hours, risks, events = cohorts.stays(60)
    watch = Watch.of(offsets, hours, events)
    threshold = choose_threshold(watch, risks, alarms_per_day=rate, silence=silence)
    most = rate * watch.days.sum()
    levels = np.unique(risks[watch.is_watched])
    counts = np.array([raise_alarms(watch, risks, v, silence).sum() for v in levels])
    assert (np.diff(counts) <= 0).all()
    chosen = raise_alarms(watch, risks, threshold, silence).sum()
    assert chosen <= most
    assert chosen == counts[counts <= most].max(initial=0)


def test_a_chosen_threshold_lies_between_two_risks():
    watch = Watch.of([0, 24], np.arange(24.0))
    risks = np.repeat([0.2, 0.6], 12)
    assert choose_threshold(watch, risks, alarms_per_day=12) == pytest.approx(0.4)
    assert choose_threshold(watch, risks, alarms_per_day=11) > 0.6
    assert choose_threshold(watch, risks, alarms_per_day=24) == 0.2


def test_a_stay_without_steps_and_no_stays_are_quiet():
    watch = Watch.of([0, 0, 2], [0, 1], [np.nan, 5])
    assert raise_alarms(watch, [0.9, 0.9], 0.5, 4).tolist() == [True, False]
    assert watch.days[0] == 0
    assert len(raise_alarms(Watch.of([0], []), [], 0.5, 4)) == 0


def test_silence_can_be_kept_between_sessions():
    first = Silencer(0.5, 6.0)
    assert first.step(10.0, 0.9)
    again = Silencer(0.5, 6.0, until=first.until)
    assert again.hours_left(12.0) == 4.0
    assert not again.step(15.9, 0.9)
    assert again.step(16.0, 0.9)
    assert not Silencer(0.5, 6.0).step(0.0, float("nan"))


def test_bad_calls_are_refused():
    with pytest.raises(InputError, match=r"hours of a stay must rise; got another in step 2"):
        Watch.of([0, 3], [0, 2, 1])
    with pytest.raises(InputError, match="got another in step 1"):
        Watch.of([0, 3], [0, np.nan, 1])
    with pytest.raises(InputError, match="1 stays, 2 hours, 1 events, 3 steps"):
        Watch.of([0, 3], [0, 1])
    watch = Watch.of([0, 2], [0, 1])
    with pytest.raises(InputError, match=r"one risk for each step; got shape \(1,\) for 2 steps"):
        raise_alarms(watch, [0.5], 0.5)
    with pytest.raises(InputError, match="alarms_per_day must be 0 or more; got -1"):
        choose_threshold(watch, [0.5, 0.5], alarms_per_day=-1)
    with pytest.raises(InputError, match="there must be risks to choose from; got none"):
        choose_threshold(watch, [np.nan, np.nan], alarms_per_day=1)
