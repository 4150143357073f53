"""scikit-learn's own suite on the estimators of arrays; nothing is expected to fail."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from cellstate.tasks.arrays.classifier import SequenceClassifier
from cellstate.tasks.arrays.regressor import SequenceRegressor


# scikit-learn's checks convert arrays in ways of which NumPy and scikit-learn themselves warn.
@pytest.mark.filterwarnings("ignore::FutureWarning:sklearn", "ignore::DeprecationWarning:sklearn")
@parametrize_with_checks([SequenceClassifier(), SequenceRegressor()])
def test_scikit_learns_checks_pass(estimator, check):
    before = estimator.get_params()
    check(estimator)  # raises what it finds
    assert estimator.get_params() == before
