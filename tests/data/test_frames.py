"""Frames of pandas and polars into panels, and back."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from cellstate.data.columns import Columns
from cellstate.data.frames import to_panel
from cellstate.data.frequency import Frequency
from cellstate.data.origin import Origin
from cellstate.data.static import StaticEncoder
from cellstate.errors import FrameError

KINDS: dict[str, Callable[[dict], Any]] = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
}
DAYS = [dt.datetime(2024, 1, 1) + dt.timedelta(days=day) for day in range(6)]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Callable[[dict], Any]:
    return KINDS[request.param]


def two_series() -> dict[str, list]:
    return {"unique_id": ["b"] * 3 + ["a"] * 3, "ds": DAYS[:3] * 2, "y": [1, 2, 3, 4, 5, 6]}


def test_rows_become_series_in_order_of_appearance(kind: Callable) -> None:
    panel = to_panel(kind(two_series()))
    assert panel.ids == ("b", "a")
    assert panel.offsets.tolist() == [0, 3, 6]
    assert panel.target.dtype == np.float64
    assert panel.target[panel.rows(1)].tolist() == [4, 5, 6]
    assert panel.frequency.name == "D"


def test_interleaved_series_are_put_together(kind: Callable) -> None:
    frame = {"unique_id": [2, 1, 2, 1], "ds": [5, 5, 6, 6], "y": [1.0, 2.0, 3.0, 4.0]}
    panel = to_panel(kind(frame))
    assert panel.ids == (2, 1)
    assert panel.target.tolist() == [1, 3, 2, 4]


def test_gaps_become_missing_rows_in_every_column(kind: Callable) -> None:
    frame = {
        "ds": [DAYS[0], DAYS[1], DAYS[4]], "y": [1.0, 2.0, 5.0], "p": [1, 2, 5], "f": [0, 1, 0],
    }  # fmt: skip
    panel = to_panel(kind(frame), Columns(past="p", future="f"))
    assert np.array_equal(panel.target, [1, 2, np.nan, np.nan, 5], equal_nan=True)
    assert np.array_equal(panel.past[:, 0], [1, 2, np.nan, np.nan, 5], equal_nan=True)
    assert np.array_equal(panel.future[:, 0], [0, 1, np.nan, np.nan, 0], equal_nan=True)
    assert panel.times.astype(object).tolist() == DAYS[:5]


def test_calendar_features_are_known_in_gaps_too(kind: Callable) -> None:
    frame = {"ds": [DAYS[0], DAYS[1], DAYS[4]], "y": [1.0, 2.0, 5.0]}
    panel = to_panel(kind(frame), Columns(calendar="dayofweek"))
    assert panel.future_names == ("dayofweek_sin", "dayofweek_cos")
    assert panel.future.shape == (5, 2)
    assert np.isfinite(panel.future).all()


def test_missing_values_stay_missing(kind: Callable) -> None:
    frame = {"ds": [1, 2, 3], "y": [1, None, 3], "flag": [True, None, False]}
    panel = to_panel(kind(frame), Columns(past="flag"))
    assert np.array_equal(panel.target, [1, np.nan, 3], equal_nan=True)
    assert np.array_equal(panel.past[:, 0], [1, np.nan, 0], equal_nan=True)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1, None, 3], dtype="Int64"),
        pd.Series([1.0, None, 3], dtype="Float32"),
        pd.Series([1, None, 3], dtype=object),
        pd.Series([Decimal(1), None, Decimal(3)]),
        pl.Series([Decimal(1), None, Decimal(3)]),
    ],
    ids=["Int64", "Float32", "object", "objects of decimals", "decimal"],
)
def test_every_number_type_is_read(column: Any) -> None:
    make = pl.DataFrame if isinstance(column, pl.Series) else pd.DataFrame
    panel = to_panel(make({"ds": [1, 2, 3], "y": column}))
    assert np.array_equal(panel.target, [1, np.nan, 3], equal_nan=True)


def test_column_of_nothing_is_all_missing(kind: Callable) -> None:
    panel = to_panel(kind({"ds": [1, 2], "y": [None, None]}))
    assert np.isnan(panel.target).all()


STAMPS = {
    "datetime": DAYS,
    "date": [day.date() for day in DAYS],
    "text": [str(day.date()) for day in DAYS],
    "text with hours": [day.strftime("%Y-%m-%d %H:%M") for day in DAYS],
    "ISO text": [day.isoformat() for day in DAYS],
    "integer": list(range(6)),
    "UTC": [day.replace(tzinfo=dt.UTC) for day in DAYS],
}


@pytest.mark.parametrize("stamps", STAMPS.values(), ids=STAMPS)
def test_forecast_frames_carry_the_users_kind_of_stamp(kind: Callable, stamps: list) -> None:
    whole = kind({"ds": stamps, "y": [0.0] * 6})
    panel = to_panel(kind({"ds": stamps[:4], "y": [0.0] * 4}))
    back = panel.to_native({"ds": panel.next_times(2)[0], "LSTM": np.zeros(2)})
    assert type(back) is type(whole)
    stamps_back = pa.Table.to_pydict(back)["ds"] if kind is pa.table else back["ds"].to_list()
    assert [plain(stamp) for stamp in stamps_back] == [plain(stamp) for stamp in stamps[4:]]
    rebuilt = Origin.from_dict(panel.origin.as_dict())
    assert rebuilt == panel.origin


def plain(stamp: Any) -> Any:
    if isinstance(stamp, dt.date) and not isinstance(stamp, dt.datetime):
        return dt.datetime(stamp.year, stamp.month, stamp.day)
    return stamp.to_pydatetime() if isinstance(stamp, pd.Timestamp) else stamp


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_units_and_id_types_come_back(unit: str) -> None:
    stamps = pl.Series(DAYS[:2]).cast(pl.Datetime(unit))
    frame = pl.DataFrame({"shop": pl.Series([7, 7], dtype=pl.Int32), "at": stamps, "y": [1, 2]})
    panel = to_panel(frame, Columns(id="shop", time="at"))
    back = panel.to_native({"shop": [7], "at": panel.next_times(1)[0], "cutoff": panel.times[1:]})
    assert back.schema == {
        "shop": pl.Int32, "at": pl.Datetime(unit), "cutoff": pl.Datetime(unit),
    }  # fmt: skip


@pytest.mark.parametrize("ids", [["b", "a"], [2, 1]])
@pytest.mark.parametrize("as_array", [True, False])
def test_ids_may_be_given_back_as_a_list_or_an_array(
    kind: Callable, ids: list, as_array: bool
) -> None:
    panel = to_panel(kind({"unique_id": ids, "ds": [1, 1], "y": [1, 2]}), frequency=1)
    given = np.array(panel.ids, dtype=object) if as_array else panel.ids
    back = panel.to_native({"unique_id": given, "ds": panel.next_times(1)[:, 0]})
    again = to_panel(back, Columns(target=None), 1)
    assert again.ids == tuple(ids)
    assert again.origin.id_dtype == panel.origin.id_dtype


def test_hourly_stamps_with_a_zone_pass_the_change_of_clocks() -> None:
    stamps = pd.date_range("2024-03-30", periods=48, freq="h", tz="Europe/Berlin")
    panel = to_panel(pd.DataFrame({"ds": stamps[:-2], "y": range(46)}), Columns(calendar=("hour",)))
    assert panel.frequency.name == "h"
    assert len(panel.target) == 46
    back = panel.to_native({"ds": panel.next_times(2)[0]})
    assert back["ds"].tolist() == stamps[-2:].tolist()
    assert back["ds"].dtype == stamps.dtype
    local_hour = 2 * np.pi * stamps[:-2].hour.to_numpy() / 24
    assert np.allclose(panel.future[:, 0], np.sin(local_hour), atol=1e-6)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kolkata"])
def test_daily_stamps_with_a_zone_are_regular_by_the_local_clock(zone: str) -> None:
    stamps = pd.date_range("2024-03-01", periods=60, freq="D", tz=zone)
    for make in (pd.DataFrame, lambda columns: pl.from_pandas(pd.DataFrame(columns))):
        panel = to_panel(make({"ds": stamps[:-20], "y": range(40)}))
        assert panel.frequency.name == "D"
        back = panel.to_native({"ds": panel.next_times(20)[0]})
        assert [plain(stamp) for stamp in back["ds"].to_list()] == [
            plain(stamp) for stamp in stamps[-20:]
        ]


def test_fixed_offsets_are_zones_too() -> None:
    stamps = pd.date_range("2024-03-01", periods=5, freq="h", tz="+05:30")
    panel = to_panel(pd.DataFrame({"ds": stamps[:-1], "y": range(4)}))
    assert panel.next_times(1)[0, 0] == stamps[-1].tz_convert(None).to_datetime64()


def test_business_days_leave_weekends_out() -> None:
    stamps = pd.bdate_range("2024-01-01", periods=30).delete(12)
    panel = to_panel(pd.DataFrame({"ds": stamps, "y": range(29)}))
    assert panel.frequency.name == "B"
    assert len(panel.target) == 30


def test_static_covariates_are_encoded_and_unknown_ones_are_zero(kind: Callable) -> None:
    columns = Columns(static=("city", "size", "open"))
    first = two_series() | {
        "city": ["Rome"] * 3 + ["Oslo"] * 3, "size": [2.5] * 6, "open": [True] * 3 + [False] * 3,
    }  # fmt: skip
    panel = to_panel(kind(first), columns)
    assert panel.static.tolist() == [[0, 1, 2.5, 1], [1, 0, 2.5, 0]]
    assert panel.static_names == ("city", "size", "open")
    later = {
        "unique_id": ["c"], "ds": DAYS[:1], "y": [1.0], "city": ["Bonn"], "size": [1.0],
        "open": [True],
    }  # fmt: skip
    encoder = StaticEncoder.from_dict(panel.encoder.as_dict())
    assert to_panel(kind(later), columns, "D", encoder=encoder).static.tolist() == [[0, 0, 1, 1]]
    with pytest.raises(FrameError, match="'city' must hold text, as it did at fit"):
        to_panel(kind(later | {"city": [3]}), columns, "D", encoder=encoder)


def test_categorical_columns_are_text() -> None:
    frame = pd.DataFrame(two_series()).assign(kind=pd.Categorical(["x"] * 3 + ["w"] * 3))
    frame["unique_id"] = frame["unique_id"].astype("category")
    panel = to_panel(frame, Columns(static=("kind",)))
    assert panel.static.tolist() == [[0, 1], [1, 0]]
    assert panel.ids == ("b", "a")


def test_target_may_be_absent_for_future_covariates(kind: Callable) -> None:
    panel = to_panel(kind({"ds": [1, 2], "f": [1, 2]}), Columns(target=None, future="f"))
    assert np.isnan(panel.target).all()
    assert panel.ids == ("series",)


BAD = [
    ({"ds": [1], "x": [1]}, {}, "must have the target column 'y'; got 'ds', 'x'"),
    ({"ds": [], "y": []}, {}, "Frame: must be a data frame with rows; got no row, columns ds, y"),
    ({"ds": [1, 2], "y": ["1", "n.a."]}, {}, "'y' must hold numbers; got the text 'n.a.' in row 1"),
    ({"ds": [1, 2], "y": [1.0, float("inf")]}, {}, "must hold finite numbers; got inf in row 1"),
    ({"ds": [1, 2], "y": DAYS[:2]}, {}, "'y' must hold numbers; got the dtype"),
    ({"ds": [1, 1], "y": [1, 2]}, {}, "one row a time stamp; got 1 twice in the series 'y'"),
    ({"ds": [2, 1], "y": [1, 2]}, {}, "must be sorted by time; got 1 after 2 in the series 'y'"),
    ({"ds": [DAYS[1], DAYS[0]], "y": [1, 2]}, {}, "got 2024-01-01 after 2024-01-02"),
    ({"ds": ["2024", "soon"], "y": [1, 2]}, {}, r"ISO text such as .*; got 'soon' in row 1"),
    ({"ds": ["2024-02-01", "2024-02-30"], "y": [1, 2]}, {}, "got '2024-02-30' in row 1"),
    ({"ds": [DAYS[0], None], "y": [1, 2]}, {}, "got a missing value in row 1"),
    ({"ds": [1.0, 1.5], "y": [1, 2]}, {}, r"got 1.5 in row 1"),
    ({"ds": [True, False], "y": [1, 2]}, {}, "must hold integers, dates, .*; got the dtype Bool"),
    ({"unique_id": ["a", None], "ds": [1, 2], "y": [1, 2]}, {}, "text or integers; got (None|nan)"),
    ({"unique_id": [1.5, 2.5], "ds": [1, 2], "y": [1, 2]}, {}, "text or integers; got 1.5 in row"),
    ({"ds": [1, 2], "y": [1, 2]}, {"frequency": "D"}, "must fit the frequency 'D'; got integer"),
    ({"ds": DAYS[:2], "y": [1, 2]}, {"frequency": 1}, "must fit the frequency '1'; got datetime"),
    ({"ds": [1, 2], "y": [1, 2]}, {"frequency": "dayly"}, "frequency: must be an alias"),
    ({"ds": [0, 10, 20, 25], "y": [1, 2, 3, 4]}, {}, "'10'.; got 25 after 20 in the series 'y'"),
    ({"ds": [202311, 202312, 202401], "y": [1, 2, 3]}, {}, "Integers that spell dates"),
    ({"ds": [20231230, 20231231, 20240101], "y": [1, 2, 3]}, {}, "Integers that spell dates"),
    ({"ds": [0, 1, 10**7], "y": [1, 2, 3]}, {}, "got 3 rows over 10000001 periods in the series"),
]  # fmt: skip


@pytest.mark.parametrize(("columns", "options", "message"), BAD)
def test_bad_frames_are_refused(kind: Callable, columns: dict, options: dict, message: str) -> None:
    if columns["ds"] == [DAYS[0], None] and kind is pa.table:
        message = "got a missing value in row 1"
    with pytest.raises(FrameError if "alias" not in message else ValueError, match=message):
        to_panel(kind(columns), **options)


@pytest.mark.parametrize("frame", [pl.LazyFrame({"ds": [1], "y": [1]}), [[1, 2]], None, "x.csv"])
def test_what_is_no_frame_is_refused(frame: Any) -> None:
    with pytest.raises(FrameError, match="must be a data frame with rows; got"):
        to_panel(frame)


@pytest.mark.parametrize(
    ("coarse", "own", "name"),
    [
        (pd.date_range("2024-01-01", periods=8, freq="7D"), "W", "D"),
        (pd.date_range("2024-01-01", periods=8, freq="MS"), "MS", "D"),
        (pd.date_range("2024-01-01", periods=40, freq="h"), "h", "D"),
    ],
)
def test_mixed_frequencies_name_the_series(coarse: pd.DatetimeIndex, own: str, name: str) -> None:
    daily = pd.date_range("2024-01-01", periods=100, freq="D")
    frame = pd.DataFrame(
        {"unique_id": ["day"] * 100 + ["odd"] * len(coarse), "ds": [*daily, *coarse], "y": 1.0}
    )
    message = rf"one frequency \(here '{name}'\); got '{own}' in the series 'odd'"
    with pytest.raises(FrameError, match=message):
        to_panel(frame)


def test_sparse_series_are_gaps_and_not_another_frequency() -> None:
    sparse = [1, 3, 8, 10, 17]
    frame = pd.DataFrame(
        {"unique_id": ["all"] * 20 + ["some"] * 5, "ds": [*range(20), *sparse], "y": 1.0}
    )
    panel = to_panel(frame)
    assert panel.lengths.tolist() == [20, 17]


def test_static_covariate_with_two_values_names_the_series(kind: Callable) -> None:
    frame = two_series() | {"size": [1, 1, 1, 2, 2, 3]}
    with pytest.raises(FrameError, match=r"'size' must have one value .*; got two in .* 'a'"):
        to_panel(kind(frame), Columns(static="size"))


def test_duplicates_without_an_id_point_at_the_id_column() -> None:
    frame = pd.DataFrame({"shop": [1, 2], "ds": [1, 1], "y": [1.0, 2.0]})
    with pytest.raises(FrameError, match=r"name the column .* with Columns\(id=\.\.\.\)"):
        to_panel(frame)


def test_series_of_one_row_are_read_when_the_frequency_is_known(kind: Callable) -> None:
    panel = to_panel(kind({"ds": DAYS[:1], "y": [3.0]}), frequency="D")
    assert panel.next_times(1)[0, 0].astype(object) == DAYS[1]


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_one_row_is_read_in_about_a_millisecond(make: Callable) -> None:
    frame = make({"unique_id": ["a"], "ds": DAYS[:1], "y": [1.0]})
    daily = Frequency.of("D")
    seconds = []
    for _ in range(60):
        start = time.perf_counter()
        to_panel(frame, frequency=daily)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.003, "0.3 to 0.6 ms, with room for a slow machine"


def test_rare_categories_beyond_the_most_frequent_share_zeros(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cellstate.data.static.MOST_CATEGORIES", 2)
    frame = pd.DataFrame(
        {"unique_id": list("aabbcd"), "ds": [1, 2, 1, 2, 1, 1], "y": 1.0, "kind": list("zzxxyw")}
    )
    panel = to_panel(frame, Columns(static=("kind",)), 1)
    assert panel.static.tolist() == [[0, 1], [1, 0], [0, 0], [0, 0]]
    assert panel.encoder.categories == {"kind": ("x", "z")}
