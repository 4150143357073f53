"""Time columns: from whatever a frame holds to integers or datetime64[us], and back."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

import narwhals as nw
import numpy as np

from cellstate.data.frequency import DAY_US, Frequency
from cellstate.data.zones import to_local, to_utc
from cellstate.errors import FrameError, explain

_ISO = re.compile(r"\d{4}(-\d\d(-\d\d([T ]\d\d(:\d\d(:\d\d(\.\d{1,6})?)?)?)?)?)?")
_TEXT_UNITS = {4: "Y", 7: "M", 10: "D", 13: "h", 16: "m", 19: "s"}


@dataclass(frozen=True)
class StampKind:
    """What the user's time column is, so that forecasts carry the same kind.

    Attributes
    ----------
    kind : {"integer", "date", "datetime", "text"}
    unit : str
        The dtype of integers, the unit of date-times, or the finest part that text spells out.
    zone : str or None
        Time zone of date-times.
    clock : {"local", "utc"}
        Which clock the stamps inside show where there is a zone: a day or longer is regular by
        the local clock, an hour or less by UTC.
    separator : str
        Between date and time in text.
    """

    kind: Literal["integer", "date", "datetime", "text"]
    unit: str = ""
    zone: str | None = None
    clock: Literal["local", "utc"] = "local"
    separator: str = "T"

    def as_dict(self) -> dict[str, Any]:
        """Give plain data for a model file."""
        return asdict(self)

    def to_local(self, times: np.ndarray) -> np.ndarray:
        """Give stamps by the local clock, for features of the calendar."""
        if self.zone is None or self.clock == "local":
            return times
        return to_local(times, self.zone)

    def to_native(self, times: np.ndarray, name: str, backend: Any) -> Any:
        """Give a column of the user's kind: a narwhals series, or what needs no type of its own."""
        unit: Any = self.unit  # of the literal types that NumPy and narwhals ask for
        if self.kind == "integer":
            return nw.new_series(name, times, getattr(nw, self.unit)(), backend=backend)
        if self.kind == "text":
            text = np.datetime_as_string(times, unit).tolist()
            return [stamp.replace("T", self.separator) for stamp in text]
        if self.kind == "date":
            days = nw.new_series(name, times.astype("datetime64[us]"), backend=backend)
            return days.cast(nw.Date())
        if self.zone is not None and self.clock == "local":
            times = to_utc(times, self.zone)
        times = times.astype(f"datetime64[{unit}]")
        if self.zone is None:
            return times
        utc = nw.new_series(name, times, backend=backend).dt.replace_time_zone("UTC")
        return utc.dt.convert_time_zone(self.zone)


def read_stamps(
    series: nw.Series[Any], frequency: Frequency | None
) -> tuple[np.ndarray, StampKind]:
    """Read a time column.

    Returns
    -------
    times : ndarray (rows,)
        int64, or datetime64[us] by the clock that the kind names.
    kind : StampKind

    Raises
    ------
    FrameError
        A stamp is missing or no integer, date or ISO text.
    """
    dtype = series.dtype
    if dtype.is_integer():
        return _integers(series), StampKind("integer", type(dtype).__name__)
    if isinstance(dtype, nw.Datetime):
        return _datetimes(series, dtype.time_unit, dtype.time_zone, frequency)
    if dtype == nw.Date:
        return _finite(series.to_numpy().astype("datetime64[us]"), series), StampKind("date")
    if dtype == nw.String:
        return _text(series.to_list(), series.name)
    if dtype.is_float():
        numbers = series.to_numpy()
        whole = numbers == np.floor(numbers)
        if not whole.all():
            raise _bad(series.name, float(numbers[int(np.argmin(whole))]), int(np.argmin(whole)))
        return numbers.astype(np.int64), StampKind("integer", "Int64")
    if dtype == nw.Object:
        return _objects(series)
    native = series.to_native()
    if dtype == nw.Unknown and hasattr(getattr(native, "dtype", None), "tz"):
        # narwhals does not read every zone out of a pandas dtype, such as America/New_York.
        utc = nw.from_native(native.dt.tz_convert("UTC"), series_only=True)
        return _datetimes(utc, native.dtype.unit, str(native.dtype.tz), frequency)
    raise _bad(series.name, f"the dtype {dtype}", None)


def _integers(series: nw.Series[Any]) -> np.ndarray:
    numbers = series.to_numpy()
    if numbers.dtype.kind not in "iu":  # a nullable column with gaps
        missing = np.array([value is None or value != value for value in series.to_list()])
        raise _bad(series.name, "a missing value", int(np.argmax(missing)))
    return numbers.astype(np.int64)


def _datetimes(
    series: nw.Series[Any], unit: str, zone: str | None, frequency: Frequency | None
) -> tuple[np.ndarray, StampKind]:
    if zone is not None:
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    exact = series.to_numpy()
    times = _finite(exact.astype("datetime64[us]"), series)
    if unit == "ns" and not np.array_equal(times.astype("datetime64[ns]"), exact):
        raise _bad(series.name, "stamps finer than a microsecond", None)
    if zone is None:
        return times, StampKind("datetime", unit)
    local = to_local(times, zone)
    if _is_daily(local) if frequency is None else not frequency.is_within_day:
        return local, StampKind("datetime", unit, zone, "local")
    return times, StampKind("datetime", unit, zone, "utc")


def _is_daily(local: np.ndarray) -> bool:
    time_of_day = local.astype(np.int64) % DAY_US
    return bool(np.all(time_of_day == time_of_day[0]))


def _text(values: list[Any], name: str) -> tuple[np.ndarray, StampKind]:
    for row, value in enumerate(values):
        if not isinstance(value, str) or not _ISO.fullmatch(value):
            raise _bad(name, "a missing value" if value is None else repr(value), row)
    separator = "T" if "T" in values[0] else " "
    unit = _TEXT_UNITS.get(max(map(len, values)), "us")
    try:
        times = np.array(values, dtype="datetime64[us]")
    except ValueError:  # of the right form, but no date: find which
        raise _bad(name, *_first_impossible(values)) from None
    return times, StampKind("text", unit, separator=separator)


def _first_impossible(values: list[str]) -> tuple[str, int]:
    for row, value in enumerate(values):
        try:
            np.datetime64(value, "us")
        except ValueError:
            return repr(value), row
    raise AssertionError("NumPy refused the column but took each value")


def _objects(series: nw.Series[Any]) -> tuple[np.ndarray, StampKind]:
    values = series.to_list()
    if isinstance(values[0], str):
        return _text(values, series.name)
    for row, value in enumerate(values):
        if not hasattr(value, "toordinal") or value != value:  # dates and date-times, not NaT
            raise _bad(series.name, repr(value), row)
    times = np.array(values, dtype="datetime64[us]")
    return times, StampKind("datetime", "us")


def _finite(times: np.ndarray, series: nw.Series[Any]) -> np.ndarray:
    missing = np.isnat(times)
    if missing.any():
        raise _bad(series.name, "a missing value", int(np.argmax(missing)))
    return times


def _bad(name: str, given: object, row: int | None) -> FrameError:
    place = "" if row is None else f" in row {row}"
    return FrameError(
        explain(
            "Columns",
            f"the time column {name!r} must hold integers, dates, date-times or ISO text "
            "such as '2024-05-01 13:00'",
            f"{given}{place}",
            "Correct the value or convert the column (rows count from 0)",
        )
    )
