import numpy as np

from cellstate.tasks.health.hazard_baselines import hazard_rivals
from cellstate.tasks.health.survival import Intervals
from cellstate.tasks.health.survival_scores import concordance
from tests.tasks.health.cohorts import lifetimes


def test_each_rival_orders_patients_by_their_time():
    times, events, risks = lifetimes(400)
    rows = np.stack([risks, np.random.default_rng(0).normal(size=400)], axis=1)
    rows[::9, 1] = np.nan
    cut = Intervals.of(times[:300], events[:300], 5)
    for rival in hazard_rivals().values():
        hazards = rival(rows[:300], times[:300], events[:300], cut).predict(rows[300:])
        assert hazards.shape == (100, 5)
        assert ((hazards >= 0) & (hazards <= 1)).all()
        late = cut.mean_time(hazards)
        assert concordance(times[300:], events[300:], -late) > 0.65
