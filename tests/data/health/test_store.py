"""Events on disk are those of the whole table."""

from __future__ import annotations

import gzip
import json
from datetime import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest

from cellstate.data.health import chunks
from cellstate.data.health.events import read_events
from cellstate.data.health.left_out import LeftOutWarning
from cellstate.data.health.store import DESCRIPTION, open_store, write_store
from cellstate.errors import FrameError, InputError

pytestmark = pytest.mark.filterwarnings("ignore::cellstate.data.health.left_out.LeftOutWarning")


def table(rows: int = 3000, *, text: bool = False, absolute: bool = False) -> pl.DataFrame:
    """Events with every kind of row that is left out."""
    rng = np.random.default_rng(5)
    subject = rng.integers(0, 150, rows)
    hours = np.round(rng.uniform(0, 40, rows))
    codes = ["HR", "Temp", "note", "MEDS_BIRTH", "MEDS_DEATH", "Age", "", "99"]
    code = rng.choice(codes, rows, p=[0.4, 0.3, 0.2, 0.005, 0.005, 0.05, 0.02, 0.02])
    frame = pl.DataFrame(
        {
            "subject_id": subject,
            "time": hours,
            "code": code,
            "numeric_value": rng.choice([36.0, 37.0, 370.0, np.nan, 40.5], rows),
        }
    )
    frame = frame.with_columns(
        pl.when(pl.col("code") == "Age").then(None).otherwise("time").alias("time"),
        pl.col("numeric_value").fill_nan(None),
        pl.when(pl.col("subject_id") > 0).then("subject_id").alias("subject_id"),
    )
    if text:
        frame = frame.with_columns(("s" + pl.col("subject_id").cast(pl.String)).alias("subject_id"))
    if absolute:
        start = datetime(2120, 1, 1, 0, 30)
        since = pl.duration(hours=pl.col("time").cast(pl.Int64))
        frame = frame.with_columns((start + since).alias("time"))
    return frame


def assert_equal(events, expected) -> None:
    assert events.subjects.tolist() == expected.subjects.tolist()
    assert events.codes == expected.codes
    assert events.is_absolute == expected.is_absolute
    for name in ("offsets", "hours", "code", "value"):
        np.testing.assert_array_equal(getattr(events, name), getattr(expected, name))
        assert getattr(events, name).dtype == getattr(expected, name).dtype
    for name in ("row", "reason"):
        assert events.left_out.listed()[name].tolist() == expected.left_out.listed()[name].tolist()


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("absolute", [False, True])
def test_store_equals_the_whole_table_read_at_once(tmp_path, text, absolute) -> None:
    whole = table(text=text, absolute=absolute)
    expected = read_events(whole)
    assert len(expected.left_out.counts) > 5
    frames = (whole.slice(start, 700) for start in range(0, len(whole) + 700, 700))
    events = write_store(tmp_path / "store", frames, parts=7)
    assert_equal(events, expected)
    assert_equal(open_store(tmp_path / "store"), expected)
    assert isinstance(events.hours, np.memmap)
    some = [3, 50, len(events) - 1]
    assert_equal(events.take(some), expected.take(some))
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_files_are_read_in_blocks(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(chunks, "BYTES_AT_ONCE", 1000)
    monkeypatch.setattr(chunks, "ROWS_AT_ONCE", 100)
    whole = table(900, absolute=True)
    parts = [whole.slice(start, 300) for start in (0, 300, 600)]
    parts[0].write_csv(tmp_path / "a.csv")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(parts[1].write_csv().encode()))
    parts[2].with_columns(more=pl.lit("x")).write_parquet(tmp_path / "c.parquet")
    paths = [tmp_path / "a.csv", str(tmp_path / "b.csv.gz"), tmp_path / "c.parquet"]
    assert_equal(write_store(tmp_path / "store", paths), read_events(whole))
    alone = write_store(tmp_path / "alone", tmp_path / "a.csv")
    assert_equal(alone, read_events(parts[0]))


