import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError as SklearnNotFittedError
from sklearn.model_selection import GridSearchCV

from cellstate.errors import InputError, NotFittedError
from cellstate.tasks import load
from cellstate.tasks.arrays.classifier import SequenceClassifier
from cellstate.tasks.arrays.regressor import SequenceRegressor
from cellstate.train import TrainConfig
from tests.tasks.arrays.problems import BRIEF, ESTIMATORS, answers, bumps, ragged, target

every = pytest.mark.parametrize("estimator", ESTIMATORS)


LEARN = TrainConfig(epochs=30)


def brief(estimator, X, y, **options):
    return estimator(train=BRIEF, **options).fit(X, y)


def test_the_classifier_learns_where_a_bump_is():
    X, names, _ = bumps(90)
    model = SequenceClassifier(train=LEARN).fit(X[:60], names[:60])
    assert model.score(X[60:], names[60:]) > 0.9
    assert model.classes_.tolist() == ["early", "late"]
    assert np.allclose(model.predict_proba(X).sum(1), 1.0)


def test_the_regressor_learns_where_a_bump_is():
    X, _, place = bumps(90)
    model = SequenceRegressor(train=LEARN).fit(X[:60], place[:60])
    assert model.score(X[60:], place[60:]) > 0.8


@every
def test_two_axes_are_one_channel(estimator):
    X, *targets = bumps(channels=1)
    y = target(estimator, *targets)
    flat, deep = brief(estimator, X[..., 0], y), brief(estimator, X, y)
    assert np.array_equal(answers(flat, X[..., 0]), answers(deep, X))
    assert flat.n_features_in_ == deep.n_features_in_ == 20
    assert flat.n_channels_ == 1


@every
def test_missing_values_are_accepted_and_used(estimator):
    X, *targets = bumps(channels=2)
    gapped = X.copy()
    gapped[:, ::3, 0] = np.nan
    gapped[3] = np.nan
    model = brief(estimator, gapped, target(estimator, *targets))
    assert model.fitted_.plan.inputs == 6  # two values, two differences, marks for two channels
    assert np.isfinite(answers(model, gapped)).all()
    assert np.isfinite(answers(model, X)).all()


@every
def test_missing_values_may_first_appear_in_prediction(estimator):
    X, *targets = bumps()
    model = brief(estimator, X, target(estimator, *targets))
    gapped = X.copy()
    gapped[:, 5] = np.nan
    assert np.isfinite(answers(model, gapped)).all()


@every
def test_rows_may_differ_in_length(estimator):
    rows, *targets = ragged()
    model = brief(estimator, rows, target(estimator, *targets))
    together = answers(model, rows)
    assert np.allclose(together[7:8], answers(model, [rows[7]]), rtol=1e-12, atol=0)
    assert np.isfinite(answers(model, np.zeros((2, 50, 2)))).all()


@every
def test_answers_do_not_depend_on_other_rows(estimator):
    X, *targets = bumps(40)
    model = brief(estimator, X, target(estimator, *targets))
    single = np.concatenate([answers(model, X[k : k + 1]) for k in range(len(X))])
    assert np.allclose(answers(model, X), single, rtol=1e-12, atol=0)


@every
def test_equal_seeds_give_equal_models(estimator):
    X, *targets = bumps()
    y = target(estimator, *targets)
    one, same, other = (brief(estimator, X, y, random_state=seed) for seed in (5, 5, 6))
    assert np.array_equal(answers(one, X), answers(same, X))
    assert not np.array_equal(answers(one, X), answers(other, X))


@every
def test_a_random_state_object_is_drawn_from(estimator):
    X, *targets = bumps()
    y = target(estimator, *targets)
    one, same = (brief(estimator, X, y, random_state=np.random.RandomState(3)) for _ in range(2))
    assert np.array_equal(answers(one, X), answers(same, X))


