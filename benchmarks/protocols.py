"""The protocols that published results follow, in NumPy alone: every environment can import it."""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ETT_TRAIN, ETT_VALID, ETT_TEST = 8640, 2880, 2880
AIR_HELD_OUT = 12


@dataclass(frozen=True)
class Standardised:
    """Channels in units of their standard deviation over the training rows.

    Attributes
    ----------
    names : tuple of str
        The channels.
    times : ndarray, datetime64[ms], (rows,)
        The time stamps.
    values : ndarray, float64, (rows, channels)
        Standardised values.
    """

    names: tuple[str, ...]
    times: np.ndarray
    values: np.ndarray


def etth1(path: Path) -> Standardised:
    """Read ETTh1 as the standard protocol has it: 8,640 rows to train, 2,880 and 2,880 to check.

    The rows after these are not used; each channel is z-scored by its training rows.
    """
    header, rows = _read(path)
    rows = rows[: ETT_TRAIN + ETT_VALID + ETT_TEST]
    times = np.array([row[0].replace(" ", "T") for row in rows], "datetime64[ms]")
    values = np.array([row[1:] for row in rows], np.float64)
    train = values[:ETT_TRAIN]
    return Standardised(tuple(header[1:]), times, (values - train.mean(0)) / train.std(0))


def air_passengers(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the monthly totals of airline passengers, 1949 to 1960: months and values."""
    _, rows = _read(path)
    months = np.array([row[0].strip('"') for row in rows], "datetime64[M]")
    return months, np.array([float(row[1]) for row in rows])


def test_windows(values: np.ndarray, horizon: int) -> np.ndarray:
    """Every window of the test rows, one row apart.

    Returns
    -------
    ndarray, (test rows - horizon + 1, horizon, channels)
        A view: what there was to forecast, from each origin.

    Examples
    --------
    >>> test_windows(np.zeros((14400, 7)), horizon=96).shape
    (2785, 96, 7)
    """
    test = values[ETT_TRAIN + ETT_VALID :]
    windows = np.lib.stride_tricks.sliding_window_view(test, horizon, axis=0)
    return windows.transpose(0, 2, 1)


def errors(forecast: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Mean squared and mean absolute error over everything.

    Examples
    --------
    >>> errors(np.array([1.0, 3.0]), np.array([1.0, 1.0]))
    (2.0, 1.0)
    """
    if forecast.shape != truth.shape:
        raise ValueError(f"{forecast.shape} forecasts for {truth.shape} values")
    difference = np.asarray(forecast, np.float64) - truth
    return float(np.mean(difference**2)), float(np.mean(np.abs(difference)))


def smape(forecast: np.ndarray, truth: np.ndarray) -> float:
    """Symmetric mean absolute percentage error, in per cent, as in the M competitions.

    Examples
    --------
    >>> smape(np.array([110.0]), np.array([90.0]))
    20.0
    """
    return float(np.mean(200 * np.abs(forecast - truth) / (np.abs(forecast) + np.abs(truth))))


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as file:
        header, *rows = [row for row in csv.reader(file) if row]
    return header, rows
