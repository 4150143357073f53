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
        help="A table of outcomes or questions: subject_id and, where known, prediction_time; or "
        "the outcomes of PhysioNet 2012.",
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A table of labels: subject_id, time and the target."),
]
TARGET_2019 = "SepsisLabel"
OUTCOMES_2012 = ("RecordID", "SAPS-I", "SOFA", "Length_of_stay", "Survival", "In-hospital_death")


def read_stays(paths: list[Path]) -> Any:
    """Read events: a store of them, PhysioNet 2012's records, or tables, long or wide."""
    from cellstate.data.health import store

    if paths and (paths[0] / store.DESCRIPTION).is_file():
        return store.open_store(_one(paths))
    if paths and _holds(paths[0], ".txt"):
        from cellstate.data.health.physionet2012 import read_physionet2012

        return read_physionet2012(_one(paths))
    return _tables(paths, "PhysioNet 2012's records (.txt)")


def read_outcomes(path: Path) -> Any:
    """Read a table of outcomes, or PhysioNet 2012's, whose record numbers are the subjects."""
    if path.suffix == ".txt":
        return _outcomes_2012(path)
    table = reading.read_frames([path])
    if set(OUTCOMES_2012) <= set(table.columns):
        return _outcomes_2012(path)
    if "RecordID" in table.columns and "subject_id" not in table.columns:
        return table.rename({"RecordID": "subject_id"})
    return table


def _outcomes_2012(path: Path) -> Any:
    """Give the outcomes under the names that the file has; its -1 becomes an empty cell."""
    import polars as pl

    from cellstate.data.health.physionet2012 import read_outcomes

    told = read_outcomes(path)
    names = ("subject_id", *OUTCOMES_2012[1:])
    columns = (told.subjects.tolist(), told.saps, told.sofa, told.days, told.survival, told.died)
    return pl.DataFrame(dict(zip(names, columns, strict=True)), nan_to_null=True)


def read_labelled(paths: list[Path], labels: Path | None) -> tuple[Any, ...]:
    """Read stays with a label at each step: PhysioNet 2019's patients, or a table."""
    if paths and _holds(paths[0], ".psv"):
        import polars as pl

        from cellstate.data.health.physionet2019 import read_physionet2019

        if labels is not None:
            must = "PhysioNet 2019's patients hold their labels"
            raise InputError(explain("cellstate", must, f"--labels {labels}", "Leave it out"))
        events, told = read_physionet2019(_one(paths))
        ids = [told.subjects[place] for place in told.subject]
        rows = {"subject_id": ids, "time": told.hours, TARGET_2019: told.label}
        return events, pl.DataFrame(rows)
    frame = _tables(paths, "PhysioNet 2019's patients (.psv)")
    return (frame, reading.read_frames([labels])) if labels is not None else (frame,)


def _tables(paths: list[Path], records: str) -> Any:
    """Read tables; say what a folder would have to hold."""
    if not paths:
        must, do = "data must be named", "Name a table, or a folder or archive of records"
        raise InputError(explain("cellstate", must, "none", do))
    for path in paths:
        if path.is_dir():
            must = f"a folder must hold {records}"
            raise InputError(explain(str(path), must, "none", "Name the tables themselves"))
    return reading.read_frames(paths)


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
