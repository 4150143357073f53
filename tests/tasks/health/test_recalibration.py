import json

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from cellstate.errors import InputError
from cellstate.tasks.health.metrics import observed_to_expected, score_risks
from cellstate.tasks.health.recalibration import (
    Platt,
    fit_isotonic,
    fit_platt,
    fit_recalibration,
    recalibration_from,
)
from tests.tasks.health import cohorts


def overstated(count, seed=0):
    """Give events, and risks that are twice as sure as they should be and too high."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-1.5, 1.0, count)
    events = rng.random(count) < 1 / (1 + np.exp(-log_odds))
    return events, 1 / (1 + np.exp(-(2 * log_odds + 0.7)))


def test_platt_finds_how_risks_were_bent():
    found = fit_platt(*overstated(20_000))
    assert found.slope == pytest.approx(0.5, abs=0.03)
    assert found.intercept == pytest.approx(-0.35, abs=0.06)


@pytest.mark.parametrize("kind", ["platt", "isotonic"])
def test_risks_hold_on_other_rows_afterwards(kind):
    found = fit_recalibration(kind, *overstated(4000))
    events, risks = overstated(4000, seed=1)
    before, after = score_risks(events, risks), score_risks(events, found.apply(risks))
    assert before["ECE"] > 0.05
    assert after["ECE"] < 0.03
    assert after["log loss"] < before["log loss"]
    assert after["AUROC"] == pytest.approx(before["AUROC"], abs=0.01)


def test_platt_keeps_the_mean_at_the_share_of_events():
    events, risks = overstated(300)
    found = fit_platt(events, risks)
    assert observed_to_expected(events, found.apply(risks)) == pytest.approx(1, abs=1e-6)


def test_isotonic_shares_are_those_of_scikit_learn():
    for seed in range(3):
        events, risks = cohorts.rows(200, seed)
        theirs = IsotonicRegression(out_of_bounds="clip").fit(risks, events)
        edge = 0.5 / 201
        ours = fit_isotonic(events, risks)
        assert ours.apply(risks) == pytest.approx(np.clip(theirs.predict(risks), edge, 1 - edge))
        outside = np.array([0.0, 1.0])
        assert ours.apply(outside) == pytest.approx(
            np.clip(theirs.predict(outside), edge, 1 - edge)
        )


def test_isotonic_never_falls_and_never_is_certain():
    events, risks = cohorts.rows(300)
    said = fit_isotonic(events, risks).apply(np.linspace(0, 1, 500))
    assert (np.diff(said) >= 0).all()
    assert 0 < said.min() < said.max() < 1


def test_risks_that_point_the_wrong_way_become_the_prevalence():
    events, risks = overstated(500)
    found = fit_platt(events, 1 - risks)
    assert found.slope == 0
    assert found.apply(risks) == pytest.approx(events.mean())


def test_rows_parted_without_an_error_keep_the_slope_finite():
    found = fit_platt(np.array([False] * 20 + [True] * 20), np.repeat([0.2, 0.8], 20))
    assert 1 < found.slope < 10


def test_certain_risks_can_be_recalibrated():
    found = fit_platt(np.array([False, True, True, False]), np.array([0.0, 1.0, 0.0, 1.0]))
    assert np.isfinite(found.apply([0.0, 0.5, 1.0])).all()


@pytest.mark.parametrize("kind", ["none", "platt", "isotonic"])
def test_rows_of_one_kind_change_nothing(kind):
    risks = np.array([0.2, 0.4])
    for events in ([0, 0], [1, 1]):
        assert fit_recalibration(kind, events, risks).apply(risks).tolist() == [0.2, 0.4]
    assert fit_recalibration(kind, [], []) == Platt()


@pytest.mark.parametrize("kind", ["none", "platt", "isotonic"])
def test_what_was_fitted_is_read_back_from_json(kind):
    found = fit_recalibration(kind, *overstated(200))
    again = recalibration_from(json.loads(json.dumps(found.as_dict())))
    risks = np.linspace(0, 1, 50).reshape(5, 10)
    assert again.apply(risks).shape == (5, 10)
    assert np.array_equal(again.apply(risks), found.apply(risks))


def test_an_unknown_kind_is_refused():
    with pytest.raises(InputError, match=r"kind must be .* got 'plat'\. Did you mean 'platt'"):
        fit_recalibration("plat", [0, 1], [0.5, 0.5])
