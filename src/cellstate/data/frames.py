"""From a data frame to a panel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np

from cellstate.data.calendar import calendar_values, feature_names, resolve
from cellstate.data.columns import Columns
from cellstate.data.frequency import Frequency
from cellstate.data.grid import check_order, lay_grid
from cellstate.data.inference import infer_frequency
from cellstate.data.numbers import read_ids, read_numbers
from cellstate.data.origin import Origin, id_dtype_name
from cellstate.data.panel import Panel
from cellstate.data.stamps import StampKind, read_stamps
from cellstate.data.static import StaticEncoder, per_series
from cellstate.errors import FrameError, explain


def to_panel(
    frame: Any,
    columns: Columns = Columns(),  # noqa: B008  frozen
    frequency: Any = None,
    *,
    encoder: StaticEncoder | None = None,
) -> Panel:
    """Read a long frame: one row a series and time stamp.

    Rows of different series may be mixed; within a series they must be sorted by time, which is
    checked and not repaired, as a stamp out of order is more often an error than a habit. Gaps
    become rows of NaN.

    Parameters
    ----------
    frame : DataFrame of pandas, polars, pyarrow, …
        Anything eager that narwhals takes.
    columns : Columns
        Which column plays which part.
    frequency : str, int, timedelta or Frequency, optional
        Inferred from the stamps when not given.
    encoder : StaticEncoder, optional
        That of the fit, for frames seen later.

    Returns
    -------
    Panel

    Raises
    ------
    FrameError
        The frame is no frame, is empty, lacks a column, or has stamps or values that cannot be
        used; the message names column, row and value.

    Examples
    --------
    >>> import polars
    >>> frame = polars.DataFrame({"ds": [1, 2, 4], "y": [1.0, 2.0, 4.0]})
    >>> panel = to_panel(frame)
    >>> panel.ids, panel.target.tolist()
    (('y',), [1.0, 2.0, nan, 4.0])
    """
    table = _as_table(frame)
    present = table.columns
    id_column = columns.resolve_id(present)
    columns.check(present)
    known = None if frequency is None else Frequency.of(frequency)
    times, stamps = read_stamps(table.get_column(columns.time), known)
    _check_kinds(stamps, known, columns.time)
    ids, order, offsets = _group(table, id_column, columns)
    values = _read_values(table, columns)
    if encoder is None:
        encoder = StaticEncoder.fit(table, columns.static)
    static = encoder.encode(table)
    if order is not None:
        times, static = times[order], static[order]
        values = [value[order] for value in values]
    check_order(times, offsets, ids)
    known = known or infer_frequency(times, offsets)
    grid = lay_grid(times, offsets, ids, known)
    target, past, future = (grid.spread(value) for value in values)
    calendar = resolve(columns.calendar, known)
    if calendar:
        features = calendar_values(stamps.to_local(grid.times), calendar)
        future = np.concatenate([future, features], axis=1)
    return Panel(
        ids=ids,
        offsets=grid.offsets,
        times=grid.times,
        target=target,
        past=past,
        future=future,
        static=encoder.expand(per_series(static, offsets, columns.static, ids)),
        frequency=known,
        target_name=columns.target or "",
        past_names=columns.past,
        future_names=columns.future + feature_names(calendar),
        calendar=calendar,
        encoder=encoder,
        origin=Origin(
            backend=table.implementation.value,
            id_column=id_column,
            id_dtype="String"
            if id_column is None
            else id_dtype_name(table.get_column(id_column), ids),
            time_column=columns.time,
            stamps=stamps,
        ),
    )


def _as_table(frame: Any) -> nw.DataFrame[Any]:
    table = nw.from_native(frame, pass_through=True)
    if isinstance(table, nw.LazyFrame):
        given, advice = "a lazy frame", "Collect it first: frame.collect()"
    elif not isinstance(table, nw.DataFrame):
        given = type(frame).__name__
        advice = "Give a DataFrame of pandas or polars, or read a file with cellstate.data"
    elif len(table) == 0:
        given, advice = f"no row, columns {', '.join(table.columns) or 'none'}", "Check the file"
    else:
        return table
    raise FrameError(explain("Frame", "must be a data frame with rows", given, advice))


def _check_kinds(stamps: StampKind, known: Frequency | None, column: str) -> None:
    if known is not None and known.is_integer != (stamps.kind == "integer"):
        raise FrameError(
            explain(
                "Columns",
                f"the time column {column!r} must fit the frequency {known.name!r}",
                f"{stamps.kind} stamps",
                "Convert the column to "
                + ("integers" if known.is_integer else "dates")
                + ", or give another frequency",
            )
        )


def _group(
    table: nw.DataFrame[Any], id_column: str | None, columns: Columns
) -> tuple[tuple[Any, ...], np.ndarray | None, np.ndarray]:
    """Give the ids, the order that puts each series' rows together, and the series' offsets."""
    if id_column is None:
        return (columns.target or "series",), None, np.array([0, len(table)])
    ids = read_ids(table.get_column(id_column))
    codes_by_id = {known: code for code, known in enumerate(dict.fromkeys(ids))}
    codes = np.fromiter(map(codes_by_id.__getitem__, ids), dtype=np.int64, count=len(ids))
    together = bool(np.all(codes[1:] >= codes[:-1]))
    order = None if together else np.argsort(codes, kind="stable")
    counts = np.bincount(codes, minlength=len(codes_by_id))
    return tuple(codes_by_id), order, np.concatenate([[0], np.cumsum(counts)])


def _read_values(table: nw.DataFrame[Any], columns: Columns) -> list[np.ndarray]:
    """Read the target as float64, past and future covariates as float32 matrices."""
    rows = len(table)
    target = (
        np.full(rows, np.nan)
        if columns.target is None
        else read_numbers(table.get_column(columns.target))
    )
    return [target, _matrix(table, columns.past, rows), _matrix(table, columns.future, rows)]


def _matrix(table: nw.DataFrame[Any], names: Sequence[str], rows: int) -> np.ndarray:
    matrix = np.empty((rows, len(names)), dtype=np.float32)
    for column, name in enumerate(names):
        matrix[:, column] = read_numbers(table.get_column(name))
    return matrix
