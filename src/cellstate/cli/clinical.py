"""Clinical files of a command line: tables, PhysioNet's records, and outcomes beside them."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Annotated, Any

import typer

from cellstate.cli import reading
from cellstate.errors import InputError, explain

Outcomes = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="A table of outcomes or questions: subject_id and, where known, prediction_time.",
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A table of labels: subject_id, time and the target."),
]
TARGET_2019 = "SepsisLabel"


def read_stays(paths: list[Path]) -> Any:
    """Read events: a store of them, PhysioNet 2012's records, or tables, long or wide."""
    from cellstate.data.health import store

    if paths and (paths[0] / store.DESCRIPTION).is_file():
        return store.open_store(_one(paths))
    if paths and _holds(paths[0], ".txt"):
        from cellstate.data.health.physionet2012 import read_physionet2012

        return read_physionet2012(_one(paths))
    return reading.read_frames(paths)


def read_outcomes(path: Path) -> Any:
    """Read a table of outcomes; the record numbers of PhysioNet 2012 are its subjects."""
    table = reading.read_frames([path])
    if "RecordID" in table.columns and "subject_id" not in table.columns:
        return table.rename({"RecordID": "subject_id"})
    return table


def read_labelled(paths: list[Path], labels: Path | None) -> tuple[Any, ...]:
    """Read stays with a label at each step: PhysioNet 2019's patients, or a table."""
    if paths and _holds(paths[0], ".psv"):
        import polars as pl

        from cellstate.data.health.physionet2019 import read_physionet2019

        events, told = read_physionet2019(_one(paths))
        ids = [told.subjects[place] for place in told.subject]
        rows = {"subject_id": ids, "time": told.hours, TARGET_2019: told.label}
        return events, pl.DataFrame(rows)
    frame = reading.read_frames(paths)
    return (frame, reading.read_frames([labels])) if labels is not None else (frame,)


def _one(paths: list[Path]) -> Path:
    if len(paths) > 1:
        must = "one folder or archive of records is read"
        raise InputError(explain("cellstate", must, f"{len(paths)}", "Name one alone"))
    return paths[0]


def _holds(path: Path, suffix: str) -> bool:
    """Tell whether a folder or archive holds files of a kind, or is one."""
    if path.is_dir():
        return next(path.rglob(f"*{suffix}"), None) is not None
    if path.suffix == suffix:
        return True
    if ".tar" not in path.suffixes and path.suffix != ".tgz":
        return False
    try:
        with tarfile.open(path, "r|*") as archive:
            return any(member.name.endswith(suffix) for member in archive if member.isfile())
    except (OSError, tarfile.TarError):
        return False  # read_frames says what is wrong
