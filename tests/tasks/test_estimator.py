"""What all estimators share: parameters from the signature, and one way to and from disk."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from cellstate.artifact import Manifest
from cellstate.errors import ArtifactError, InputError, NotFittedError
from cellstate.tasks import estimator_class
from cellstate.tasks.estimator import AbstractEstimator, from_plain, to_plain
from cellstate.tasks.sections import Story


@dataclass(frozen=True)
class Inner:
    names: tuple[str, ...] = ()
    limit: float | None = None


@dataclass(frozen=True)
class Settings:
    rate: float = 0.5
    inner: Inner = field(default_factory=Inner)
    place: Path | str | None = None


class Mean(AbstractEstimator):
    """Predicts the mean: the smallest job there can be."""

    task: ClassVar[str] = "mean"

    def __init__(
        self,
        offset: float = 0.0,
        *,
        levels: tuple[float, ...] = (80, 95),
        settings: Settings | None = None,
        note: str | int | None = None,
    ) -> None:
        self.offset = offset
        self.levels = levels
        self.settings = settings
        self.note = note

    def fit(self, values: np.ndarray) -> Mean:
        self.mean_ = float(np.mean(values))
        return self

    def predict(self) -> float:
        self._require_fitted("predict")
        return self.mean_ + self.offset

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        return None

    def story(self) -> Story:
        return Story("Mean", "", ())

    def _fitted_parts(self) -> Any:
        return {}, {}, {"mean": self.mean_}, {}, {"seen": np.ones(2)}

    def _restore(self, manifest: Manifest, tensors: dict[str, np.ndarray]) -> None:
        assert tensors["seen"].shape == (2,)
        self.mean_ = manifest.decoding["mean"]

    def _is_fitted(self) -> bool:
        return hasattr(self, "mean_")


def test_parameters_are_those_of_the_signature_in_order() -> None:
    assert Mean.parameter_names() == ["offset", "levels", "settings", "note"]
    assert Mean(2).get_params() == {
        "offset": 2,
        "levels": (80, 95),
        "settings": None,
        "note": None,
    }


def test_setting_an_unknown_parameter_sets_nothing_of_it_and_offers_the_nearest() -> None:
    model = Mean()
    with pytest.raises(InputError, match=r"must be an argument .* got 'offst'. Did you mean 'off"):
        model.set_params(offst=3)
    assert not hasattr(model, "offst")
    assert model.set_params(offset=3, note="x").get_params()["note"] == "x"


def test_its_text_shows_the_arguments_that_differ() -> None:
    assert repr(Mean()) == "Mean()"
    assert repr(Mean(levels=(80, 95))) == "Mean()"
    assert repr(Mean(1.5, note="a")) == "Mean(offset=1.5, note='a')"


def test_an_unfitted_estimator_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError, match=r"Mean.predict: the estimator must be fitted; got an"):
        Mean().predict()
    with pytest.raises(NotFittedError, match=r"Mean\.save"):
        Mean().save(tmp_path / "model")


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"offset": np.float32(0.5), "levels": [50]},
        {"settings": Settings(0.1, Inner(("a", "b"), 3.0), "here")},
        {"settings": Settings(math.inf, Inner(limit=-math.inf))},
        {"note": "inf"},
        {"note": 3},
        {"offset": np.int64(3), "levels": (np.float64(80.5),)},
    ],
    ids=str,
)
def test_a_saved_estimator_comes_back_with_equal_arguments(
    arguments: dict[str, Any], tmp_path: Path
) -> None:
    model = Mean(**arguments).fit(np.arange(5))
    model.save(tmp_path / "model")
    loaded = Mean.load(tmp_path / "model")
    expected = model.get_params()
    expected["levels"] = tuple(expected["levels"])
    assert loaded.get_params() == expected
    assert loaded.predict() == model.predict()
    json.loads((tmp_path / "model" / "model.json").read_text())


def test_a_path_becomes_text() -> None:
    assert to_plain(Settings(place=Path("a") / "b"))["place"] == str(Path("a/b"))


def test_plain_data_is_json_and_comes_back_as_it_was() -> None:
    settings = Settings(math.inf, Inner(("x",), None), None)
    plain = json.loads(json.dumps(to_plain(settings), allow_nan=False))
    assert from_plain(plain, Settings | None) == settings
    assert from_plain(to_plain((1, 2)), tuple[int, ...]) == (1, 2)
    assert from_plain([1, 2], list[int]) == [1, 2]
    assert from_plain(to_plain({1: np.int8(2)}), dict[str, int]) == {"1": 2}


def test_an_argument_from_another_version_is_refused() -> None:
    manifest = Manifest("mean", {"offset": 1.0, "colour": "red"}, decoding={"mean": 1.0})
    with pytest.raises(ArtifactError, match=r"complete and consistent; got TypeError: .*colour"):
        Mean.from_artifact(manifest, {"seen": np.ones(2)})


@pytest.mark.parametrize("missing", ["tensor", "part"])
def test_a_model_that_lacks_a_part_is_refused(missing: str) -> None:
    manifest = Manifest("mean", {}, decoding={} if missing == "part" else {"mean": 1.0})
    tensors = {} if missing == "tensor" else {"seen": np.ones(2)}
    with pytest.raises(ArtifactError, match="complete and consistent; got KeyError"):
        Mean.from_artifact(manifest, tensors)


def test_a_model_of_another_job_is_refused() -> None:
    with pytest.raises(ArtifactError, match="must be of the job 'mean'; got 'median'"):
        Mean.from_artifact(Manifest("median"), {})


def test_an_unknown_job_is_refused() -> None:
    with pytest.raises(InputError, match="Did you mean 'forecast'"):
        estimator_class("forcast")
