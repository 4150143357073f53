import numpy as np
import pytest

from cellstate.errors import InputError
from cellstate.tasks.health.calibration import calibration_curve, share_limits
from tests.tasks.health import cohorts


def test_bins_hold_about_as_many_rows_each():
    events, risks = cohorts.rows(1000, decimals=9)
    curve = calibration_curve(events, risks)
    assert curve.rows.tolist() == [100] * 10
    assert curve.events.sum() == events.sum()
    assert (np.diff(curve.risks) > 0).all()
    assert (curve.low <= curve.shares).all()
    assert (curve.shares <= curve.high).all()


def test_rows_of_one_risk_stay_in_one_bin():
    risks = np.repeat([0.1, 0.2, 0.3], [90, 5, 5])
    curve = calibration_curve(np.arange(100) % 2, risks)
    assert curve.risks.round(3).tolist()[0] == 0.1
    assert curve.rows[0] == 90
    assert curve.rows.sum() == 100


def test_the_error_is_the_mean_gap():
    curve = calibration_curve(np.arange(40) % 2, np.repeat([0.25, 0.75], 20), bins=2)
    assert curve.error == pytest.approx(0.25)


def test_no_rows_give_no_bins():
    curve = calibration_curve([], [])
    assert len(curve.rows) == 0
    assert np.isnan(curve.error)


def test_limits_stay_within_zero_and_one():
    low, high = share_limits(np.array([0, 5]), np.array([5, 5]))
    assert low[0] == pytest.approx(0)
    assert high[1] == pytest.approx(1)
    assert 0.4 < high[0] < 0.5


def test_no_bins_are_refused():
    with pytest.raises(InputError, match="bins must be a whole number of at least 1; got 0"):
        calibration_curve([0, 1], [0.5, 0.5], bins=0)
