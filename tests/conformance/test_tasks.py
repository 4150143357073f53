"""What every job's estimator promises, checked on all of `TASKS`."""

from __future__ import annotations

import inspect
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.base import clone

from cellstate import tasks
from cellstate.data.health.visits import make_visits
from cellstate.errors import ArtifactError, InputError, NotFittedError
from cellstate.tasks import TASKS, estimator_class
from cellstate.tasks.estimator import AbstractEstimator
from cellstate.tasks.forecast import rivals
from cellstate.train import TrainConfig

RNG = np.random.default_rng(0)
STEPS = np.arange(60)
FRAME = pl.DataFrame(
    {
        "unique_id": ["a"] * 60 + ["b"] * 60,
        "ds": [*STEPS, *STEPS],
        "y": 9 + np.sin(np.tile(STEPS, 2)) + 0.1 * RNG.normal(size=120),
    }
)
REVIEWS = [f"a {word} film" for word in ("good", "bad", "fine", "dull")] * 8
LEVELS = np.linspace(-1, 1, 30)
WORDS = [["Ada", "sleeps"], ["Tom", "and", "Eve", "sleep"], ["It", "rains"]] * 20
TAGS = [["B-PER", "O"], ["B-PER", "O", "B-PER", "O"], ["O", "O"]] * 20
ARRAYS = LEVELS[:, None, None] + 0.1 * RNG.normal(size=(30, 8, 2))
STORY = "the cat sat on the mat and a dog sat on the cat. " * 50

GERMAN = ["ein Hund", "eine Katze", "ein Hund schläft", "eine Katze schläft", "ein Ball"] * 4
ENGLISH = ["a dog", "a cat", "a dog sleeps", "a cat sleeps", "a ball"] * 4
VISITS = make_visits(
    {k: [(0, 24, ["DX10:I10"]), (480, 500, ["DX10:I10", f"DX10:I{50 + k % 2}"])] for k in range(12)}
)


@dataclass(frozen=True)
class Problem:
    """A small problem of a job: arguments, what to fit on, and what to predict from."""

    arguments: dict[str, Any]
    fit: tuple[Any, ...]
    predict: tuple[Any, ...]
    keeps_rows: bool = True  # in its file, so that baselines can be fitted again


STAYS, HOURS = np.repeat(np.arange(40), 6), np.tile(np.arange(6.0), 40)
RATES = 80 + 5.0 * (STAYS % 2) * HOURS + RNG.normal(size=240)
VITALS = pl.DataFrame({"subject_id": STAYS, "time": HOURS, "HR": RATES})
OUTCOMES = pl.DataFrame({"subject_id": np.arange(40), "died": np.arange(40) % 2})
WATCHED = VITALS.with_columns(ill=pl.Series(((STAYS % 2 == 1) & (HOURS > 3)).astype(int)))

PROBLEMS = {
    "forecast": Problem({"horizon": 4, "context": 14}, (FRAME,), (FRAME,)),
    "classify": Problem({}, (ARRAYS, np.where(LEVELS > 0, "up", "down")), (ARRAYS[::2],)),
    "regress": Problem({}, (ARRAYS, LEVELS), (ARRAYS[::2],)),
    "language": Problem({"size": "small", "hidden": 16}, (STORY,), (["the cat", "a"],)),
    "classify-text": Problem({"networks": 1}, (REVIEWS, ["+", "-"] * 16), (REVIEWS[:6],)),
    "tag": Problem({"size": "small"}, (WORDS, TAGS), (WORDS[:4],)),
    "translate": Problem({"vocabulary": "word"}, (GERMAN, ENGLISH), (GERMAN[:5],)),
    "outcome": Problem({"target": "died"}, (VITALS, OUTCOMES), (VITALS,), keeps_rows=False),
    "vitals": Problem({"target": "ill"}, (WATCHED,), (WATCHED,), keeps_rows=False),
    "records": Problem({"networks": 2}, (VISITS,), (VISITS.take(range(6)),)),
}
ONE_EPOCH = TrainConfig(epochs=1)


def make(task: str, **arguments: Any) -> AbstractEstimator:
    given = {"random_state": 0, "train": ONE_EPOCH, **PROBLEMS[task].arguments, **arguments}
    return estimator_class(task)(**given)


def numbers(prediction: Any) -> list[Any]:
    """Flatten a prediction of any kind, for comparison."""
    if isinstance(prediction, pl.DataFrame):
        return prediction.rows()
    if isinstance(prediction, list):
        return prediction
    if isinstance(prediction, dict):
        return [numbers(column) for column in prediction.values()]
    return np.asarray(prediction).tolist()


_fitted: dict[str, bytes] = {}


@pytest.fixture
def fitted() -> Callable[[str], Any]:
    """Give a function that copies a job's estimator, fitted once."""

    def give(task: str) -> Any:
        if task not in _fitted:
            _fitted[task] = pickle.dumps(make(task).fit(*PROBLEMS[task].fit))
        return pickle.loads(_fitted[task])

    return give


def test_every_job_has_a_problem_here() -> None:
    assert set(PROBLEMS) == set(TASKS)


@pytest.mark.parametrize("task", TASKS)
def test_a_constructor_has_at_most_ten_arguments_and_train(task: str) -> None:
    parameters = inspect.signature(estimator_class(task)).parameters
    assert "train" in parameters
    assert "random_state" in parameters
    assert len(parameters) <= 10 + 1
    for parameter in parameters.values():
        assert parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        assert parameter.default is not parameter.empty, parameter.name


