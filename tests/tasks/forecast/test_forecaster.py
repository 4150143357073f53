"""The estimator's manners: parameters, refits, copies, models on disk."""

from __future__ import annotations

import copy
import json
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone

from cellstate import artifact
from cellstate.data import Columns
from cellstate.tasks import load
from cellstate.tasks.forecast.forecaster import Forecaster
from cellstate.train import TrainConfig
from tests.tasks.forecast import samples
from tests.tasks.forecast.samples import KINDS, forecaster, wave, waves

Give = Callable[[str], Forecaster]


def test_arguments_are_kept_as_given() -> None:
    levels, train = [50], TrainConfig(epochs=2)
    model = Forecaster(3, levels=levels, train=train)  # type: ignore[arg-type]
    assert model.levels is levels
    assert model.train is train
    assert model.get_params()["horizon"] == 3
    assert model.set_params(horizon=5, size="large") is model
    assert (model.horizon, model.size) == (5, "large")


def test_a_clone_has_equal_arguments_and_no_fit(surfer: Give) -> None:
    model = surfer("direct")
    twin = clone(model)
    assert twin.get_params() == model.get_params()
    assert not hasattr(twin, "fitted_")
    assert repr(twin) == repr(model)


def test_its_text_shows_what_differs_from_the_defaults() -> None:
    assert repr(Forecaster()) == "Forecaster()"
    model = Forecaster(7, decoder="recursive", columns=Columns(target="price"))
    same = eval(repr(model), {"Forecaster": Forecaster, "Columns": Columns})
    assert same.get_params() == model.get_params()


@pytest.mark.parametrize("kind", ["direct", "quantiles"])
def test_fitting_twice_forgets_the_first(kind: str) -> None:
    model = forecaster(kind).fit(waves(60, 50)).update(wave(1, start=60).select(
        pl.lit("s0").alias("unique_id"), "ds", "y"
    ))  # fmt: skip
    again = model.fit(waves(40, 45)).predict()
    fresh = forecaster(kind).fit(waves(40, 45)).predict()
    assert again.equals(fresh)
    assert model.history_.lengths.tolist() == [40, 45]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_and_pickles_forecast_alike_and_live_apart(
    kind: str, way: Callable[[Any], Any], surfer: Give
) -> None:
    model = surfer(kind)
    before = model.predict()
    twin = way(model)
    twin.update(waves(1, start=60).with_columns(y=pl.lit(9.0)))
    assert model.predict().equals(before)
    assert not twin.predict().equals(before)
    model.update(waves(1, start=60).with_columns(y=pl.lit(9.0)))
    assert model.predict().equals(twin.predict())


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model_comes_back_whole(
    kind: str, shopkeeper: Give, shops: pl.DataFrame, future: pl.DataFrame, tmp_path: Path
) -> None:
    model = shopkeeper(kind)
    model.save(tmp_path / "model")
    loaded = load(str(tmp_path / "model"))
    assert isinstance(loaded, Forecaster)
    assert loaded.get_params() == model.get_params()
    assert loaded.predict(future=future).equals(model.predict(future=future))
    assert loaded.predict(shops, future).equals(model.predict(shops, future))
    assert loaded.evaluate().as_dict() == model.evaluate().as_dict()
    assert repr(loaded.story()) == repr(model.story())
    assert loaded.fitted_.record == model.fitted_.record
    loaded.save(tmp_path / "again")
    for name in ("model.json", "model.safetensors"):
        one, two = ((tmp_path / folder / name).read_bytes() for folder in ("model", "again"))
        assert one == two, name


def test_the_manifest_is_json_that_describes_the_network(surfer: Give, tmp_path: Path) -> None:
    for kind in ("direct", "student_t"):
        surfer(kind).save(tmp_path / kind)
        document = json.loads((tmp_path / kind / "model.json").read_text())
        assert document["task"] == "forecast"
        assert document["arguments"]["levels"] == [80, 95]
        assert document["record"]["data"]["series"] == 3
        assert document["record"]["versions"]["cellstate"]
        names = {
            layer["name"]
            for part in document["network"]["layers"].values()
            for layer in (part if isinstance(part, list) else [part])
        }
        _, tensors = artifact.load(tmp_path / kind)
        weights = {name.split(".")[2] for name in tensors if name.startswith("network.")}
        assert weights <= names


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(
    "arguments",
    [
        {"horizon": np.int64(4), "context": np.int32(14), "random_state": np.uint8(3)},
        {"levels": (np.float64(80), np.int64(95))},
        {"levels": [90]},
        {"frequency": np.int64(1)},
        {"train": TrainConfig(epochs=1, clip_norm=math.inf)},
        {"train": TrainConfig(epochs=1, checkpoint=Path("unfinished.bin"))},
        {"columns": Columns(target="y", calendar=()), "calibrate": np.bool_(True)},
    ],
    ids=str,
)
def test_any_valid_arguments_can_be_saved(arguments: dict[str, Any], tmp_path: Path) -> None:
    model = forecaster("direct", **arguments).fit(wave(40))
    model.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    assert loaded.predict().equals(model.predict())
    refitted = loaded.fit(wave(40))  # the arguments came back usable
    assert refitted.predict().equals(model.predict())


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("every", ["D", "7D", "MS", "ME", "QS", "B", "h", "15min", "90s"])
@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_stamps_of_any_frequency_survive_the_disk(
    every: str, zone: str | None, tmp_path: Path
) -> None:
    """From a month in which New York changes its clocks."""
    start = "2024-02-27" if every in ("D", "B") else "2024-03-09 20:00"
    ds = pd.date_range(start, periods=40, freq=every, tz=zone)
    frame = pl.from_pandas(pd.DataFrame({"ds": ds, "y": np.arange(40.0)}))
    model = forecaster("direct").fit(frame.head(36))
    expected = model.predict()
    assert expected["ds"].to_list() == frame["ds"].tail(4).to_list()
    model.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    assert loaded.predict().equals(expected)
    new = frame.tail(4)
    assert loaded.update(new).predict().equals(model.update(new).predict())
    assert loaded.predict(frame).equals(loaded.predict())


def test_a_forecaster_needs_no_columns_beyond_those_it_uses() -> None:
    frame = waves(40).with_columns(note=pl.lit("x"))
    assert (
        forecaster("direct")
        .fit(frame)
        .predict()
        .equals(forecaster("direct").fit(waves(40)).predict())
    )


def test_no_global_random_state_is_touched_or_used() -> None:
    import torch

    np.random.seed(1)  # noqa: NPY002  what a user may have done
    torch.manual_seed(1)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    one = forecaster("direct").fit(wave(40)).predict()
    after = np.random.get_state()[1], torch.get_rng_state()  # noqa: NPY002
    assert np.array_equal(before[0], after[0])
    assert torch.equal(before[1], after[1])
    torch.manual_seed(2)
    assert forecaster("direct").fit(wave(40)).predict().equals(one)


def test_samples_cover_what_they_promise(shops: pl.DataFrame) -> None:
    """A guard of these tests themselves: gaps, missing values and series that begin late."""
    panel = samples.panel_of(shops, samples.columns_of("direct"))
    assert len(panel.target) > len(shops) > 200
    assert np.isnan(panel.target).any()
    assert np.isnan(panel.future).any()
    assert set(samples.later(shops)["unique_id"]) == set(samples.BEGINS)
    assert "late" not in set(samples.learnt(shops)["unique_id"])
