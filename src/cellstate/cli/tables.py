"""An estimator's predictions as a table: shown, as JSON rows, or written to a file."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Annotated, Any

import typer

from cellstate.cli import screen
from cellstate.errors import FrameError, explain

FORMATS = (".csv", ".csv.gz", ".parquet")
_SHOWN = 30  # rows of a long table on a screen


Out = Annotated[
    Path | None, typer.Option(metavar="FILE", help=f"Write the table ({', '.join(FORMATS)}).")
]


def check_out(path: Path | None) -> None:
    """Check that a table may be written there, before any work is done for it.

    Raises
    ------
    FrameError
        The name has another ending, is a folder's, or its directory is missing.
    """
    if path is None:
        return
    if not path.name.lower().endswith(FORMATS):
        must = f"the file must end in {', '.join(FORMATS)}"
        raise _bad("--out", must, str(path), "Rename it")
    check_place(path, "--out")


def check_place(path: Path, option: str) -> None:
    """Check that a file may be written there, whatever its ending.

    Raises
    ------
    FrameError
        It is a folder, or its directory is missing.
    """
    if path.is_dir():
        raise _bad(option, "the output must be a file", f"the folder {path}", "Name a file in it")
    if not path.absolute().parent.is_dir():
        must = "the output's directory must exist"
        raise _bad(option, must, f"no {path.absolute().parent}", "Create it first")


def check_report(path: Path, model: Path) -> None:
    """Check that a page about a model may be written there, before any work is done for it.

    Raises
    ------
    FrameError
        The name has another ending, is a folder's, lies in the model's folder, or its directory is
        missing.
    """
    if path.resolve().is_relative_to(model.resolve()):
        must = "the report must be outside the model's folder, which holds nothing else"
        do = f"Write it beside the folder, for example --report {model.name}.html"
        raise _bad("--report", must, str(path), do)
    check_place(path, "--report")
    if path.suffix.lower() not in (".html", ".htm"):
        raise _bad("--report", "the page must end in .html", str(path), "Rename it")


def give(frame: Any, out: Path | None, model: Path, *, as_json: bool) -> None:
    """Write a table to its file if there is one; tell of it, or show it, or print it as JSON."""
    if out is not None:
        _write(frame, out)
    if as_json:
        screen.print_json({"model": model, "out": out, "rows": rows(frame)})
    elif out is not None:
        screen.say(f"Written to {out}")
    else:
        show(frame)


def _write(frame: Any, path: Path) -> None:
    if isinstance(frame, dict) and path.suffix.lower() == ".csv":
        _write_csv(frame, path)
        return
    from cellstate.data.files import write_frame
    from cellstate.extras import require

    if isinstance(frame, dict):
        frame = require("polars", extra="forecast").DataFrame(frame)
    write_frame(frame, path)


def _write_csv(frame: dict[str, list[Any]], path: Path) -> None:
    """Write predictions for arrays, which need no package for frames."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(frame)
    writer.writerows(zip(*frame.values(), strict=True))
    write_bytes(path, text.getvalue().encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises
    ------
    FrameError
        It cannot be written; an older file is still there.
    """
    from cellstate.artifact import write_file

    try:
        write_file(path, data)
    except OSError as problem:
        must = "the file must be writable"
        given = problem.strerror or str(problem)
        raise _bad(str(path), must, given, "Free some space or choose another place") from problem


def rows(frame: Any) -> list[dict[str, Any]]:
    """List a table's rows, JSON-ready."""
    columns = _columns(frame)
    return [
        dict(zip(columns, screen.to_json(row), strict=True))
        for row in zip(*columns.values(), strict=True)
    ]


def show(frame: Any) -> None:
    """Print the first rows of a table, and say how many there are."""
    columns = _columns(frame)
    body = list(zip(*columns.values(), strict=True))
    screen.print_table(list(columns), body[:_SHOWN])
    if len(body) > _SHOWN:
        screen.say(f"{_SHOWN} of {len(body)} rows; --out FILE writes them all.")


def _columns(frame: Any) -> dict[str, list[Any]]:
    if isinstance(frame, dict):
        return frame
    import narwhals as nw

    table = nw.from_native(frame, eager_only=True)
    return {name: table.get_column(name).to_list() for name in table.columns}


def _bad(where: str, must: str, given: str, do: str) -> FrameError:
    return FrameError(explain(where, must, given, do))
