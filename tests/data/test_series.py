"""Public series as long frames."""

from __future__ import annotations

import datetime as dt
import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from cellstate.data import Columns, series, to_panel


def write(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_etth1_becomes_one_series_a_channel(tmp_path: Path) -> None:
    write(
        tmp_path,
        "series/ETTh1.csv",
        "date,HUFL,OT\n2016-07-01 00:00:00,1,2\n2016-07-01 01:00:00,3,4\n",
    )
    frame = series.etth1(tmp_path)
    assert frame.rows()[:3] == [
        ("HUFL", dt.datetime(2016, 7, 1, 0), 1),
        ("HUFL", dt.datetime(2016, 7, 1, 1), 3),
        ("OT", dt.datetime(2016, 7, 1, 0), 2),
    ]


def test_airline_has_months(tmp_path: Path) -> None:
    write(tmp_path, "series/airline-passengers.csv", '"Month","Passengers"\n"1949-01",112\n')
    assert series.airline(tmp_path).rows() == [(dt.date(1949, 1, 1), 112)]


def test_m4_test_steps_follow_the_training_steps(tmp_path: Path) -> None:
    write(tmp_path, "series/m4/Hourly-train.csv", "V1,V2,V3,V4\nH1,5,6,7\nH2,8,9,\n")
    write(tmp_path, "series/m4/Hourly-test.csv", "V1,V2,V3\nH1,1,2\nH2,3,4\n")
    train, test = series.m4_hourly(tmp_path)
    assert train.rows() == [("H1", 1, 5), ("H1", 2, 6), ("H1", 3, 7), ("H2", 1, 8), ("H2", 2, 9)]
    assert test.rows() == [("H1", 4, 1), ("H1", 5, 2), ("H2", 3, 3), ("H2", 4, 4)]


def test_beijing_air_has_stations_hours_and_gaps(tmp_path: Path) -> None:
    head = "No,year,month,day,hour,PM2.5,PM10,wd,station\n"
    for name in ("Dongsi", "Tiantan"):
        text = f"{head}1,2013,3,1,0,9,NA,NNW,{name}\n2,2013,3,1,1,NA,4.5,N,{name}\n"
        write(tmp_path, f"series/beijing_air/{name}.csv.gz", "")
        (tmp_path / f"series/beijing_air/{name}.csv.gz").write_bytes(packed(text))
    frame = series.beijing_air(tmp_path)
    assert frame.columns == ["unique_id", "ds", "y", "PM10", "wd"]
    assert frame.rows()[1] == ("Dongsi", dt.datetime(2013, 3, 1, 1), None, 4.5, "N")


def packed(text: str) -> bytes:
    return gzip.compress(text.encode())


@pytest.mark.parametrize(
    ("load", "columns", "ids", "rows", "frequency"),
    [
        (series.etth1, Columns(), 7, 7 * 17_420, "h"),
        (series.airline, Columns(), 1, 144, "MS"),
        (series.beijing_air, Columns(past=("PM10", "TEMP")), 2, 2 * 35_064, "h"),
    ],
)
def test_real_series_are_regular_panels(
    data_dir: Path, load: Callable, columns: Columns, ids: int, rows: int, frequency: str
) -> None:
    panel = to_panel(load(data_dir), columns)
    assert (len(panel), len(panel.target), panel.frequency.name) == (ids, rows, frequency)
