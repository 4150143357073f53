import numpy as np
import pytest

from cellstate.errors import InputError
from cellstate.tasks.health.net_benefit import decision_curves
from tests.tasks.health import cohorts


def test_net_benefit_is_counted_by_its_definition():
    events, risks = cohorts.rows(200)
    thresholds = np.array([0.05, 0.1, 0.33, 0.5, 0.9])
    curves = decision_curves(events, {"model": risks}, thresholds)
    for place, t in enumerate(thresholds):
        acted = risks >= t
        expected = (acted & events).mean() - (acted & ~events).mean() * t / (1 - t)
        assert curves.systems["model"][place] == pytest.approx(expected)
        everybody = events.mean() - (1 - events.mean()) * t / (1 - t)
        assert curves.treat_all[place] == pytest.approx(everybody)


def test_acting_on_all_is_what_a_risk_of_one_for_all_does():
    events, _ = cohorts.rows(100)
    curves = decision_curves(events, {"all": np.ones(100), "none": np.zeros(100)})
    assert curves.systems["all"] == pytest.approx(curves.treat_all)
    assert (curves.systems["none"] == 0).all()
    assert not curves.useful("all").any()


def test_perfect_risks_have_the_prevalence_everywhere():
    events, _ = cohorts.rows(100)
    curves = decision_curves(events, {"oracle": events.astype(float)})
    assert curves.systems["oracle"] == pytest.approx(events.mean())
    assert curves.useful("oracle").all()


def test_no_rows_have_no_net_benefit():
    curves = decision_curves([], {"model": []}, [0.5])
    assert np.isnan([curves.systems["model"][0], curves.treat_all[0]]).all()


def test_a_threshold_of_certainty_is_refused():
    with pytest.raises(InputError, match="thresholds must be above 0 and below 1"):
        decision_curves([0, 1], {"model": [0.5, 0.5]}, [0.5, 1.0])
