"""Columns of a clinical table as arrays. Messages name columns and rows, never what they hold."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import narwhals as nw
import numpy as np

from cellstate.errors import FrameError, did_you_mean, explain

US_PER_HOUR = 3.6e9
WHOLE_BELOW = 2.0**53  # floating-point numbers tell all whole numbers apart up to here
STATIC = -np.inf  # the hour of an event that has no time


def as_table(frame: Any, needed: Sequence[str], *, where: str) -> nw.DataFrame[Any]:
    """Take a data frame of any kind that has rows and the needed columns.

    Raises
    ------
    FrameError
        It is no eager frame, has no row, or lacks a column.
    """
    table = nw.from_native(frame, pass_through=True)
    must = "must be a data frame with rows"
    if isinstance(table, nw.LazyFrame):
        raise FrameError(explain(where, must, "a lazy frame", "Collect it first: frame.collect()"))
    if not isinstance(table, nw.DataFrame):
        do = "Give a DataFrame of pandas, polars or pyarrow"
        raise FrameError(explain(where, must, type(frame).__name__, do))
    for name in needed:
        if name not in table.columns:
            held = ", ".join(map(repr, table.columns)) or "no column"
            near = did_you_mean(name, table.columns) if table.columns else "Check the file."
            do = f"{near} Rename the column"
            raise FrameError(explain(where, f"the frame must have a column {name!r}", held, do))
    if len(table) == 0:
        raise FrameError(explain(where, must, "no row", "Check how it was made"))
    return table


def read_ids(series: nw.Series[Any], *, where: str) -> tuple[np.ndarray, list[Any]]:
    """Read a column of identifiers.

    Returns
    -------
    places : numpy.ndarray
        (rows,) int64 places in `ids`, -1 where the cell is empty.
    ids : list of int or list of str
        Each once.

    Raises
    ------
    FrameError
        The column holds neither whole numbers nor text.
    """
    dtype = series.dtype
    if dtype.is_integer():
        return _whole(series, where)
    if dtype.is_float():  # a column of integers with gaps, as pandas keeps them
        numbers = np.asarray(series.to_numpy(), dtype=np.float64)
        is_gap = np.isnan(numbers)
        with np.errstate(invalid="ignore"):
            is_bad = ~is_gap & ~(np.isfinite(numbers) & (numbers == np.floor(numbers)))
        if is_bad.any():
            raise _wrong(series, "whole numbers or text", "a fraction", is_bad, where)
        is_bad = ~is_gap & (np.abs(numbers) >= WHOLE_BELOW)
        if is_bad.any():
            must = "floating-point numbers below 2⁵³, whole numbers or text"
            raise _wrong(
                series, must, "a larger one, which others may be rounded to", is_bad, where
            )
        return _numbered(np.where(is_gap, 0, numbers).astype(np.int64), is_gap)
    if dtype in (nw.String, nw.Categorical, nw.Enum, nw.Object):
        values = read_cells(series)
        if any(isinstance(value, int) for value in values):
            whole = [v is None or (isinstance(v, int) and not isinstance(v, bool)) for v in values]
            if not all(whole):
                must, is_bad = "one kind of identifier", ~np.array(whole)
                raise _wrong(series, must, "another kind", is_bad, where)
            is_gap = np.array([value is None for value in values])
            is_bad = np.array([abs(value or 0) > np.iinfo(np.int64).max for value in values])
            if is_bad.any():
                raise _wrong(
                    series, "whole numbers below 2⁶³, or text", "a larger one", is_bad, where
                )
            return _numbered(np.array([v or 0 for v in values], dtype=np.int64), is_gap)
        return _named(series, values, where)
    if series.is_null().all():
        return np.full(len(series), -1), []
    raise _wrong(series, "whole numbers or text", f"the dtype {dtype}", None, where)


def read_codes(series: nw.Series[Any], *, where: str) -> tuple[np.ndarray, list[str]]:
    """Read a column of codes as places in the names found, -1 where the cell is empty.

    Raises
    ------
    FrameError
        The column does not hold text.
    """
    if series.dtype in (nw.String, nw.Categorical, nw.Enum, nw.Object):
        return _named(series, read_cells(series), where)
    if series.is_null().all():
        return np.full(len(series), -1), []
    raise _wrong(series, "text", f"the dtype {series.dtype}", None, where)


def read_hours(series: nw.Series[Any], *, where: str) -> tuple[np.ndarray, bool]:
    """Read times as hours.

    Returns
    -------
    hours : numpy.ndarray
        (rows,) float64; −∞ where the cell is empty, NaN where a number is infinite.
    is_absolute : bool
        Whether they count from 1970 (timestamps) or from the table's own zero (numbers).

    Raises
    ------
    FrameError
        The column holds neither timestamps nor numbers.
    """
    dtype = series.dtype
    if dtype.is_numeric():
        hours = read_numbers(series, where=where)
        is_gap, is_infinite = np.isnan(hours), np.isinf(hours)
        return np.where(is_gap, STATIC, np.where(is_infinite, np.nan, hours)), False
    if dtype == nw.Date:
        return _since_1970(series.to_numpy()), True
    if isinstance(dtype, nw.Datetime):
        if dtype.time_zone is not None:
            series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return _since_1970(series.to_numpy()), True
    native = series.to_native()
    if dtype == nw.Unknown and hasattr(getattr(native, "dtype", None), "tz"):
        # narwhals does not read every zone out of a pandas dtype, such as America/New_York.
        return _since_1970(native.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()), True
    if series.is_null().all():
        return np.full(len(series), STATIC), False
    if dtype in (nw.String, nw.Object):
        return _since_1970(_parsed(series, where)), True
    raise _wrong(series, "timestamps, or hours as numbers", f"the dtype {dtype}", None, where)


def read_numbers(series: nw.Series[Any], *, where: str) -> np.ndarray:
    """Read numbers as float64, NaN where the cell is empty; infinite ones stay.

    Raises
    ------
    FrameError
        The column holds something else.
    """
    dtype = series.dtype
    if dtype.is_numeric() or dtype == nw.Boolean:
        values = series.to_numpy()
        if values.dtype.kind not in "fiub":  # decimals, nullable columns with gaps
            values = series.cast(nw.Float64()).to_numpy()
        return np.asarray(values, dtype=np.float64)
    if series.is_null().all():
        return np.full(len(series), np.nan)
    if dtype == nw.Object:
        values = read_cells(series)
        is_bad = np.array([not isinstance(value, (int, float, type(None))) for value in values])
        if not is_bad.any():
            return np.array([np.nan if value is None else float(value) for value in values])
        raise _wrong(series, "numbers", "something else", is_bad, where)
    is_bad = ~series.is_null().to_numpy().astype(bool) if dtype == nw.String else None
    raise _wrong(series, "numbers", f"the dtype {dtype}", is_bad, where)


def places_in(values: Iterable[Any]) -> tuple[np.ndarray, list[Any]]:
    """Number what occurs, None by -1.

    Examples
    --------
    >>> places_in(["b", None, "a", "b"])
    (array([ 0, -1,  1,  0]), ['b', 'a'])
    """
    cells = list(values)
    names = [name for name in dict.fromkeys(cells) if name is not None]
    place: dict[Any, int] = {name: k for k, name in enumerate(names)}
    place[None] = -1
    return np.fromiter(map(place.__getitem__, cells), dtype=np.int64, count=len(cells)), names


def _whole(series: nw.Series[Any], where: str) -> tuple[np.ndarray, list[int]]:
    is_gap = series.is_null().to_numpy().astype(bool)
    if is_gap.any():
        series = series.fill_null(0)
    numbers = series.to_numpy()
    is_bad = numbers > np.iinfo(np.int64).max
    if is_bad.any():
        raise _wrong(series, "whole numbers below 2⁶³, or text", "a larger one", is_bad, where)
    return _numbered(np.asarray(numbers, dtype=np.int64), is_gap)


def _numbered(numbers: np.ndarray, is_gap: np.ndarray) -> tuple[np.ndarray, list[int]]:
    ids, inverse = np.unique(numbers[~is_gap], return_inverse=True)
    places = np.full(len(numbers), -1, dtype=np.int64)
    places[~is_gap] = inverse
    return places, ids.tolist()


def _named(series: nw.Series[Any], values: list[Any], where: str) -> tuple[np.ndarray, list[str]]:
    places, names = places_in(values)
    for name in names:
        if not isinstance(name, str):
            is_bad = places == names.index(name)
            raise _wrong(series, "text", f"a cell of type {type(name).__name__}", is_bad, where)
    blank = [place for place, name in enumerate(names) if not name.strip()]
    if not blank:
        return places, names
    moved = np.full(len(names) + 1, -1)  # the last place is that of -1
    kept = np.setdiff1d(np.arange(len(names)), blank)
    moved[kept] = np.arange(len(kept))
    return moved[places], [names[k] for k in kept]


def read_cells(series: nw.Series[Any]) -> list[Any]:
    """List cells as they are, each gap as None."""
    values = series.to_list()
    if series.dtype == nw.Object or series.implementation.is_pandas_like():
        return [None if _is_gap(value) else _plain(value) for value in values]
    return values


def _is_gap(value: Any) -> bool:
    # pandas' NA is neither equal nor unequal to itself.
    return value is None or type(value).__name__ == "NAType" or value != value


def _plain(value: Any) -> Any:
    is_number = isinstance(value, np.generic) and value.dtype.kind in "iufbU"
    return value.item() if is_number else value


def _since_1970(stamps: np.ndarray) -> np.ndarray:
    exact = stamps.astype("datetime64[us]")
    return np.where(np.isnat(exact), STATIC, exact.astype(np.int64) / US_PER_HOUR)


def _parsed(series: nw.Series[Any], where: str) -> np.ndarray:
    cells = ["NaT" if cell in (None, "") else cell for cell in read_cells(series)]
    try:
        return _stamps(cells)
    except (TypeError, ValueError, UserWarning):
        is_bad = np.array([not _is_stamp(cell) for cell in cells])
        must = "timestamps as YYYY-MM-DD HH:MM:SS without a zone"
        raise _wrong(series, must, "something else", is_bad, where) from None


def _stamps(cells: list[Any]) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # NumPy only warns of a time zone
        return np.array(cells, dtype="datetime64[us]")


def _is_stamp(cell: Any) -> bool:
    try:
        _stamps([cell])
    except (TypeError, ValueError, UserWarning):
        return False
    return True


def _wrong(
    series: nw.Series[Any], must: str, given: str, is_bad: np.ndarray | None, where: str
) -> FrameError:
    if is_bad is not None and is_bad.any():
        given = f"{given} in row {int(np.argmax(is_bad)) + 1:,}"
    must = f"the column {series.name!r} must hold {must}"
    do = "Convert the column (rows count from 1)"
    return FrameError(explain(where, must, given, do))