@pytest.mark.parametrize("task", TASKS)
def test_arguments_are_stored_untouched(task: str) -> None:
    kind = estimator_class(task)
    given = {name: object() for name in kind.parameter_names()}
    estimator = kind(**given)
    assert estimator.get_params(deep=False) == given
    assert all(getattr(estimator, name) is value for name, value in given.items())
    assert set(vars(estimator)) == set(given)


@pytest.mark.parametrize("task", TASKS)
def test_parameters_can_be_got_set_and_cloned(task: str) -> None:
    estimator = make(task)
    assert estimator.set_params(random_state=7) is estimator
    twin = clone(estimator)
    assert twin.get_params() == estimator.get_params()
    assert twin.get_params()["random_state"] == 7
    with pytest.raises(InputError, match="Did you mean 'random_state'"):
        estimator.set_params(random_stat=1)


@pytest.mark.parametrize("task", TASKS)
def test_its_text_can_be_read_back(task: str) -> None:
    kind = estimator_class(task)
    estimator = make(task)
    same = eval(repr(estimator), {kind.__name__: kind, "TrainConfig": TrainConfig})
    assert same.get_params() == estimator.get_params()


@pytest.mark.parametrize("task", TASKS)
def test_every_argument_and_method_is_documented(task: str) -> None:
    kind = estimator_class(task)
    text = inspect.getdoc(kind) or ""
    assert ">>> " in text
    for name in kind.parameter_names():
        assert re.search(rf"^{name} : .+$", text, re.MULTILINE), name
    for name, method in inspect.getmembers(kind, inspect.isfunction):
        if not name.startswith("_") and method.__module__.startswith("cellstate"):
            assert inspect.getdoc(method), name


@pytest.mark.parametrize("task", TASKS)
def test_methods_of_an_unfitted_estimator_ask_for_fit(task: str, tmp_path: Path) -> None:
    estimator: Any = make(task)
    given = PROBLEMS[task]
    calls = {
        "predict": lambda: estimator.predict(*given.predict),
        "evaluate": lambda: estimator.evaluate(*given.fit),
        "story": lambda: estimator.story(),
        "save": lambda: estimator.save(tmp_path / "model"),
    }
    for name, call in calls.items():
        with pytest.raises(NotFittedError, match=f"{name}: .* must be fitted; got .*Call fit"):
            call()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("task", TASKS)
def test_fit_returns_itself_keeps_its_arguments_and_names_what_it_learnt(
    task: str, fitted: Callable[[str], Any]
) -> None:
    estimator = make(task)
    before = estimator.get_params()
    given: Any = estimator
    assert given.fit(*PROBLEMS[task].fit) is estimator
    assert estimator.get_params() == before
    learnt = set(vars(estimator)) - set(before)
    assert learnt
    assert all(name.endswith("_") or name.startswith("_") for name in learnt)


@pytest.mark.parametrize("task", TASKS)
def test_fit_is_silent_and_writes_nothing(
    task: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    estimator: Any = make(task)
    estimator.fit(*PROBLEMS[task].fit).predict(*PROBLEMS[task].predict)
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("task", TASKS)
def test_equal_seeds_give_equal_models_and_fitting_twice_forgets(
    task: str, fitted: Callable[[str], Any]
) -> None:
    problem = PROBLEMS[task]
    once = fitted(task)
    expected = numbers(once.predict(*problem.predict))
    assert numbers(once.fit(*problem.fit).predict(*problem.predict)) == expected


@pytest.mark.parametrize("task", TASKS)
def test_predicting_twice_gives_the_same(task: str, fitted: Callable[[str], Any]) -> None:
    estimator, problem = fitted(task), PROBLEMS[task]
    first = numbers(estimator.predict(*problem.predict))
    assert numbers(estimator.predict(*problem.predict)) == first


@pytest.mark.parametrize("task", TASKS)
def test_save_and_load_give_equal_predictions_and_scores(
    task: str, fitted: Callable[[str], Any], tmp_path: Path
) -> None:
    estimator, problem = fitted(task), PROBLEMS[task]
    estimator.save(tmp_path / "model")
    expected = numbers(estimator.predict(*problem.predict))
    for loaded in (type(estimator).load(tmp_path / "model"), tasks.load(str(tmp_path / "model"))):
        assert type(loaded) is type(estimator)
        assert loaded.get_params() == estimator.get_params()
        assert numbers(loaded.predict(*problem.predict)) == expected
        if task != "forecast":  # the forecaster's own tests score on rows that follow
            given, learnt = loaded.evaluate(*problem.fit), estimator.evaluate(*problem.fit)
            if problem.keeps_rows:
                assert given.as_dict() == learnt.as_dict()
            assert given.rows["LSTM"] == learnt.rows["LSTM"]


@pytest.mark.parametrize("task", TASKS)
def test_a_model_of_another_job_is_refused(
    task: str, fitted: Callable[[str], Any], tmp_path: Path
) -> None:
    fitted(task).save(tmp_path / "model")
    for other in set(TASKS) - {task}:
        with pytest.raises(ArtifactError, match=f"must be of the job '{other}'; got '{task}'"):
            estimator_class(other).load(tmp_path / "model")


@pytest.mark.parametrize("task", TASKS)
def test_a_fitted_estimator_tells_its_story(
    task: str, fitted: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rivals, "is_installed", lambda: False)  # they take seconds to start
    story = fitted(task).story()
    assert story.title
    assert story.sections
    assert all(section.title for section in story.sections)
