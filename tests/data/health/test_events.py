"""MEDS' long form: read, checked, sorted, and given back."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellstate.data.health.events import Events, read_events, to_frame
from cellstate.data.health.left_out import LeftOutWarning
from cellstate.errors import FrameError, InputError

CLEAN = {
    "subject_id": [2, 1, 1, 2, 2],
    "time": [0.5, 1.5, None, 0.25, 0.5],
    "code": ["HR", "HR", "Age", "Temp", "DIAG//I50"],
    "numeric_value": [90.0, 71.0, 64.0, 36.5, None],
}


def frame_of(rows, columns=("subject_id", "time", "code", "numeric_value")) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=list(columns), orient="row", strict=False)


def columns_of(events: Events) -> tuple:
    value = [None if np.isnan(x) else x for x in events.value]
    return (
        events.subjects.tolist(), events.offsets.tolist(), events.hours.tolist(),
        [events.codes[k] for k in events.code], value,
    )  # fmt: skip


def left_out_of(rows, **options) -> dict[int, str]:
    with pytest.warns(LeftOutWarning):
        events = read_events(frame_of(rows), **options)
    listed = events.left_out.listed()
    return dict(zip(listed["row"].tolist(), listed["reason"].tolist(), strict=True))


@pytest.mark.parametrize(
    "make",
    [
        pl.DataFrame,
        pd.DataFrame,
        lambda data: pd.DataFrame(data).convert_dtypes(),
        pa.table,
        lambda data: pd.DataFrame(data).astype({"code": "category"}),
        lambda data: pl.DataFrame(data).with_columns(pl.col("code").cast(pl.Categorical)),
    ],
)
def test_events_are_sorted_whatever_the_frame(make) -> None:
    events = read_events(make(CLEAN))
    assert columns_of(events) == (
        [1, 2], [0, 2, 5], [-np.inf, 1.5, 0.25, 0.5, 0.5],
        ["Age", "HR", "Temp", "DIAG//I50", "HR"], [64.0, 71.0, 36.5, None, 90.0],
    )  # fmt: skip
    assert events.codes == ("Age", "DIAG//I50", "HR", "Temp")
    assert not events.is_absolute
    assert len(events.left_out) == 0
    assert (events.hours.dtype, events.code.dtype, events.value.dtype, events.offsets.dtype) == (
        np.float64, np.int32, np.float64, np.int64,
    )  # fmt: skip
    assert events.subject.tolist() == [0, 0, 1, 1, 1]
    assert events.is_static.tolist() == [True, False, False, False, False]


STAMPS = [datetime(2130, 5, 1, 13, 30), None]
HOURS = [(datetime(2130, 5, 1, 13, 30) - datetime(1970, 1, 1)).total_seconds() / 3600, -np.inf]
ZONED = pd.Series(pd.to_datetime(["2130-05-01 08:30", None])).dt.tz_localize("Etc/GMT+5")


@pytest.mark.parametrize(
    "column",
    [
        pl.Series(STAMPS),
        pl.Series(STAMPS, dtype=pl.Datetime("ms")),
        pl.Series([stamp and stamp.replace(tzinfo=UTC) for stamp in STAMPS]),
        pd.Series(STAMPS),
        pd.Series(STAMPS, dtype=object),
        ZONED,
        ZONED.dt.tz_convert("America/New_York"),
        pl.Series(["2130-05-01 13:30:00", None]),
        pl.Series(["2130-05-01T13:30", ""]),
        pd.Series(["2130-05-01 13:30", None]),
    ],
    ids=lambda column: f"{type(column).__module__.split('.')[0]}-{column.dtype}",
)
def test_timestamps_become_hours_since_1970(column) -> None:
    frame = pl.DataFrame if isinstance(column, pl.Series) else pd.DataFrame
    table = frame({"subject_id": [1, 1], "code": ["HR", "Age"], "time": column})
    events = read_events(table)
    assert events.is_absolute
    assert events.hours.tolist() == HOURS[::-1]
    assert np.isnan(events.value).all()


def test_dates_are_their_midnight_and_empty_times_static() -> None:
    events = read_events(frame_of([[1, date(1970, 1, 3), "HR", 60.0]]))
    assert events.hours.tolist() == [48.0]
    for time_column in (pl.Series([None]), pl.Series([None], dtype=pl.String)):
        table = pl.DataFrame({"subject_id": [1], "code": ["a"], "time": time_column})
        assert read_events(table).is_static.all()


@pytest.mark.parametrize("ids", [["b", "a"], pd.Series(["b", "a"], dtype="category")])
def test_identifiers_may_be_text(ids) -> None:
    table = pd.DataFrame({"subject_id": ids, "time": [1, 2], "code": ["x", "y"]})
    assert read_events(table).subjects.tolist() == ["a", "b"]


def test_each_impossible_row_is_listed_with_its_reason() -> None:
    rows = [
        ["1", 1.0, "MEDS_BIRTH", None],
        ["1", 9.0, "MEDS_DEATH", None],
        ["1", 0.5, "HR", 80.0],
        ["1", 9.5, "HR", 80.0],
        ["1", 2.0, "Temp", 370.0],
        ["1", 2.0, "HR", 80.0],
        ["1", 2.0, "HR", 81.0],
        ["1", 2.0, "HR", 80.0],
        ["1", 3.0, "HR", float("inf")],
        ["", 3.0, "HR", 80.0],
        ["1", 3.0, " ", 80.0],
        ["1", float("inf"), "HR", 80.0],
        [None, 3.0, "HR", 80.0],
        ["1", 3.0, None, 80.0],
        ["1", 2.0, "note", None],
        ["1", 2.0, "note", None],
        ["1", None, "Age", 61.0],
        ["2", 2.0, "pH", 735.0],
        ["2", 0.5, "HR", 80.0],
    ]
    assert left_out_of(rows) == {
        3: "before birth", 4: "after death", 5: "Temp outside 12 to 46 °C", 8: "duplicate event",
        9: "infinite value", 10: "no subject", 11: "no code", 12: "infinite time",
        13: "no subject", 14: "no code", 16: "duplicate event", 18: "pH outside 6.3 to 8.3",
    }  # fmt: skip
    with pytest.warns(LeftOutWarning) as caught:
        events = read_events(frame_of(rows))
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert len(events.hours) + len(events.left_out) == len(rows)


def test_subject_whose_events_are_all_left_out_stays() -> None:
    with pytest.warns(LeftOutWarning):
        events = read_events(frame_of([[1, 0.0, "Temp", 370.0], [2, 0.0, "Temp", 37.0]]))
    assert events.subjects.tolist() == [1, 2]
    assert events.offsets.tolist() == [0, 0, 1]
    assert events.of_subject(0) == slice(0, 0)


def test_death_on_a_date_alone_lasts_that_day() -> None:
    day = datetime(2150, 3, 4)
    rows = [
        [1, day, "MEDS_DEATH", None],
        [1, day.replace(hour=23), "HR", 40.0],
        [1, day.replace(day=5, minute=1), "HR", 40.0],
        [2, day.replace(hour=1), "MEDS_DEATH//hospital", None],
        [2, day.replace(hour=2), "HR", 40.0],
    ]
    assert left_out_of(rows) == {3: "after death", 5: "after death"}


def test_own_ranges_replace_the_built_in_ones() -> None:
    rows = [[1, 0.0, "Temp", 98.6], [1, 0.0, "dose", 7.0]]
    assert read_events(frame_of(rows), ranges={}).value.tolist() == [98.6, 7.0]
    assert left_out_of(rows, ranges={"Dose": (0, 5, "mg")}) == {2: "dose outside 0 to 5 mg"}


cells = st.tuples(
    st.integers(1, 3),
    st.one_of(st.none(), st.sampled_from([0.0, 1.0, 2.5])),
    st.sampled_from(["HR", "Temp", "note"]),
    st.one_of(st.none(), st.sampled_from([36.0, 37.0, 370.0])),
)


@pytest.mark.filterwarnings("ignore::cellstate.data.health.left_out.LeftOutWarning")
@given(st.lists(cells, min_size=1, max_size=25), st.randoms(use_true_random=False))
def test_no_row_is_lost_and_the_order_of_rows_does_not_matter(rows, random) -> None:
    events = read_events(frame_of(rows))
    assert len(events.hours) + len(events.left_out) == len(rows)
    possible = {row for row in rows if row[2] != "Temp" or row[3] != 370.0}
    possible -= {row for row in rows if row[2] == "HR" and row[3] is not None and row[3] > 350}
    assert len(events.hours) == len(possible)
    shuffled = list(rows)
    random.shuffle(shuffled)
    again = read_events(frame_of(shuffled))
    assert again.subjects.tolist() == events.subjects.tolist()
    kept = [sorted(map(str, zip(*columns_of(one)[2:], strict=True))) for one in (events, again)]
    assert kept[0] == kept[1]


@pytest.mark.parametrize("is_absolute", [True, False])
@pytest.mark.parametrize("text", [True, False])
def test_frame_gives_the_same_events_back(is_absolute, text) -> None:
    data = dict(CLEAN)
    if is_absolute:
        stamp = datetime(2189, 1, 1, 3, 4, 5, 678901)
        data["time"] = [None if hour is None else stamp for hour in data["time"]]
    if text:
        data["subject_id"] = [f"s{one}" for one in data["subject_id"]]
    events = read_events(pl.DataFrame(data))
    frame = to_frame(events)
    assert frame.columns == ["subject_id", "time", "code", "numeric_value"]
    assert frame.schema["time"] == (pl.Datetime("us") if is_absolute else pl.Float64)
    if is_absolute:
        assert set(frame["time"].drop_nulls()) == {stamp}
    assert columns_of(read_events(frame)) == columns_of(events)


def test_taken_subjects_keep_their_events() -> None:
    events = read_events(frame_of([[k % 5, float(k), "HR", 60.0 + k] for k in range(20)]))
    some = events.take([1, 4])
    assert some.subjects.tolist() == [1, 4]
    assert some.value.tolist() == [61, 66, 71, 76, 64, 69, 74, 79]
    assert some.codes == events.codes
    assert columns_of(events.take(np.array([False, True, False, False, True]))) == columns_of(some)
    assert len(events.take([])) == 0
    for wrong in ([4, 1], [1, 1], [-1], [5], np.array([True])):
        with pytest.raises(InputError, match="places must rise from 0 to 4 at most"):
            events.take(wrong)


def test_repr_names_no_one() -> None:
    events = read_events(pl.DataFrame(CLEAN))
    assert repr(events) == "Events(2 subjects, 5 events, 4 codes, hours of their own zero)"


def changed(**columns) -> pd.DataFrame:
    return pd.DataFrame({**CLEAN, **columns})


BAD = [
    ("not a frame", "must be a data frame with rows; got str"),
    (pl.DataFrame(CLEAN).lazy(), "got a lazy frame. Collect it first"),
    (pl.DataFrame(CLEAN).head(0), "got no row"),
    (pl.DataFrame(CLEAN).rename({"time": "times"}), "Did you mean 'times'"),
    (pl.DataFrame(CLEAN).rename({"subject_id": "who"}), "must have a column 'subject_id'"),
    (pl.DataFrame(), "no column. Check the file"),
    (changed(code=[1, 2, 3, 4, 5]), "column 'code' must hold text; got the dtype Int64"),
    (changed(code=["a", "b", 3, "d", "e"]), "a cell of type int in row 3"),
    (changed(numeric_value=list("12x45")), "'numeric_value' must hold numbers; .* in row 1"),
    (changed(numeric_value=pd.Series([1, 2.5, {}, 4, 5], dtype=object)), "something else in row 3"),
    (changed(subject_id=[1.0, 2.5, 3, 4, 5]), "whole numbers or text; got a fraction in row 2"),
    (changed(subject_id=[1.0, 2.0**60, 3, 4, 5]), "below 2⁵³, .*; got a larger one, .* in row 2"),
    (changed(subject_id=np.uint64([1, 2, 2**64 - 1, 4, 5])), "below 2⁶³, or text; .* in row 3"),
    (changed(subject_id=pd.Series([1, 2**70, 3, 4, 5], dtype=object)), "below 2⁶³, .* in row 2"),
    (changed(subject_id=[1, "a", 3, 4, 5]), "one kind of identifier; got another kind in row 2"),
    (changed(subject_id=[True] * 5), "got the dtype Boolean"),
    (changed(time=["2020-01-01", "soon", None, None, None]), "got something else in row 2"),
    (changed(time=["2020-01-01T00:00Z"] * 5), "without a zone"),
    (changed(time=[True] * 5), "timestamps, or hours as numbers; got the dtype Boolean"),
    (changed(time=[{}, 1, 2, 3, 4]), "got something else in row 1"),
]


@pytest.mark.parametrize(("frame", "message"), BAD, ids=[message[:30] for _, message in BAD])
def test_bad_calls_are_answered(frame, message) -> None:
    with pytest.raises(FrameError, match=message):
        read_events(frame)


def test_a_million_rows_take_seconds() -> None:
    rng, rows = np.random.default_rng(0), 1_000_000
    frame = pl.DataFrame(
        {
            "subject_id": rng.integers(0, 20_000, rows),
            "time": rng.permutation(rows) / 64,
            "code": np.array(["HR", "Temp", "note"], dtype=object)[rng.integers(0, 3, rows)],
            "numeric_value": np.full(rows, 37.0),
        }
    )
    start = time.process_time()
    events = read_events(frame, ranges={})
    assert time.process_time() - start < 10
    assert len(events.hours) == rows
