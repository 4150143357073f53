"""The streaming contract: observations pushed in any pieces give what one reading gives."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from cellstate.errors import FrameError
from cellstate.tasks.forecast.forecaster import Forecaster
from tests.tasks.forecast import samples
from tests.tasks.forecast.samples import KINDS, later, pieces

Give = Callable[[str], Forecaster]


def ordered(prediction: pl.DataFrame) -> pl.DataFrame:
    return prediction.sort("unique_id", "ds")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 3, 12])
def test_any_split_in_any_company_equals_one_reading_bitwise(
    kind: str, count: int, shopkeeper: Give, shops: pl.DataFrame, future: pl.DataFrame
) -> None:
    model = shopkeeper(kind)
    for piece in pieces(later(shops), count, np.random.default_rng(count)):
        model.update(piece)
    whole = model.predict(shops, future)
    assert_frame_equal(ordered(model.predict(future=future)), ordered(whole), check_exact=True)
    assert np.isfinite(samples.values_of(whole)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_row_by_row_equals_one_reading_bitwise(
    kind: str, shopkeeper: Give, shops: pl.DataFrame, future: pl.DataFrame
) -> None:
    model = shopkeeper(kind)
    for row in later(shops).sort("ds", "unique_id").iter_slices(1):
        model.update(row)
    whole = model.predict(shops, future)
    assert_frame_equal(ordered(model.predict(future=future)), ordered(whole), check_exact=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_series_alone_is_forecast_as_among_others(
    kind: str, shopkeeper: Give, shops: pl.DataFrame, future: pl.DataFrame
) -> None:
    model = shopkeeper(kind)
    together = model.predict(shops, future)
    for name in samples.BEGINS:
        own = pl.col("unique_id") == name
        alone = model.predict(shops.filter(own), future)
        assert_frame_equal(alone, together.filter(own), check_exact=True)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_known_after_updates_is_what_one_reading_knows(
    kind: str, shopkeeper: Give, shops: pl.DataFrame
) -> None:
    model = shopkeeper(kind)
    for piece in pieces(later(shops), 5, np.random.default_rng(0)):
        model.update(piece)
    whole = samples.panel_of(shops, samples.columns_of(kind))
    numbers = [model.history_.ids.index(name) for name in whole.ids]
    known = model.history_.select(numbers)
    assert np.array_equal(known.offsets, whole.offsets)
    assert np.array_equal(known.times, whole.times)
    for part in ("target", "past", "future", "static"):
        assert np.array_equal(getattr(known, part), getattr(whole, part), equal_nan=True), part


@pytest.mark.parametrize("kind", KINDS)
def test_updates_leave_the_forecasts_of_other_series_alone(
    kind: str, shopkeeper: Give, shops: pl.DataFrame, future: pl.DataFrame
) -> None:
    model = shopkeeper(kind)
    others = pl.col("unique_id") != "b"
    before = model.predict(future=future).filter(others)
    model.update(later(shops).filter(pl.col("unique_id") == "b"))
    assert_frame_equal(model.predict(future=future).filter(others), before, check_exact=True)


@pytest.mark.parametrize("kind", KINDS)
def test_missing_observations_pass_time_and_nothing_else(
    kind: str, shopkeeper: Give, shops: pl.DataFrame, future: pl.DataFrame
) -> None:
    """A row of missing values is the gap that would stand in its place."""
    rows = later(shops).filter(pl.col("unique_id") == "b")
    first, last = rows[0], rows[-1]
    days = pl.date_range(
        first["ds"][0] + dt.timedelta(days=1),
        last["ds"][0] - dt.timedelta(days=1),
        "1d",
        eager=True,
    )
    empty = first.clear(len(days)).with_columns(
        ds=days, **{name: pl.lit(first[name][0]) for name in ("unique_id", "city", "area")}
    )
    spelt_out = shopkeeper(kind).update(pl.concat([first, empty, last]))
    left_out = shopkeeper(kind).update(first).update(last)
    assert_frame_equal(
        spelt_out.predict(future=future), left_out.predict(future=future), check_exact=True
    )


def late(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col("ds") - dt.timedelta(days=60))


def infinite(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(y=pl.lit(float("inf")))


def huge(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(y=pl.lit(1e38))


def duplicated(rows: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([rows, rows]).sort("unique_id", "ds")


def without_promotion(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.drop("promotion")


def without_ids(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("unique_id") == "b").drop("unique_id")


def numbered(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(unique_id=pl.col("unique_id").str.len_chars())


def off_the_grid(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col("ds").cast(pl.Datetime) + dt.timedelta(hours=1))


@pytest.mark.parametrize(
    "spoil",
    [late, infinite, huge, duplicated, without_promotion, without_ids, numbered, off_the_grid],
)
@pytest.mark.parametrize("kind", ["direct", "student_t"])
def test_an_update_with_a_bad_row_changes_nothing(
    kind: str,
    spoil: Callable[[pl.DataFrame], pl.DataFrame],
    shopkeeper: Give,
    shops: pl.DataFrame,
    future: pl.DataFrame,
) -> None:
    model = shopkeeper(kind)
    good = later(shops)
    early, rest = good[:6], good[6:]
    model.update(early)
    expected = model.predict(future=future)
    with pytest.raises(FrameError):
        model.update(spoil(rest))
    is_c = pl.col("unique_id") == "c"
    with pytest.raises(FrameError):  # one bad series among good and new ones
        model.update(pl.concat([rest.filter(~is_c), late(rest.filter(is_c))]))
    assert_frame_equal(model.predict(future=future), expected, check_exact=True)
    assert model.history_.lengths.sum() == shopkeeper(kind).update(early).history_.lengths.sum()
    model.update(rest)
    assert_frame_equal(
        ordered(model.predict(future=future)),
        ordered(model.predict(shops, future)),
        check_exact=True,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_predicting_changes_nothing(
    kind: str, shopkeeper: Give, shops: pl.DataFrame, future: pl.DataFrame
) -> None:
    model = shopkeeper(kind)
    first = model.predict(future=future)
    model.predict(shops, future)
    assert_frame_equal(model.predict(future=future), first, check_exact=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_goes_on_after_saving_and_loading(
    kind: str, shopkeeper: Give, shops: pl.DataFrame, future: pl.DataFrame, tmp_path: Path
) -> None:
    model = shopkeeper(kind)
    first, *rest = pieces(later(shops), 4, np.random.default_rng(7))
    model.update(first).save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    assert_frame_equal(
        loaded.predict(future=future), model.predict(future=future), check_exact=True
    )
    for piece in rest:
        model.update(piece)
        loaded.update(piece).save(tmp_path / "model")
        loaded = Forecaster.load(tmp_path / "model")
    assert_frame_equal(
        loaded.predict(future=future), model.predict(future=future), check_exact=True
    )


WITHOUT_TORCH = """
import json, sys, warnings
sys.modules["torch"] = None  # every import of it fails
warnings.simplefilter("error")
import numpy as np, polars as pl
from cellstate import tasks
from cellstate.tasks.forecast import rivals
rivals.is_installed = lambda: False
folder, kinds = sys.argv[1], json.loads(sys.argv[2])
rows = pl.read_csv(folder + "/later.csv", try_parse_dates=True)
future = pl.read_csv(folder + "/future.csv", try_parse_dates=True)
for kind in kinds:
    model = tasks.load(f"{folder}/{kind}")
    prediction = model.update(rows).predict(future=future)
    values = [prediction[name].to_numpy() for name in prediction.columns if "LSTM" in name]
    np.save(f"{folder}/{kind}.npy", np.stack(values, axis=1))
    model.evaluate()
    model.save(f"{folder}/{kind}")
"""


def test_a_stream_goes_on_in_a_process_without_torch(
    shopkeeper: Give, shops: pl.DataFrame, future: pl.DataFrame, tmp_path: Path
) -> None:
    later(shops).write_csv(tmp_path / "later.csv", float_precision=17)
    future.write_csv(tmp_path / "future.csv", float_precision=17)
    for kind in KINDS:
        shopkeeper(kind).save(tmp_path / kind)
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(tmp_path), json.dumps(KINDS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    for kind in KINDS:
        expected = shopkeeper(kind).update(later(shops)).predict(future=future)
        assert np.array_equal(np.load(tmp_path / f"{kind}.npy"), samples.values_of(expected))
