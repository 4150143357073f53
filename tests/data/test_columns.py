"""Column names and parts."""

from __future__ import annotations

import pytest

from cellstate.data.columns import Columns
from cellstate.errors import FrameError, InputError


def test_one_name_may_be_plain_text() -> None:
    assert Columns(past="wind", static=["city"]).past == ("wind",)
    assert Columns(static=["city"]).static == ("city",)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"past": ("y",)}, "a column plays one part; got 'y' as target and as past"),
        ({"id": "ds"}, "got 'ds' as id and as time"),
        ({"future": ("a", "a")}, "got 'a' as future and as future"),
        ({"time": ""}, "time must name columns with non-empty text; got ''"),
        ({"static": (3,)}, "static must name columns with non-empty text; got 3"),
        ({"past": 3}, "past must be column names; got 3"),
    ],
)
def test_bad_columns_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Columns(**arguments)


def test_frame_without_the_default_id_is_one_series() -> None:
    assert Columns().resolve_id(["ds", "y"]) is None
    assert Columns().resolve_id(["ds", "y", "unique_id"]) == "unique_id"
    assert Columns(id=None).resolve_id(["ds", "y", "unique_id"]) is None


@pytest.mark.parametrize(
    ("columns", "present"),
    [(Columns(), ["uniqueid", "ds", "y"]), (Columns(id="shop"), ["shops", "ds", "y"])],
)
def test_id_that_is_nearly_there_is_a_slip(columns: Columns, present: list[str]) -> None:
    with pytest.raises(FrameError, match=r"must have the id column .* Did you mean"):
        columns.resolve_id(present)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (Columns(target="yy"), r"the target column 'yy'; got 'ds', 'y'\. Did you mean 'y'\?"),
        (Columns(time="date"), "must have the time column 'date'; got 'ds', 'y'. Choose from"),
        (Columns(past="wind"), "must have the past column 'wind'"),
    ],
)
def test_missing_column_names_the_nearest(columns: Columns, message: str) -> None:
    with pytest.raises(FrameError, match=message):
        columns.check(["ds", "y"])