@every
def test_fitting_twice_forgets_the_first_time(estimator):
    X, *targets = bumps()
    y = target(estimator, *targets)
    model = brief(estimator, X[:, :10], y)
    again, fresh = model.fit(X, y), brief(estimator, X, y)
    assert np.array_equal(answers(again, X), answers(fresh, X))


@every
def test_a_clone_is_unfitted_and_equal(estimator):
    X, *targets = bumps()
    model = brief(estimator, X, target(estimator, *targets), size="medium", random_state=4)
    twin = clone(model)
    assert twin.get_params() == model.get_params()
    assert not twin._is_fitted()
    assert repr(twin) == repr(model)


@every
@pytest.mark.parametrize("form", ["array", "gaps", "ragged"])
def test_saved_and_loaded_models_answer_alike(estimator, form, tmp_path):
    X, *targets = ragged() if form == "ragged" else bumps(channels=2)
    if form == "gaps":
        X[:, 4:7] = np.nan
    model = brief(estimator, X, target(estimator, *targets), random_state=2)
    model.save(tmp_path / "model")
    for loaded in (load(tmp_path / "model"), estimator.load(tmp_path / "model")):
        assert np.array_equal(answers(loaded, X), answers(model, X))
        assert loaded.get_params() == model.get_params()
        assert loaded.evaluate(X, target(estimator, *targets)).rows.keys() == (
            model.evaluate(X, target(estimator, *targets)).rows.keys()
        )


@pytest.mark.parametrize("names", [[3, 1], [1.0, 2.0], [True, False], ["b", "a"]])
def test_classes_keep_their_type_on_disk(names, tmp_path):
    X, *_ = bumps(30)
    y = np.array(names)[np.arange(30) % 2]
    model = brief(SequenceClassifier, X, y)
    model.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert loaded.classes_.dtype == model.classes_.dtype
    assert np.array_equal(loaded.predict(X), model.predict(X))


@every
def test_a_pickled_model_answers_alike(estimator):
    X, *targets = bumps()
    model = brief(estimator, X, target(estimator, *targets))
    assert np.array_equal(answers(pickle.loads(pickle.dumps(model)), X), answers(model, X))


@every
def test_a_search_over_settings_works(estimator):
    X, *targets = bumps(30)
    grid = {"train": [TrainConfig(epochs=1, learning_rate=rate) for rate in (1e-3, 1e-2)]}
    search = GridSearchCV(estimator(), grid, cv=2).fit(X, target(estimator, *targets))
    assert search.best_params_["train"].epochs == 1


@every
def test_many_rows_are_split_to_choose_when_to_stop(estimator):
    X, *targets = bumps(240)
    model = brief(estimator, X, target(estimator, *targets))
    assert model.fitted_.record["data"]["held_out"] == 36
    assert model.fitted_.record["best_loss"] is not None


def test_one_class_is_always_named():
    X, *_ = bumps(10)
    model = brief(SequenceClassifier, X, np.full(10, "only"))
    assert set(model.predict(X)) == {"only"}
    assert np.array_equal(model.predict_proba(X), np.ones((10, 1)))


@every
def test_constant_input_is_no_reason_to_fail(estimator):
    _, *targets = bumps(20)
    X = np.full((20, 8), 7.0)
    assert np.isfinite(answers(brief(estimator, X, target(estimator, *targets)), X)).all()


def test_a_constant_target_is_predicted():
    X, *_ = bumps(20)
    model = SequenceRegressor(train=TrainConfig(epochs=20)).fit(X, np.full(20, 42.0))
    assert np.allclose(model.predict(X), 42.0, atol=0.5)


@every
@pytest.mark.parametrize("method", ["predict", "evaluate", "story", "save"])
def test_a_method_before_fit_says_so(estimator, method):
    arguments = () if method == "story" else ("unused",)
    with pytest.raises(NotFittedError, match=rf"{estimator.__name__}\.{method}.*Call fit first"):
        getattr(estimator(), method)(*arguments)
    with pytest.raises(SklearnNotFittedError):
        getattr(estimator(), method)(*arguments)


