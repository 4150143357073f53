import json

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, log_loss, r2_score, root_mean_squared_error

from cellstate.inspector import write_page
from cellstate.tasks import sections
from cellstate.tasks.arrays.reading import Sequences
from cellstate.tasks.arrays.reference import Reference
from cellstate.tasks.calibration import best_temperature, softmax
from cellstate.tasks.evaluation import Evaluation
from cellstate.tasks.metrics import score_classes, score_numbers
from tests.tasks.arrays.problems import BRIEF, ESTIMATORS, bumps, ragged, target

every = pytest.mark.parametrize("estimator", ESTIMATORS)


def test_class_scores_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 50)
    answers = rng.dirichlet(np.ones(3), 50)
    scores = score_classes(truth, answers)
    assert scores["accuracy"] == np.mean(answers.argmax(1) == truth)
    balanced = balanced_accuracy_score(truth, answers.argmax(1))
    assert scores["balanced accuracy"] == pytest.approx(balanced)
    assert scores["log loss"] == pytest.approx(log_loss(truth, answers))


def test_number_scores_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    truth, answers = rng.normal(size=(2, 50))
    scores = score_numbers(truth, answers)
    assert scores["RMSE"] == pytest.approx(root_mean_squared_error(truth, answers))
    assert scores["R²"] == pytest.approx(r2_score(truth, answers))
    assert np.isnan(score_numbers(np.ones(3), np.ones(3))["R²"])


def told(**accuracies):
    names = {"LSTM": accuracies.pop("lstm"), **accuracies}
    return Evaluation({name: {"accuracy": v} for name, v in names.items()}, "accuracy", "")


def test_the_verdict_names_the_winner():
    assert told(lstm=0.9, ridge=0.8, dummy=0.5).verdict == (
        "LSTM wins: accuracy 0.9; the best baseline, ridge, has 0.8."
    )
    lost = told(lstm=0.7, ridge=0.8, dummy=0.5)
    assert lost.winner == "ridge"
    assert lost.verdict.startswith("A baseline wins: ridge has accuracy 0.8; the LSTM has 0.7.")
    assert told(lstm=0.8, ridge=0.8).verdict.startswith("LSTM ties with the best baseline, ridge")


def test_errors_are_better_when_small():
    rows = {"LSTM": {"RMSE": 1.0}, "mean": {"RMSE": 2.0}}
    assert Evaluation(rows, "RMSE", "").winner == "LSTM"


@every
def test_given_rows_are_scored_beside_the_baselines(estimator):
    X, *targets = bumps(60)
    y = target(estimator, *targets)
    model = estimator(train=BRIEF).fit(X[:40], y[:40])
    evaluation = model.evaluate(X[40:], y[40:])
    assert "20 rows that were given; 40 learned from" in evaluation.protocol
    assert evaluation.metric(evaluation.columns[0 if estimator.task == "classify" else 2]) == (
        pytest.approx(model.score(X[40:], y[40:]))
    )
    shown = str(evaluation)
    for word in (*evaluation.rows, *evaluation.columns, evaluation.verdict):
        assert word in shown
    assert json.loads(json.dumps(evaluation.as_dict()))["winner"] == evaluation.winner


@every
def test_without_rows_those_held_out_are_scored(estimator):
    X, *targets = bumps(200)
    evaluation = estimator(train=BRIEF).fit(X, target(estimator, *targets)).evaluate()
    assert evaluation.protocol == "Protocol: 30 rows that were held out of training."
    assert "chose when training stopped" in evaluation.notes[0]


@every
@pytest.mark.parametrize("form", ["array", "ragged"])
def test_few_rows_are_scored_by_folds(estimator, form):
    X, *targets = bumps(30) if form == "array" else ragged(30)
    model = estimator(train=BRIEF).fit(X, target(estimator, *targets))
    evaluation = model.evaluate()
    assert "30 training rows in 3 folds" in evaluation.protocol
    assert len(evaluation.answers) == 30


@every
def test_a_single_row_is_scored_on_itself(estimator):
    X, *targets = bumps(30)
    model = estimator(train=BRIEF).fit(X[:1], target(estimator, *targets)[:1])
    assert "too few to set any aside" in model.evaluate().protocol


def test_a_large_training_set_is_kept_in_part():
    n, steps = 50, 100_000
    sequences = Sequences(np.zeros((n, steps, 1), np.float32), np.full(n, steps))
    rng = np.random.default_rng(0)
    reference = Reference.of(sequences, np.arange(n), np.zeros(n, bool), rng)
    assert len(reference.targets) == 20
    assert reference.total == 50


@every
@pytest.mark.parametrize("rows", [24, 200])
def test_the_story_can_be_written_as_a_page(estimator, rows, tmp_path):
    X, *targets = bumps(rows)
    y = target(estimator, *targets)
    model = estimator(train=BRIEF).fit(X, y)
    story = model.story() if rows < 200 else model.story(X, y)
    kinds = [type(section) for section in story.sections]
    shape = sections.Matrix if estimator.task == "classify" else sections.Histogram
    for kind in (sections.Text, sections.Table, shape, sections.Lines, sections.Facts):
        assert kind in kinds
    write_page(story, tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_the_temperature_undoes_what_smoothing_did():
    rng = np.random.default_rng(0)
    answers = 3.0 * rng.normal(size=(5000, 3))
    truth = np.array([rng.choice(3, p=p) for p in softmax(answers)])
    assert best_temperature(answers, truth) == pytest.approx(1.0, abs=0.1)
    assert best_temperature(answers / 2, truth) == pytest.approx(0.5, abs=0.05)


def test_probabilities_are_calibrated_where_rows_were_held_out():
    X, names, _ = bumps(200)
    model = ESTIMATORS[0](train=BRIEF).fit(X, names)
    assert model.fitted_.temperature != 1.0
    answers = model.fitted_.answers(model._read("predict", X))
    assert np.array_equal(model.predict_proba(X), softmax(answers / model.fitted_.temperature))
