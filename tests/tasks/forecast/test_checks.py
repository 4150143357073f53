"""Bad calls: each is answered by what must hold, what was given and what to do."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from cellstate import artifact
from cellstate.data import Columns
from cellstate.errors import ArtifactError, CellstateError, FrameError, InputError, NotFittedError
from cellstate.tasks import load
from cellstate.tasks.forecast.forecaster import Forecaster
from tests.tasks.forecast import samples
from tests.tasks.forecast.samples import forecaster, wave, waves

pytestmark = pytest.mark.usefixtures("untrained")

THREE_SENTENCES = re.compile(
    r"(?P<where>[^:]+): (?P<must>.+?); got (?P<given>.+)\. (?P<do>[A-Z].+[.?])", re.DOTALL
)
Give = Callable[[str], Forecaster]


def message(call: Callable[[], Any], kind: type[CellstateError], part: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    said = THREE_SENTENCES.fullmatch(str(caught.value))
    assert said, str(caught.value)
    assert re.search(part, str(caught.value)), str(caught.value)


ARGUMENTS: list[tuple[dict[str, Any], str]] = [
    ({"horizon": 0}, "horizon must be a whole number of at least 1; got 0"),
    ({"horizon": -3}, "got -3"),
    ({"horizon": 2.0}, "got 2.0"),
    ({"horizon": True}, "got True"),
    ({"horizon": "24"}, "got '24'"),
    ({"horizon": None}, "got None"),
    ({"context": 0}, "context must be a whole number of at least 1; got 0"),
    ({"context": 7.5}, "got 7.5"),
    ({"context": 200}, "context must be no longer than the longest series; got 200"),
    ({"decoder": "recursiv"}, "Did you mean 'recursive'?"),
    ({"decoder": None}, "decoder must be known; got None"),
    ({"size": "tiny"}, "Choose from 'small', 'medium', 'large'"),
    ({"distribution": "student"}, "Did you mean 'student_t'?"),
    ({"levels": 80}, "levels must be a tuple of percentages between 0 and 100; got 80"),
    ({"levels": (80, 100)}, "percentages"),
    ({"levels": (0,)}, "percentages"),
    ({"levels": ("80",)}, "percentages"),
    ({"levels": (float("nan"),)}, "percentages"),
    ({"columns": {"target": "y"}}, r"columns must be a Columns; got .* Give columns=Columns\("),
    ({"columns": Columns(target=None)}, "columns must name a target"),
    ({"train": {"epochs": 3}}, "train must be a TrainConfig"),
    ({"random_state": -1}, "random_state must be a whole number of at least 0; got -1"),
    ({"random_state": np.random.default_rng(0)}, "random_state"),
    ({"frequency": "fortnight"}, "fortnight"),
    ({"frequency": "h"}, "must fit the frequency 'h'"),
    ({"decoder": "recursive", "columns": Columns(past="y2")}, "known for the future"),
    ({"decoder": "recursive", "distribution": "negative_binomial"}, "needs counts 0, 1, 2"),
    ({"columns": Columns(calendar="dayofweek")}, "needs dates"),
]


@pytest.mark.parametrize(("arguments", "part"), ARGUMENTS, ids=lambda part: str(part)[:40])
def test_arguments_out_of_range_are_refused(arguments: dict[str, Any], part: str) -> None:
    given = {"horizon": 4, "context": None, **arguments}
    frame = wave(40).with_columns(y2=pl.col("y"))
    message(lambda: forecaster("direct", **given).fit(frame), InputError, part)


@pytest.mark.parametrize("validation", [0, -1, 2.5, "all", True])
def test_a_validation_split_has_a_whole_length(validation: Any) -> None:
    model = forecaster("direct")
    message(
        lambda: model.fit(wave(40), validation=validation),
        InputError,
        "validation must be a whole number of at least 1",
    )


def spoilt(**columns: Any) -> pl.DataFrame:
    return waves(40, 40).with_columns(**columns)


def at(row: int, value: Any, name: str = "y") -> pl.Expr:
    return pl.when(pl.int_range(pl.len()) == row).then(value).otherwise(pl.col(name)).alias(name)


days = pl.date_range(dt.date(2024, 1, 1), dt.date(2024, 2, 9), "1d", eager=True)
months = pl.date_range(dt.date(2020, 1, 1), dt.date(2023, 4, 1), "1mo", eager=True)

FRAMES: dict[str, tuple[Any, str]] = {
    "no frame": ([1, 2, 3], "must be a data frame with rows; got list"),
    "a lazy frame": (waves(40).lazy(), "Collect it first"),
    "no rows": (waves(40).clear(), "got no row, columns unique_id, ds, y. Check the file"),
    "no target": (waves(40).drop("y"), "must have the target column 'y'"),
    "a target of nearly that name": (waves(40).rename({"y": "Y"}), "target column 'y'; got .*'Y'"),
    "no time": (waves(40).rename({"ds": "time"}), "must have the time column 'ds'"),
    "text in the target": (
        spoilt(y=pl.col("y").cast(pl.String)).with_columns(at(7, pl.lit("abc"))),
        "the column 'y' must hold numbers; got the text 'abc' in row 7",
    ),
    "an infinite value": (
        waves(40).with_columns(at(5, float("inf"))),
        "must hold finite numbers; got inf in row 5",
    ),
    "a value beyond float32": (waves(40).with_columns(at(5, 1e38)), "must stay below 1e\\+30"),
    "no observed value": (spoilt(y=pl.lit(None, pl.Float64)), "must have observed values"),
    "a stamp twice": (waves(40).with_columns(at(5, 4, "ds")), "one row a time stamp; got 4 twice"),
    "stamps out of order": (waves(40).sort("ds", descending=True), "must be sorted by time"),
    "a missing stamp": (waves(40).with_columns(at(5, None, "ds")), "(missing value|nan) in row 5"),
    "stamps off the grid": (
        waves(40).with_columns(pl.col("ds") * 2).with_columns(at(39, 79, "ds")),
        "a whole number of periods apart",
    ),
    "mixed frequencies": (
        pl.concat(
            [
                waves(40).with_columns(ds=days),
                waves(40).with_columns(ds=months, unique_id=pl.lit("m")),
            ]
        ),
        "all series must have one frequency",
    ),
    "one row": (waves(1), "at least two time stamps"),
    "series no longer than the horizon": (waves(4, 3), "must be longer than horizon=4"),
}  # fmt: skip


LIBRARIES = [(name, "polars") for name in FRAMES] + [
    (name, "pandas") for name, (frame, _) in FRAMES.items() if isinstance(frame, pl.DataFrame)
]


@pytest.mark.parametrize(("name", "library"), LIBRARIES)
def test_frames_that_cannot_be_used_are_refused(name: str, library: str) -> None:
    frame, part = FRAMES[name]
    given = frame.to_pandas() if library == "pandas" else frame
    message(lambda: forecaster("direct", context=None).fit(given), InputError, part)


def test_covariates_that_cannot_be_used_are_refused() -> None:
    frame = waves(40, 40).with_columns(a=pl.lit("x"), b=pl.int_range(pl.len()))
    for columns, part in (
        (Columns(past="c"), "must have the past column 'c'"),
        (Columns(future="a"), "the column 'a' must hold numbers"),
        (Columns(static="b"), "one value a series"),
        (Columns(static="c"), "must have the static column 'c'"),
    ):
        message(lambda c=columns: forecaster("direct", columns=c).fit(frame), FrameError, part)


def test_methods_need_a_fitted_forecaster(tmp_path: Path) -> None:
    new = forecaster("direct")
    calls: dict[str, Callable[[], Any]] = {
        "predict": new.predict,
        "update": lambda: new.update(wave(3)),
        "evaluate": new.evaluate,
        "story": new.story,
        "save": lambda: new.save(tmp_path / "model"),
    }
    for name, call in calls.items():
        message(call, NotFittedError, f"Forecaster.{name}: the estimator must be fitted")
    assert not list(tmp_path.iterdir())


def test_levels_that_were_not_learnt_cannot_be_given(surfer: Give) -> None:
    model = surfer("direct").set_params(levels=(50, 60))
    message(model.predict, InputError, "among those learnt by fit; got 60. Fit again")


def test_calibration_needs_something_to_calibrate_on() -> None:
    model = forecaster("direct", context=None, calibrate=True)
    message(lambda: model.fit(wave(8)), InputError, "longer than twice horizon=4")


def test_a_forecast_needs_the_future_covariates(shopkeeper: Give, future: pl.DataFrame) -> None:
    model = shopkeeper("direct")
    message(model.predict, FrameError, "'promotion' must be known for the steps to forecast")
    few = future.filter(pl.col("ds") < samples.FIRST_DAY + dt.timedelta(days=71))
    message(lambda: model.predict(future=few), FrameError, "the future frame must hold")
    one = future.filter(pl.col("unique_id") == "a")
    message(lambda: model.predict(future=one), FrameError, "must hold the series 'b'")


@pytest.mark.parametrize("stride", [0, -1, 1.0, "h"])
def test_a_stride_is_a_whole_number(stride: Any, surfer: Give) -> None:
    message(
        lambda: surfer("direct").evaluate(stride=stride),
        InputError,
        "Forecaster.evaluate: stride must be a whole number of at least 1",
    )


@pytest.mark.parametrize(
    ("rows", "part"),
    [
        (wave(1, start=60), "must have ids of text, as the known series have; got no id column"),
        (waves(1, start=60).with_columns(unique_id=pl.lit(1)), "got ids that are integers"),
        (waves(1, start=59), "must come after 59; got 59"),
        (waves(2, start=60).with_columns(ds=pl.lit(60)), "60 twice"),
        (waves(1, start=60).cast({"ds": pl.Date}), "must fit the frequency"),
        (waves(1, start=60).drop("y"), "target column 'y'"),
        (waves(1, start=60).with_columns(y=pl.lit(1e31)), "must stay below"),
        (waves(1, start=60).clear(), "no row"),
    ],
)
def test_updates_that_do_not_follow_are_refused(
    rows: pl.DataFrame, part: str, surfer: Give
) -> None:
    message(lambda: surfer("direct").update(rows), FrameError, part)


def test_a_single_series_takes_no_ids() -> None:
    model = forecaster("direct").fit(wave(40))
    message(lambda: model.update(waves(1, start=40)), FrameError, "must have no id column")


def test_a_folder_that_is_no_sound_model_is_refused(surfer: Give, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    message(lambda: Forecaster.load(folder), ArtifactError, "must be a folder")
    surfer("direct").save(folder)
    message(lambda: surfer("direct").save(tmp_path / "no" / "model"), ArtifactError, "must exist")

    tensors = folder / "model.safetensors"
    whole = tensors.read_bytes()
    tensors.write_bytes(whole[:-100])
    message(lambda: Forecaster.load(folder), ArtifactError, "bytes instead of")
    tensors.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    message(lambda: load(str(folder)), ArtifactError, "checksum|sha|content")
    tensors.write_bytes(whole)

    document = folder / "model.json"
    text = document.read_text()
    document.write_text(re.sub(r'"format_version": *1', '"format_version":99', text))
    message(lambda: Forecaster.load(folder), ArtifactError, "Update cellstate")
    document.write_text(re.sub(r'"horizon": *4', '"horizon":5', text, count=1))
    message(lambda: Forecaster.load(folder), ArtifactError, "checksum")
    document.write_text(text)
    assert Forecaster.load(folder).predict().equals(surfer("direct").predict())


Spoil = Callable[[artifact.Manifest, dict[str, np.ndarray]], Any]
INCONSISTENT: dict[str, Spoil] = {
    "no plan": lambda manifest, tensors: manifest.network.pop("plan"),
    "an unknown setting": lambda manifest, tensors: manifest.network["plan"].update(colour=1),
    "another width": lambda manifest, tensors: manifest.network["plan"].update(width=3),
    "an unknown decoder": lambda manifest, tensors: manifest.network.update(decoder="x"),
    "an unknown argument": lambda manifest, tensors: manifest.arguments.update(colour=1),
    "no weight": lambda manifest, tensors: tensors.pop("network.0.head.bias"),
    "no history": lambda manifest, tensors: tensors.pop("history.target"),
    "no panel": lambda manifest, tensors: manifest.encoders.pop("panel"),
    "no ids": lambda manifest, tensors: manifest.encoders["panel"].pop("ids"),
    "a part of another kind": lambda manifest, tensors: manifest.encoders.update(panel=[1]),
    "categories of another kind": lambda manifest, tensors: manifest.encoders["panel"].update(
        static="x"
    ),
    "a frequency unheard of": lambda manifest, tensors: manifest.encoders["panel"].update(
        integer_step=None, frequency="fortnight"
    ),
    "no factors": lambda manifest, tensors: manifest.decoding.clear(),
    "covariates of another kind": lambda manifest, tensors: manifest.encoders.update(covariates=7),
}


@pytest.mark.parametrize("name", INCONSISTENT)
def test_a_sound_folder_with_an_inconsistent_model_is_refused(
    name: str, surfer: Give, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    surfer("direct").save(folder)
    manifest, tensors = artifact.load(folder)
    INCONSISTENT[name](manifest, tensors)
    artifact.save(folder, manifest, tensors)
    message(lambda: Forecaster.load(folder), ArtifactError, "must be complete and consistent")


def test_a_model_of_another_job_is_refused(surfer: Give, tmp_path: Path) -> None:
    surfer("direct").save(tmp_path / "model")
    manifest, tensors = artifact.load(tmp_path / "model")
    object.__setattr__(manifest, "task", "classify")
    message(lambda: Forecaster.from_artifact(manifest, tensors), ArtifactError, "'forecast'")
    object.__setattr__(manifest, "task", "forecasts")
    artifact.save(tmp_path / "other", manifest, tensors)
    message(lambda: load(str(tmp_path / "other")), InputError, "Did you mean 'forecast'?")


def test_unknown_parameters_are_refused() -> None:
    message(
        lambda: forecaster("direct").set_params(horizn=3), InputError, "Did you mean 'horizon'?"
    )


def test_pandas_objects_are_checked_value_by_value() -> None:
    frame = waves(40).to_pandas().astype({"y": object})
    frame.loc[3, "y"] = "high"
    message(lambda: forecaster("direct").fit(frame), FrameError, "'high' in row 3")
    frame.loc[3, "y"] = pd.Timestamp("2024-01-01")
    message(lambda: forecaster("direct").fit(frame), FrameError, "in row 3")
