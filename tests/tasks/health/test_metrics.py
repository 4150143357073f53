import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from cellstate.errors import InputError
from cellstate.tasks.health.metrics import (
    METRICS,
    SENSITIVITY,
    RiskScorer,
    observed_to_expected,
    score_risks,
    sensitivity_at_rate,
    sensitivity_at_specificity,
)
from cellstate.tasks.metrics import calibration_error
from tests.tasks.health import cohorts


@pytest.mark.parametrize("decimals", [0, 1, 2, 9])
@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_scikit_learn_with_ties_too(seed, decimals):
    truth, risks = cohorts.rows(300, seed, decimals=decimals)
    scores = score_risks(truth, risks)
    assert scores["AUROC"] == pytest.approx(sklearn_metrics.roc_auc_score(truth, risks))
    assert scores["AUPRC"] == pytest.approx(sklearn_metrics.average_precision_score(truth, risks))
    assert scores["Brier"] == pytest.approx(sklearn_metrics.brier_score_loss(truth, risks))
    assert scores["prevalence"] == truth.mean()
    assert scores["ECE"] == pytest.approx(calibration_error(truth, risks))
    inside = np.clip(risks, 1e-12, 1 - 1e-12)
    assert scores["log loss"] == pytest.approx(sklearn_metrics.log_loss(truth, inside))


def test_a_weight_counts_a_row_so_often():
    truth, risks = cohorts.rows(100)
    weights = np.random.default_rng(1).integers(0, 4, 100)
    again = np.repeat(np.arange(100), weights)
    expected = score_risks(truth[again], risks[again])
    assert RiskScorer.of(truth, risks)(weights.astype(float)) == pytest.approx(expected)


def test_sensitivity_is_read_off_the_curve_of_scikit_learn():
    truth, risks = cohorts.rows(200, 3)
    false, true, _ = sklearn_metrics.roc_curve(truth, risks, drop_intermediate=False)
    for specificity in (0.5, 0.8, 0.95, 1.0):
        expected = true[false <= 1 - specificity + 1e-9].max()
        assert sensitivity_at_specificity(truth, risks, specificity) == pytest.approx(expected)
    assert score_risks(truth, risks)[SENSITIVITY] == true[false <= 0.1 + 1e-9].max()


def test_sensitivity_at_a_rate_never_has_more_alarms():
    truth = np.array([1, 0, 1, 0, 1, 0, 0, 0, 0, 0])
    risks = np.array([0.9, 0.8, 0.7, 0.6, 0.6, 0.1, 0.1, 0.1, 0.1, 0.1])
    found = [sensitivity_at_rate(truth, risks, rate) for rate in (0.0, 0.1, 0.3, 0.4, 0.5, 1.0)]
    assert found == pytest.approx([0, 1 / 3, 2 / 3, 2 / 3, 1, 1])


@pytest.mark.parametrize("truth", [[0, 0, 0], [1, 1, 1], []])
def test_what_needs_both_kinds_of_rows_is_not_a_number(truth):
    scores = score_risks(np.array(truth), np.full(len(truth), 0.25))
    assert set(scores) == set(METRICS)
    assert np.isnan([scores["AUROC"], scores[SENSITIVITY]]).all()
    assert np.isnan(scores["AUPRC"]) == (not any(truth))
    assert np.isnan(scores["Brier"]) == (not truth)
    assert np.isnan(sensitivity_at_rate(truth, np.full(len(truth), 0.25), 0.5))


def test_a_resample_without_any_row_has_no_scores():
    scorer = RiskScorer.of(np.array([0, 1]), np.array([0.2, 0.7]))
    assert all(np.isnan(value) for value in scorer(np.zeros(2)).values())


def test_observed_over_expected_is_one_where_risks_hold():
    assert observed_to_expected([1, 0], [0.75, 0.25]) == 1.0
    assert np.isnan(observed_to_expected([0, 0], [0.0, 0.0]))


BAD_CALLS = {
    "lengths": (([0, 1], [0.5]), r"one length; got \(2,\) and \(1,\)\. Give one risk"),
    "axes": (([[0], [1]], [[0.5], [0.5]]), "one axis"),
    "truth": (([0, 2], [0.5, 0.5]), r"every truth must be 0 or 1; got something else in row 1\."),
    "unknown truth": (([np.nan, 1], [0.5, 0.5]), "in row 0"),
    "risk": (([0, 1, 1], [0.5, 0.5, 1.5]), "every risk must be a probability; got .* in row 2"),
    "missing risk": (([0, 1], [np.nan, 0.5]), "every risk must be a probability; got .* in row 0"),
}


@pytest.mark.parametrize(("given", "message"), BAD_CALLS.values(), ids=BAD_CALLS)
def test_rows_that_cannot_be_scored_are_named(given, message):
    with pytest.raises(InputError, match=message):
        score_risks(*given)


def test_a_share_beyond_one_is_refused():
    with pytest.raises(InputError, match=r"rate must be from 0 to 1; got 10\. Give rate=0\.1"):
        sensitivity_at_rate([0, 1], [0.5, 0.5], 10)
    with pytest.raises(InputError, match="specificity must be from 0 to 1"):
        sensitivity_at_specificity([0, 1], [0.5, 0.5], -1)
