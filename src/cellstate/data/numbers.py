"""Number columns and id columns: read once, checked once."""

from __future__ import annotations

import math
from decimal import Decimal
from numbers import Real
from typing import Any

import narwhals as nw
import numpy as np

from cellstate.errors import FrameError, explain

MISSING_TEXT = frozenset({"", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None"})


def read_numbers(series: nw.Series[Any]) -> np.ndarray:
    """Read a column as float64 with NaN for what is missing; booleans are 0 and 1.

    Raises
    ------
    FrameError
        A value is text, a date or infinite; the message names column, row and value.
    """
    values = series.to_numpy()
    if values.dtype.kind not in "fiub":
        values = _read_slowly(series)
    values = values.astype(np.float64)
    infinite = np.isinf(values)
    if infinite.any():
        row = int(np.argmax(infinite))
        raise FrameError(
            explain(
                "Columns",
                f"the column {series.name!r} must hold finite numbers",
                f"{values[row]} in row {row}",
                "Replace it, or leave it empty to mark it as missing (rows count from 0)",
            )
        )
    return values


def read_ids(series: nw.Series[Any]) -> list[Any]:
    """Read an id column as a list of text or integers.

    Raises
    ------
    FrameError
        An id is missing or of another type.
    """
    ids = series.to_list()
    if set(map(type, ids)) <= {str, int}:
        return ids
    for row, value in enumerate(ids):
        if not isinstance(value, (str, int)) or isinstance(value, bool):
            raise FrameError(
                explain(
                    "Columns",
                    f"the id column {series.name!r} must hold text or integers",
                    f"{value!r} in row {row}",
                    "Fill it or convert the column (rows count from 0)",
                )
            )
    return ids


def _read_slowly(series: nw.Series[Any]) -> np.ndarray:
    dtype = series.dtype
    if dtype.is_numeric() or dtype == nw.Boolean:  # decimals, nullable columns with gaps
        return series.cast(nw.Float64()).to_numpy()
    if dtype == nw.Object:
        return _objects(series)
    if series.is_null().all():
        return np.full(len(series), np.nan)
    if dtype in (nw.String, nw.Categorical, nw.Enum):
        row, value = _first_text(series.to_list())
        raise _bad(series.name, f"the text {value!r} in row {row}")
    raise _bad(series.name, f"the dtype {dtype}")


def _objects(series: nw.Series[Any]) -> np.ndarray:
    values = series.to_list()
    for row, value in enumerate(values):
        if value is not None and not isinstance(value, (Real, Decimal, np.bool_)):
            raise _bad(series.name, f"{value!r} in row {row}")
    return np.array([math.nan if value is None else float(value) for value in values])


def _first_text(values: list[Any]) -> tuple[int, Any]:
    for row, value in enumerate(values):
        if value is not None and not _is_number(value):
            return row, value
    return next(((row, value) for row, value in enumerate(values) if value is not None), (0, None))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text in MISSING_TEXT
    return True


def _bad(name: str, given: str) -> FrameError:
    return FrameError(
        explain(
            "Columns",
            f"the column {name!r} must hold numbers",
            given,
            "Correct the value or leave it empty to mark it as missing (rows count from 0)",
        )
    )
