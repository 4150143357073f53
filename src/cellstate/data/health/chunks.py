"""Tables of events a part at a time: frames as they come, files that memory does not hold."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from cellstate.data.files import recognise
from cellstate.errors import FrameError, explain
from cellstate.extras import require

COLUMNS = ("subject_id", "time", "code", "numeric_value")
_FORMATS = (".csv", ".csv.gz", ".parquet")
BYTES_AT_ONCE = 64 << 20
ROWS_AT_ONCE = 1_000_000


def iterate_frames(tables: Any, *, where: str) -> Iterator[Any]:
    """Give frames one after the other.

    Parameters
    ----------
    tables : path, sequence of paths, frame or iterable of frames
        Files end in ``.csv``, ``.csv.gz`` or ``.parquet``.
    where : str
        Who asks, for messages.

    Raises
    ------
    FrameError
        A file cannot be read, or has another format.
    """
    if isinstance(tables, (str, os.PathLike)):
        tables = [tables]
    if hasattr(tables, "columns") or not isinstance(tables, Iterable):
        tables = [tables]
    for table in tables:
        if isinstance(table, (str, os.PathLike)):
            yield from _frames_of(Path(table), where)
        else:
            yield table


def _frames_of(file: Path, where: str) -> Iterator[Any]:
    polars = require("polars", extra="health")
    form = next((form for form in reversed(_FORMATS) if file.name.lower().endswith(form)), None)
    if form is None:
        must = f"{file} must end in {', '.join(_FORMATS)}"
        raise FrameError(explain(where, must, repr(file.suffix), "Convert the file or rename it"))
    try:
        yield from _parquet(polars, file) if form == ".parquet" else _csv(polars, file, form)
    except (OSError, EOFError, polars.exceptions.PolarsError) as problem:
        reason = getattr(problem, "strerror", None) or type(problem).__name__
        must = f"{file} must be a readable {form} file"
        raise FrameError(explain(where, must, reason, "Check that it is whole")) from None


def _parquet(polars: Any, file: Path) -> Iterator[Any]:
    lazy = polars.scan_parquet(file)
    present = lazy.collect_schema().names()
    lazy = lazy.select([name for name in COLUMNS if name in present])
    rows = polars.scan_parquet(file).select(polars.len()).collect().item()
    for start in range(0, rows, ROWS_AT_ONCE):
        yield lazy.slice(start, ROWS_AT_ONCE).collect()


def _csv(polars: Any, file: Path, form: str) -> Iterator[Any]:
    with gzip.open(file, "rb") if form == ".csv.gz" else file.open("rb") as opened:
        content = cast("BinaryIO", opened)
        header = content.readline()
        for block in _blocks(content):
            table = polars.read_csv(io.BytesIO(header + block), infer_schema=False)
            table = table.select([name for name in COLUMNS if name in table.columns])
            yield _with_code(recognise(polars, table.drop("code", strict=False)), table)


def _with_code(typed: Any, table: Any) -> Any:
    """Keep codes text, also where all look like numbers."""
    return typed.with_columns(table["code"]) if "code" in table.columns else typed


def _blocks(content: BinaryIO) -> Iterator[bytes]:
    """Give whole rows, some millions of bytes at a time; a quoted cell may hold line breaks."""
    block = b""
    while more := content.read(BYTES_AT_ONCE):
        block += more
        end = block.rfind(b"\n") + 1
        while end and block.count(b'"', 0, end) % 2:
            end = block.rfind(b"\n", 0, end - 1) + 1
        if end:
            yield block[:end]
            block = block[end:]
    if block.strip():
        yield block
