"""Forecast several series with one model, then move it by one new observation."""

import numpy as np
import polars as pl

from cellstate import Columns, Forecaster

HOURS = 24 * 60


def series(name: str, level: float, seed: int) -> pl.DataFrame:
    """Make an hourly series with a daily wave, weekends off, and a gap."""
    rng = np.random.default_rng(seed)
    hours = np.arange(HOURS)
    weekday = (hours // 24) % 7 < 5
    wave = level * (1 + 0.5 * np.sin(hours * 2 * np.pi / 24)) * np.where(weekday, 1.0, 0.6)
    values = wave + level * 0.05 * rng.normal(size=HOURS)
    values[200:210] = np.nan  # missing values stay missing
    stamps = np.datetime64("2026-01-05T00", "us") + hours * np.timedelta64(1, "h")
    return pl.DataFrame({"unique_id": name, "ds": stamps, "y": values, "weekday": weekday * 1.0})


frame = pl.concat([series("north", 100.0, 0), series("south", 3.0, 1)])
cut = frame["ds"].max() - np.timedelta64(24, "h")
known, coming = frame.filter(pl.col("ds") <= cut), frame.filter(pl.col("ds") > cut)

forecaster = Forecaster(
    horizon=24,
    levels=(80, 95),
    columns=Columns(future="weekday", calendar="hour"),
    random_state=0,
)
forecaster.fit(known)
print(forecaster.predict(future=coming).head())
print(forecaster.evaluate(coming))

# One new observation moves the memory; nothing is trained again.
forecaster.update(coming.group_by("unique_id", maintain_order=True).first())
print(forecaster.history_.lengths, "hours known now")