def test_quoted_cells_may_hold_line_breaks(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(chunks, "BYTES_AT_ONCE", 40)
    whole = pl.DataFrame(
        {"subject_id": range(40), "time": [1.0] * 40, "code": ["a\nb,\n" + "c" * 30, "d"] * 20}
    )
    whole.write_csv(tmp_path / "a.csv")
    assert_equal(write_store(tmp_path / "store", tmp_path / "a.csv"), read_events(whole))


def test_codes_that_look_like_numbers_stay_text(tmp_path) -> None:
    (tmp_path / "a.csv").write_text("subject_id,time,code\n1,0.5,038\n1,0.5,250\n")
    assert write_store(tmp_path / "store", tmp_path / "a.csv").codes == ("038", "250")


def test_single_frame_and_frames_of_pandas_are_taken(tmp_path) -> None:
    whole = table(200)
    assert_equal(write_store(tmp_path / "one", whole), read_events(whole))
    halves = [pd.DataFrame(part.to_dict(as_series=False)) for part in (whole[:90], whole[90:])]
    assert_equal(write_store(tmp_path / "two", halves), read_events(whole))


def test_store_of_left_out_rows_alone_can_be_opened(tmp_path) -> None:
    frame = pl.DataFrame({"subject_id": [1], "time": [0.0], "code": [""]})
    events = write_store(tmp_path / "store", frame)
    assert (len(events), len(events.hours), len(events.left_out)) == (1, 0, 1)


def test_what_was_left_out_is_announced_once(tmp_path) -> None:
    with pytest.warns(LeftOutWarning, match="Store: each row should be possible") as caught:
        write_store(tmp_path / "store", table(300))
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_nothing_half_written_remains(tmp_path) -> None:
    def frames():
        yield table(10)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_store(tmp_path / "store", frames())
    with pytest.raises(FrameError, match="must have a column"):
        write_store(tmp_path / "store", [table(10), pl.DataFrame({"a": [1]})])
    with pytest.raises(InputError, match="the range of 'HR'"):
        write_store(tmp_path / "store", table(10), ranges={"HR": 3})
    assert list(tmp_path.iterdir()) == []


def test_an_older_store_is_kept(tmp_path) -> None:
    write_store(tmp_path / "store", table(50))
    with pytest.raises(InputError, match="must be a new folder; got one that exists"):
        write_store(tmp_path / "store", table(10))
    assert len(open_store(tmp_path / "store").hours) > 20


@pytest.mark.parametrize(
    ("tables", "error", "message"),
    [
        ([], InputError, "there must be tables; got none"),
        ("events.txt", FrameError, "must end in .csv, .csv.gz, .parquet; got '.txt'"),
        ("none.csv", FrameError, "none.csv must be a readable .csv file; got No such file"),
        ("none.csv.gz", FrameError, "must be a readable .csv.gz file"),
        ("none.parquet", FrameError, "must be a readable .parquet file"),
        (5, FrameError, "must be a data frame with rows; got int"),
        (
            [table(5), table(5, text=True)],
            FrameError,
            "same types; got whole numbers in one and text in another",
        ),
        (
            [table(5), table(5, absolute=True)],
            FrameError,
            "same types; got timestamps in one and numbers in another",
        ),
    ],
)
def test_bad_calls_are_answered(tmp_path, tables, error, message) -> None:
    with pytest.raises(error, match=message):
        write_store(tmp_path / "store", tables)
    with pytest.raises(FrameError, match="must be writable"):
        write_store(tmp_path / "none/store", table(5))
    assert list(tmp_path.iterdir()) == []


def test_damage_is_named(tmp_path) -> None:
    store = tmp_path / "store"
    with pytest.raises(FrameError, match="must be a store of events; got No such file"):
        open_store(store)
    write_store(store, table(100))
    hours = (store / "hours.npy").read_bytes()
    (store / "hours.npy").write_bytes(hours[:-3])
    with pytest.raises(FrameError, match="Write it again with write_store"):
        open_store(store)
    (store / "hours.npy").write_bytes(hours)
    described = json.loads((store / DESCRIPTION).read_text())
    for change in ({"events": 3}, {"format": 9}, {"codes": None}):
        (store / DESCRIPTION).write_text(json.dumps({**described, **change}))
        with pytest.raises(FrameError, match="must be a store of events"):
            open_store(store)
