"""Features of the calendar against pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cellstate.data.calendar import FEATURES, calendar_values, feature_names, resolve
from cellstate.data.frequency import Frequency
from cellstate.errors import InputError

DAYS = pd.date_range("2023-12-30 13:45:30", periods=900, freq="31h")


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("second", DAYS.second / 60),
        ("minute", DAYS.minute / 60),
        ("hour", DAYS.hour / 24),
        ("dayofweek", DAYS.dayofweek / 7),
        ("day", (DAYS.day - 1) / 31),
        ("dayofyear", (DAYS.dayofyear - 1) / 365.25),
        ("week", (DAYS.dayofyear - 1) // 7 / 53),
        ("month", (DAYS.month - 1) / 12),
        ("quarter", (DAYS.quarter - 1) / 4),
    ],
)
def test_feature_is_the_phase_that_pandas_gives(name: str, share: pd.Index) -> None:
    values = calendar_values(DAYS.to_numpy().astype("datetime64[us]"), (name,))
    angle = 2 * np.pi * share.to_numpy()
    assert values.dtype == np.float32
    assert np.allclose(values, np.stack([np.sin(angle), np.cos(angle)], axis=1), atol=1e-6)


@pytest.mark.parametrize(
    ("alias", "features"),
    [
        ("15min", ("minute", "hour", "dayofweek", "dayofyear")),
        ("h", ("hour", "dayofweek", "dayofyear")),
        ("D", ("dayofweek", "dayofyear")),
        ("B", ("dayofweek", "dayofyear")),
        ("W", ("dayofyear",)),
        ("MS", ("month",)),
        ("QE", ("month",)),
        ("YS", ()),
        (1, ()),
    ],
)
def test_auto_takes_what_can_differ_between_stamps(alias: str | int, features: tuple) -> None:
    assert resolve(("auto",), Frequency.of(alias)) == features


def test_auto_beside_a_name_takes_it_once() -> None:
    assert resolve(("month", "auto"), Frequency.of("D")) == ("month", "dayofweek", "dayofyear")


def test_each_feature_names_two_columns() -> None:
    assert feature_names(("hour",)) == ("hour_sin", "hour_cos")
    assert calendar_values(np.zeros(3, "datetime64[us]"), tuple(FEATURES)).shape == (3, 18)


@pytest.mark.parametrize(
    ("names", "alias", "message"),
    [
        (("hours",), "h", r"calendar must name features .*; got 'hours'\. Did you mean 'hour'\?"),
        (("hour",), 1, "'hour' needs dates; got integer time stamps"),
    ],
)
def test_bad_features_are_refused(names: tuple, alias: str | int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        resolve(names, Frequency.of(alias))
