"""Public time series of the catalogue as long frames, ready for a forecaster."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from cellstate.data.catalogue import get, paths
from cellstate.data.files import read_frame
from cellstate.extras import require

DataDir = str | os.PathLike[str] | None


def etth1(data_dir: DataDir = None) -> Any:
    """Load ETTh1: columns unique_id (the channel), ds, y; seven series of 17,420 hours.

    Returns
    -------
    polars.DataFrame
    """
    wide = read_frame(_file("etth1", data_dir))
    return wide.unpivot(index="date", variable_name="unique_id", value_name="y").select(
        "unique_id", _renamed("date", "ds"), "y"
    )


def airline(data_dir: DataDir = None) -> Any:
    """Load the airline passengers: columns ds and y, one series of 144 months.

    Returns
    -------
    polars.DataFrame
    """
    polars = require("polars", extra="forecast")
    frame = read_frame(_file("airline", data_dir))
    month = polars.col("Month").str.strptime(polars.Date, "%Y-%m")
    return frame.select(month.alias("ds"), _renamed("Passengers", "y"))


def m4_hourly(data_dir: DataDir = None) -> tuple[Any, Any]:
    """Load the hourly series of M4: columns unique_id, ds (1, 2, …) and y.

    Returns
    -------
    train, test : polars.DataFrame
        414 series; the test part holds the 48 steps that follow each.
    """
    polars = require("polars", extra="forecast")
    get("m4-hourly", data_dir)
    train, test = (_m4_long(polars, file) for file in paths("m4-hourly", data_dir).values())
    last = train.group_by("unique_id").agg(polars.col("ds").max().alias("last"))
    later = test.join(last, on="unique_id", how="left", maintain_order="left")
    ds = polars.col("ds") + polars.col("last")
    return train, later.select("unique_id", ds.alias("ds"), "y")


def beijing_air(data_dir: DataDir = None) -> Any:
    """Load the air of two stations in Beijing, 35,064 hours each, with gaps.

    Columns: unique_id (the station), ds, y (PM2.5 in µg/m³), further pollutants (PM10, SO2, NO2,
    CO, O3 in µg/m³), TEMP (°C), PRES (hPa), DEWP (°C), RAIN (mm), WSPM (m/s) and wd (text).

    Returns
    -------
    polars.DataFrame
    """
    polars = require("polars", extra="forecast")
    get("beijing-air", data_dir)
    frame = polars.concat(
        [read_frame(file) for file in paths("beijing-air", data_dir).values()],
        how="vertical_relaxed",
    )
    return frame.select(
        _renamed("station", "unique_id"),
        polars.datetime("year", "month", "day", "hour").alias("ds"),
        _renamed("PM2.5", "y"),
        polars.exclude("No", "year", "month", "day", "hour", "PM2.5", "station"),
    )


def _file(name: str, data_dir: DataDir) -> Path:
    get(name, data_dir)
    [file] = paths(name, data_dir).values()
    return file


def _renamed(name: str, new: str) -> Any:
    return require("polars", extra="forecast").col(name).alias(new)


def _m4_long(polars: Any, file: Path) -> Any:
    """Turn one row a series into one row a value."""
    wide = read_frame(file)
    series, *steps = wide.columns
    long = wide.rename({step: str(number) for number, step in enumerate(steps, start=1)}).unpivot(
        index=series, variable_name="ds", value_name="y"
    )
    number = polars.col(series).str.slice(1).cast(polars.Int64)
    rows = long.drop_nulls("y").with_columns(polars.col("ds").cast(polars.Int64))
    return rows.sort(number, "ds").select(
        _renamed(series, "unique_id"), "ds", polars.col("y").cast(polars.Float64)
    )
