"""Data files as what an estimator's `fit` takes: a frame, or arrays X and y."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cellstate.errors import FrameError, explain

if TYPE_CHECKING:
    import numpy as np

TARGETS = ("label", "target", "y")  # a CSV of rows names its answers so, if it is not told

Target = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help=f"The column of answers in a CSV file.  [default: {' or '.join(TARGETS)}]",
    ),
]


def read_frames(paths: list[Path]) -> Any:
    """Read long frames of the same columns as one.

    Raises
    ------
    FrameError
        A file cannot be read, or has other columns than the first.
    MissingExtraError
        polars is not installed.
    """
    from cellstate.data.files import read_frame
    from cellstate.extras import require

    frames = [read_frame(path) for path in paths]
    for path, frame in zip(paths, frames, strict=True):
        if set(frame.columns) != set(frames[0].columns):
            other = sorted(set(frame.columns) ^ set(frames[0].columns))
            raise FrameError(
                explain(
                    str(path),
                    f"files that are read together must have the columns of {paths[0]}",
                    f"a difference in {', '.join(map(repr, other))}",
                    "Rename them, or fit on one file",
                )
            )
    if len(frames) == 1:
        return frames[0]
    polars = require("polars", extra="forecast")
    ordered = [frame.select(frames[0].columns) for frame in frames]
    try:
        return polars.concat(ordered, how="vertical_relaxed")
    except polars.exceptions.PolarsError as problem:
        raise FrameError(
            explain(
                f"{paths[0]} and others",
                "a column must be of one type in all files",
                str(problem).splitlines()[0].rstrip("."),
                "Check the column in each file",
            )
        ) from problem


def read_arrays(path: Path, target: str | None, *, answers: bool) -> tuple[Any, Any]:
    """Read rows of equal length and, where they must or happen to be there, their answers.

    A ``.npz`` file holds the arrays ``X`` (n, time) or (n, time, channels) and ``y`` (n,). A
    ``.csv`` file holds one row a sequence: a column of answers, and one column a time step;
    empty cells are missing values.

    Parameters
    ----------
    path : Path
        The file.
    target : str or None
        The column of answers; None takes the first of `TARGETS` that is there.
    answers : bool
        Whether they must be there.

    Returns
    -------
    X : ndarray of float64
    y : ndarray or None

    Raises
    ------
    FrameError
        The file cannot be read, lacks what it must have, or has text among its numbers.
    """
    if path.suffix.lower() not in (".npz", ".csv"):
        raise _bad(path, "must end in .npz or .csv", repr(path.suffix), "Convert the file")
    if not path.is_file():
        raise _bad(path, "must be a file", "no file there", "Check the path")
    if path.suffix.lower() == ".npz":
        X, y = _read_npz(path)
    else:
        X, y = _read_rows(path, target)
    if answers and y is None:
        columns = f"column {target!r}" if target else f"column named {', '.join(TARGETS)}"
        missing = "no array 'y'" if path.suffix.lower() == ".npz" else f"no {columns}"
        raise _bad(path, "must hold the answers", missing, "Name their column with --target")
    return X, y


def _read_npz(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as arrays:
            if "X" not in arrays:
                held = ", ".join(map(repr, arrays)) or "nothing"
                raise _bad(path, "must hold an array 'X'", held, "Write it with np.savez(X=, y=)")
            return arrays["X"], arrays.get("y")
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as problem:
        if isinstance(problem, FrameError):
            raise
        reason = str(problem).splitlines()[0].rstrip(".")
        raise _bad(path, "must be an .npz file of plain arrays", reason, "Write it anew") from None


def _read_rows(path: Path, target: str | None) -> tuple[np.ndarray, np.ndarray | None]:
    import numpy as np

    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header, *rows = [*csv.reader(file, strict=True)] or [[]]
    except (OSError, ValueError, csv.Error) as problem:
        raise _bad(path, "must be a readable CSV file", str(problem), "Check the file") from None
    rows = [row for row in rows if row]
    if not rows:
        raise _bad(path, "must hold rows below its header", "none", "Check how it was written")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            must = f"each row must have the {len(header)} cells of the header"
            raise _bad(path, must, f"{len(row)} in row {number}", "Check the row")
    places = [header.index(name) for name in ([target] if target else TARGETS) if name in header]
    place = places[0] if places else None
    X = np.empty((len(rows), len(header) - len(places[:1])))
    for number, row in enumerate(rows):
        cells = [cell for column, cell in enumerate(row) if column != place]
        names = [name for column, name in enumerate(header) if column != place]
        X[number] = [
            _number(path, cell, f"column {name!r}, row {number + 2}")
            for cell, name in zip(cells, names, strict=True)
        ]
    return X, None if place is None else _answers([row[place] for row in rows])


def _number(path: Path, cell: str, where: str) -> float:
    try:
        return float(cell) if cell.strip() else float("nan")
    except ValueError:
        advice = "Remove it, or name the column of answers with --target"
        raise _bad(path, "time steps must be numbers", f"{cell!r} in {where}", advice) from None


def _answers(cells: list[str]) -> np.ndarray:
    """Read whole numbers if all are, else numbers, else text."""
    import numpy as np

    for kind in (int, float):
        try:
            return np.array([kind(cell) for cell in cells])
        except (ValueError, OverflowError):
            continue
    return np.array(cells)


def _bad(path: Path, must: str, given: str, do: str) -> FrameError:
    return FrameError(explain(str(path), must, given, do))
