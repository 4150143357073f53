"""Data frames in files."""

from __future__ import annotations

import gzip
import io
import os
import tempfile
from pathlib import Path
from typing import IO, Any

import narwhals as nw

from cellstate.data.numbers import MISSING_TEXT
from cellstate.errors import FrameError, explain
from cellstate.extras import require

_FORMATS = (".csv", ".csv.gz", ".parquet")


def read_frame(path: str | os.PathLike[str]) -> Any:
    """Read a CSV or Parquet file, CSV also compressed by gzip.

    Dates are recognised. A column of numbers may leave values empty or write NA, NaN, null or
    None for them.

    Parameters
    ----------
    path : path
        Ends in ``.csv``, ``.csv.gz`` or ``.parquet``.

    Returns
    -------
    polars.DataFrame

    Raises
    ------
    FrameError
        There is no such file, its format is another, it is empty or damaged.
    MissingExtraError
        polars is not installed.
    """
    file = Path(path)
    if not file.exists():
        raise _bad(file, "must be a file", "no file there", "Check the path")
    form = _form(file)
    if not file.is_file():
        raise _bad(file, "must be a file", "something else", "Check the path")
    if file.stat().st_size == 0:
        raise _bad(file, "must hold rows", "an empty file", "Check how it was written")
    polars = require("polars", extra="forecast")
    try:
        if form == ".parquet":
            return polars.read_parquet(file)
        raw = gzip.decompress(file.read_bytes()) if form == ".csv.gz" else file.read_bytes()
        if not raw.strip():
            raise _bad(file, "must hold rows", "an empty file", "Check how it was written")
        return recognise(polars, polars.read_csv(raw, infer_schema_length=None))
    except (OSError, EOFError, polars.exceptions.PolarsError) as damage:
        reason = str(damage).splitlines()[0].rstrip(".")
        must = f"must be a readable {form} file"
        raise _bad(file, must, reason, "Check that it is whole") from damage


def write_frame(frame: Any, path: str | os.PathLike[str]) -> None:
    """Write a frame of any kind as CSV or Parquet, by the file's name; never half of it.

    Raises
    ------
    FrameError
        The format is another, or the file cannot be written.
    """
    file = Path(path)
    form = _form(file)
    table = nw.from_native(frame, eager_only=True)
    partial = ""
    try:
        with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as target:
            partial = target.name
            _write(table, target, form)
            target.flush()
            os.fsync(target.fileno())
        Path(partial).replace(file)
    except OSError as failure:
        if partial:
            Path(partial).unlink(missing_ok=True)
        must, advice = "must be writable", "Free space or choose another folder"
        raise _bad(file, must, failure.strerror or str(failure), advice) from failure


def _write(table: nw.DataFrame[Any], target: IO[bytes], form: str) -> None:
    if form == ".parquet":
        buffer = io.BytesIO()
        table.write_parquet(buffer)
        target.write(buffer.getbuffer())
        return
    text = (table.write_csv() or "").encode()
    target.write(gzip.compress(text, mtime=0) if form == ".csv.gz" else text)


def _form(file: Path) -> str:
    name = file.name.lower()
    for form in _FORMATS:
        if name.endswith(form):
            return form
    must = f"must end in {', '.join(_FORMATS)}"
    raise _bad(file, must, repr(file.suffix), "Convert the file or rename it")


def recognise(polars: Any, table: Any) -> Any:
    """Give each column of a polars frame that is still text the first type that all values fit."""
    columns = []
    for series in table.get_columns():
        if series.dtype == polars.String:
            stripped = series.str.strip_chars()
            filled = stripped.set(stripped.is_in(list(MISSING_TEXT)), None)
            series = _typed(polars, series, filled)
        columns.append(series)
    return polars.DataFrame(columns)


def _typed(polars: Any, text: Any, filled: Any) -> Any:
    gaps = filled.null_count()
    if gaps == len(filled):
        return filled.cast(polars.Float64)
    flags = {"true": True, "True": True, "false": False, "False": False}
    if filled.drop_nulls().is_in(list(flags)).all():
        return filled.replace_strict(flags, return_dtype=polars.Boolean)
    for dtype in (polars.Int64, polars.Float64):
        numbers = filled.cast(dtype, strict=False)
        if numbers.null_count() == gaps:
            return numbers
    times = _times(polars, filled, gaps)
    return text if times is None else times


def _times(polars: Any, filled: Any, gaps: int) -> Any:
    if not filled.drop_nulls()[0][:4].isdecimal():
        return None
    zoned = filled.str.replace("Z$", "+0000")
    for dtype, texts, form in (
        (polars.Date, filled, "%Y-%m-%d"),
        (polars.Datetime("us"), filled, "%Y-%m-%d %H:%M:%S%.f"),
        (polars.Datetime("us"), filled, "%Y-%m-%dT%H:%M:%S%.f"),
        (polars.Datetime("us"), filled, "%Y-%m-%d %H:%M"),
        (polars.Datetime("us"), filled, "%Y-%m-%dT%H:%M"),
        (polars.Datetime("us", "UTC"), zoned, "%Y-%m-%d %H:%M:%S%.f%z"),
        (polars.Datetime("us", "UTC"), zoned, "%Y-%m-%dT%H:%M:%S%.f%z"),
    ):
        times = texts.str.strptime(dtype, form, strict=False)
        if times.null_count() == gaps:
            return times
    return None


def _bad(file: Path, must: str, given: str, do: str) -> FrameError:
    return FrameError(explain(str(file), must, given, do))
