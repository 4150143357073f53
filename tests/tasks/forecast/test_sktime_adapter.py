"""sktime's own suite on the adapter, and what it adds; skipped where sktime is not installed."""

import numpy as np
import pandas as pd
import pytest

from cellstate.tasks.forecast.forecaster import Forecaster
from cellstate.train import TrainConfig

pytest.importorskip("sktime")
pytestmark = pytest.mark.filterwarnings("default")  # sktime warns of its own future

BRIEF = TrainConfig(epochs=1, sanity=False)
WEEK = np.array([3.0, 4.0, 5.0, 4.0, 3.0, 1.0, 1.0])


def adapter(**options):
    from cellstate.tasks.forecast.sktime_adapter import SktimeForecaster

    return SktimeForecaster(**{"context": 14, "train": BRIEF, **options})


def daily(weeks=12, start="2024-01-01"):
    index = pd.date_range(start, periods=7 * weeks, freq="D")
    return pd.Series(np.tile(WEEK, weeks), index=index, name="sales")


def test_sktimes_check_estimator_passes():
    from sktime.utils.estimator_checks import check_estimator

    results = check_estimator(type(adapter()), verbose=False)
    failed = {name: result for name, result in results.items() if result != "PASSED"}
    assert len(results) > 500
    assert failed == {}


def test_forecasts_are_those_of_the_forecaster():
    y = daily()
    frame = pd.DataFrame({"ds": y.index, "y": y.to_numpy()})
    own = Forecaster(5, context=14, levels=(50, 80, 90, 95), train=BRIEF).fit(frame).predict()
    ours = adapter().fit(y, fh=[1, 2, 5])
    assert np.allclose(ours.predict(), own["LSTM"].to_numpy()[[0, 1, 4]])
    interval = ours.predict_interval(coverage=0.9)["sales", 0.9]
    assert np.allclose(interval["lower"], own["LSTM-lo-90"].to_numpy()[[0, 1, 4]])
    assert np.allclose(interval["upper"], own["LSTM-hi-90"].to_numpy()[[0, 1, 4]])


def test_quantiles_do_not_cross():
    alpha = [0.01, 0.05, 0.2, 0.4, 0.5, 0.7, 0.95, 0.999]
    quantiles = adapter().fit(daily(), fh=[1, 2, 3]).predict_quantiles(alpha=alpha)
    assert (np.diff(quantiles.to_numpy(), axis=1) >= 0).all()


def test_an_update_moves_the_memory_and_keeps_the_weights():
    y = daily(14)
    forecaster = adapter().fit(y.iloc[:84], fh=[1, 2])
    before = {k: v.copy() for k, v in forecaster.forecaster_.fitted_.networks[0].items()}
    forecaster.update(y.iloc[80:90])  # with rows that are known already
    after = forecaster.forecaster_.fitted_.networks[0]
    assert forecaster.predict().index[0] == y.index[90]
    assert all(np.array_equal(before[k], after[k]) for k in before)


def test_a_panel_is_learned_by_one_network():
    parts = {name: scale * daily() for name, scale in (("a", 1.0), ("b", 10.0))}
    y = pd.concat(parts, names=["shop", "day"]).to_frame()
    forecaster = adapter().fit(y, fh=[1, 2, 3])
    predicted = forecaster.predict()
    assert predicted.index.names == ["shop", "day"]
    assert predicted.shape == (6, 1)
    assert len(forecaster.forecaster_.history_) == 2


def test_known_covariates_are_used():
    y = daily()
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"promotion": rng.normal(size=91)}, index=daily(13).index)
    forecaster = adapter().fit(y, X=X.iloc[:84], fh=[1, 2, 3])
    one, other = forecaster.predict(X=X.iloc[84:]), forecaster.predict(X=100 * X.iloc[84:])
    assert not np.allclose(one, other)