BAD_ARGUMENTS = [
    ({"size": "tiny"}, "size must be 'small', 'medium' or 'large'; got 'tiny'."),
    ({"random_state": -1}, "random_state must be a whole number of at least 0"),
    ({"random_state": "seed"}, "got 'seed'. Give for example random_state=0."),
    ({"random_state": True}, "got True."),
    ({"train": {"epochs": 3}}, "train must be a TrainConfig; got dict."),
]


@every
@pytest.mark.parametrize(("options", "message"), BAD_ARGUMENTS)
def test_a_bad_argument_is_named_by_fit(estimator, options, message):
    X, *targets = bumps(10)
    with pytest.raises(InputError) as caught:
        estimator(**options).fit(X, target(estimator, *targets))
    assert message in str(caught.value)


def with_infinity(X):
    X = X.copy()
    X[2, 3] = np.inf
    return X


BAD_DATA = [
    (lambda X: X[:, :, None], "X must be (n, time) or (n, time, channels)"),
    (lambda X: X[:, :0], "feature"),
    (with_infinity, "infinity"),
    (lambda X: X[:5], "inconsistent numbers of samples"),
    (lambda X: np.full(X.shape, "text"), "could not convert string"),
    (lambda X: X + 1j, "Complex data not supported"),
    (lambda X: [*X[:-1], X[-1, :3] * np.inf], "finite or NaN; got infinity in row 9."),
    (lambda X: [*X[:-1], np.zeros((3, 4))], "1 channels of the first; got (3, 4) in row 9."),
    (lambda X: [*X[:-1], np.zeros((3, 1, 1))], "not empty; got (3, 1, 1) in row 9."),
    (lambda X: [*X[:-1], ["a", "b"]], "rows must hold real numbers; got <U1 in row 9."),
    (lambda X: [*X[:-1], []], "not empty; got (0,) in row 9."),
]


@every
@pytest.mark.parametrize(("spoil", "message"), BAD_DATA)
def test_bad_data_is_refused_by_fit(estimator, spoil, message):
    X, *targets = bumps(10)
    with pytest.raises((ValueError, TypeError)) as caught:
        estimator(train=BRIEF).fit(
            spoil(X if message.startswith("X must") else X[..., 0]), target(estimator, *targets)
        )
    assert message in str(caught.value)


BAD_ROWS = [
    (lambda X: X[:, :7], "20 features"),
    (lambda X: X[:, :, :1], "rows must have the 2 channels of the training rows; got 1."),
    (lambda X: X[0, :, 0], "Expected 2D array"),
    (lambda X: [X[0], X[1, :5]], "rows must all have the 20 steps of the training rows"),
]


@every
@pytest.mark.parametrize(("spoil", "message"), BAD_ROWS)
def test_bad_rows_are_refused_by_predict(estimator, spoil, message):
    X, *targets = bumps(20, channels=2)
    model = brief(estimator, X, target(estimator, *targets))
    with pytest.raises(ValueError) as caught:
        model.predict(spoil(X))
    assert message in str(caught.value)


def test_unknown_classes_are_refused_by_evaluate():
    X, names, _ = bumps(20)
    model = brief(SequenceClassifier, X, names)
    with pytest.raises(InputError, match="among the 2 that fit has seen; got 'never'"):
        model.evaluate(X, np.where(names == "late", "never", names))


@every
def test_half_an_evaluation_is_refused(estimator):
    X, *targets = bumps(20)
    y = target(estimator, *targets)
    model = brief(estimator, X, y)
    with pytest.raises(InputError, match="X and y must be given together; got X alone"):
        model.evaluate(X)
    with pytest.raises(InputError, match="same number of rows; got 20 and 5"):
        model.evaluate(X, y[:5])
