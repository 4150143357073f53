import numpy as np
import pytest

from cellstate.errors import InputError
from cellstate.tasks.health.survival import Intervals, KaplanMeier
from tests.tasks.health.cohorts import lifetimes

CUT = Intervals(np.array([0.0, 2.0, 4.0, 6.0]))


def test_events_are_spread_evenly_over_the_intervals():
    times, events, _ = lifetimes(2000)
    cut = Intervals.of(times, events, 10)
    assert len(cut) == 10
    _, happened = cut.terms(times, events)
    assert happened.sum() == events.sum()
    assert happened.sum(0)[:-1] == pytest.approx(events.sum() / 10, abs=2)


def test_equal_times_make_fewer_intervals():
    assert Intervals.of([3, 3, 3, 3], [1, 1, 1, 1]).edges.tolist() == [0, 3]
    assert Intervals.of([1, 2, 5], [0, 0, 0], 2).edges.tolist() == [0, 2, 5]


def test_an_event_on_an_edge_belongs_to_the_interval_that_ends_there():
    _, happened = CUT.terms([2.0, 2.1, 6.0], [1, 1, 1])
    assert happened.argmax(1).tolist() == [0, 1, 2]


def test_an_event_beyond_the_last_edge_has_outlived_all_intervals():
    at_risk, happened = CUT.terms([9.0], [1])
    assert at_risk.tolist() == [[1, 1, 1]]
    assert happened.sum() == 0


def test_the_loss_is_minus_the_log_of_what_happened():
    hazards = [[0.1, 0.2, 0.3]] * 3
    loss = CUT.loss(hazards, [3.0, 3.5, 0.5], [1, 0, 0])
    assert loss == pytest.approx([-np.log(0.9 * 0.2), -np.log(0.9 * 0.8), 0.0])
    assert np.isfinite(CUT.loss([[0.0, 1.0, 1.0]], [5.0], [0])).all()


def test_hazards_of_the_shares_give_the_curve_of_kaplan_and_meier():
    times, _, _ = lifetimes(500)
    whole = np.ones(500)
    cut = Intervals.of(times, whole, 12)
    at_risk, happened = cut.terms(times, whole)
    hazards = happened.sum(0, keepdims=True) / at_risk.sum(0)
    curve = KaplanMeier.of(times, whole)
    assert cut.survival(hazards, cut.edges)[0] == pytest.approx(curve.at(cut.edges), abs=1e-6)


def test_survival_never_rises_and_begins_with_one():
    hazards = np.random.default_rng(0).random((5, 3))
    curve = CUT.survival(hazards, np.linspace(0, 8, 50))
    assert (curve[:, 0] == 1).all()
    assert (np.diff(curve, axis=1) <= 1e-12).all()
    assert curve[:, -1] == pytest.approx(np.prod(1 - hazards, axis=1))


def test_mean_time_is_the_area_under_the_curve():
    assert CUT.mean_time([[0.0, 0.0, 0.0], [1.0, 0.5, 0.5]]) == pytest.approx([6.0, 1.0], abs=1e-5)


def test_the_curve_of_kaplan_and_meier_is_that_of_the_textbook():
    # Remission of leukaemia under 6-MP (Freireich et al. 1963), as in textbooks of survival.
    events = [6, 6, 6, 7, 10, 13, 16, 22, 23]
    left = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    curve = KaplanMeier.of(events + left, [1] * len(events) + [0] * len(left))
    assert curve.times.tolist() == [6, 7, 10, 13, 16, 22, 23]
    expected = [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448]
    assert curve.shares == pytest.approx(expected, abs=6e-4)


def test_without_an_event_all_survive():
    assert KaplanMeier.of([1, 2], [0, 0]).at([0, 5]).tolist() == [1, 1]


def test_bad_calls_are_refused():
    with pytest.raises(
        InputError, match=r"every time must be a number above 0; .* in row 1\. Count"
    ):
        Intervals.of([1, 0], [1, 1])
    with pytest.raises(InputError, match="every event must be 0 or 1; got something else in row 0"):
        KaplanMeier.of([1, 2], [0.5, 1])
    with pytest.raises(InputError, match=r"one length; got \(2,\) and \(1,\)"):
        KaplanMeier.of([1, 2], [1])
    with pytest.raises(InputError, match="there must be times to cut; got none"):
        Intervals.of([], [])
    with pytest.raises(InputError, match=r"hazards must have shape \(n, 3\); got \(1, 2\)"):
        CUT.survival([[0.5, 0.5]], [1.0])
