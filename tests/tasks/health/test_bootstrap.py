import numpy as np
import pytest

from cellstate.errors import InputError
from cellstate.tasks.health.bootstrap import Interval, bootstrap, paired_difference, rows_drawn
from cellstate.tasks.health.metrics import RiskScorer, score_risks
from tests.tasks.health import cohorts


def test_all_rows_of_a_patient_are_drawn_together():
    subjects = np.array(["a", "b", "b", "c", "c", "c"])
    seen = []

    def score(weights):
        seen.append(weights)
        return {"rows": float(weights.sum())}

    bootstrap(score, subjects, resamples=50)
    for weights in seen:
        assert weights[1] == weights[2]
        assert len(set(weights[3:])) == 1
        assert weights[0] + weights[1] + weights[3] == 3


def test_weights_give_the_scores_of_drawn_rows():
    truth, risks = cohorts.rows(60)
    weighted, drawn = [], []
    scorer = RiskScorer.of(truth, risks)

    def score(weights):
        rows = rows_drawn(weights)
        weighted.append(scorer(weights)["AUROC"])
        drawn.append(score_risks(truth[rows], risks[rows])["AUROC"])
        return {}

    bootstrap(score, np.arange(60) // 2, resamples=20)
    assert weighted == pytest.approx(drawn)


def test_an_interval_of_a_mean_is_as_wide_as_theory_says():
    values = np.random.default_rng(0).normal(size=400)

    def mean(weights):
        return {"mean": float(weights @ values / weights.sum())}

    found = bootstrap(mean, np.arange(400), resamples=2000)["mean"]
    half = 1.96 * values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert found.high - found.low == pytest.approx(2 * half, rel=0.08)


def test_rows_of_few_patients_leave_more_doubt():
    truth, risks = cohorts.rows(200)
    truth, risks, owner = np.tile(truth, 5), np.tile(risks, 5), np.tile(np.arange(200), 5)
    scorer = RiskScorer.of(truth, risks)
    wide = bootstrap(scorer, owner, resamples=200)["AUROC"]
    narrow = bootstrap(scorer, np.arange(1000), resamples=200)["AUROC"]
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_a_seed_gives_the_same_interval_and_another_seed_another():
    truth, risks = cohorts.rows(80)
    scorer, owner = RiskScorer.of(truth, risks), np.arange(80)
    first, again, other = (
        bootstrap(scorer, owner, resamples=50, seed=seed)["Brier"] for seed in (1, 1, 2)
    )
    assert first == again != other


def test_a_paired_difference_is_surer_than_two_intervals():
    truth, risks = cohorts.rows(300)
    ours = RiskScorer.of(truth, np.clip(risks + 0.05 * truth, 0, 1))
    theirs = RiskScorer.of(truth, risks)
    owner = np.arange(300)
    apart = bootstrap(ours, owner, resamples=200)["AUROC"]
    difference = paired_difference(ours, theirs, owner, resamples=200)["AUROC"]
    assert difference.value == pytest.approx(ours()["AUROC"] - theirs()["AUROC"])
    assert difference.low > 0
    assert difference.high - difference.low < 0.5 * (apart.high - apart.low)


def test_one_patient_leaves_the_limits_open():
    found = bootstrap(RiskScorer.of([0, 1], [0.2, 0.8]), ["a", "a"], resamples=10)["AUROC"]
    assert found.value == 1.0
    assert np.isnan([found.low, found.high]).all()
    assert found.as_dict() == {"value": 1.0, "low": None, "high": None, "level": 95.0}


def test_an_interval_is_told_in_short():
    assert str(Interval(0.85, 0.8, 0.9)) == "0.850 (0.800 to 0.900)"
    assert str(Interval(0.85, np.nan, np.nan)) == "0.850"
    assert str(Interval(np.nan, np.nan, np.nan)) == "–"


def test_ids_may_be_of_mixed_kinds():
    owner = np.array([1, "1", 1, "x"], dtype=object)
    found = bootstrap(RiskScorer.of([0, 1, 0, 1], [0.2, 0.8, 0.4, 0.3]), owner, resamples=20)
    assert found["prevalence"].value == 0.5


def test_a_thousand_resamples_of_all_hours_are_quick():
    rng = np.random.default_rng(0)
    truth, risks = rng.random(12_000) < 0.05, rng.random(12_000).round(3)
    scorer = RiskScorer.of(truth, risks)
    owner = np.arange(12_000) // 60
    assert np.isfinite(bootstrap(scorer, owner, resamples=1000)["AUROC"].low)


def test_bad_calls_are_refused():
    scorer = RiskScorer.of([0, 1], [0.2, 0.8])
    with pytest.raises(InputError, match="resamples must be a whole number of at least 1; got 0"):
        bootstrap(scorer, [1, 2], resamples=0)
    with pytest.raises(InputError, match=r"level must be above 0 .* got 100\. Give level=95"):
        bootstrap(scorer, [1, 2], level=100)
    with pytest.raises(InputError, match=r"patient of each row; got an array of shape \(0,\)"):
        bootstrap(scorer, [])
