"""The text files of the PhysioNet/Computing in Cardiology challenge 2012: a file a stay."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cellstate.data.health.archives import part_lines, read_members
from cellstate.data.health.events import Events
from cellstate.data.health.left_out import LeftOut
from cellstate.data.health.table import STATIC, places_in
from cellstate.errors import FrameError, explain
from cellstate.extras import require

DESCRIPTION = ("Age", "Gender", "Height", "ICUType", "Weight")
VARIABLES = (
    "Albumin", "ALP", "ALT", "AST", "Bilirubin", "BUN", "Cholesterol", "Creatinine", "DiasABP",
    "FiO2", "GCS", "Glucose", "HCO3", "HCT", "HR", "K", "Lactate", "MAP", "MechVent", "Mg", "Na",
    "NIDiasABP", "NIMAP", "NISysABP", "PaCO2", "PaO2", "pH", "Platelets", "RespRate", "SaO2",
    "SysABP", "Temp", "TroponinI", "TroponinT", "Urine", "WBC", "Weight",
)  # fmt: skip
_HEADER = b"Time,Parameter,Value"
_OUTCOMES_HEADER = b"RecordID,"
_RECORD = "RecordID"
_MISSING = -1.0


@dataclass(frozen=True, eq=False, repr=False)
class Outcomes:
    """What became of each stay; NaN where it is not known.

    Attributes
    ----------
    subjects : numpy.ndarray
        (n,) record numbers, sorted.
    saps, sofa : numpy.ndarray
        (n,) scores of severity on the first day, SAPS-I and SOFA.
    days : numpy.ndarray
        (n,) length of the stay in hospital.
    survival : numpy.ndarray
        (n,) days from admission to death, NaN where none was recorded.
    died : numpy.ndarray
        (n,) 1 where the patient died in hospital, else 0.
    """

    subjects: np.ndarray
    saps: np.ndarray
    sofa: np.ndarray
    days: np.ndarray
    survival: np.ndarray
    died: np.ndarray

    def __len__(self) -> int:
        return len(self.subjects)

    def __repr__(self) -> str:
        return f"Outcomes({len(self):,} stays)"

    def aligned(self, subjects: Any) -> Outcomes:
        """Give the outcomes of some stays, in their order.

        Raises
        ------
        FrameError
            A stay has no outcome.
        """
        place = {number: k for k, number in enumerate(self.subjects.tolist())}
        found = [place.get(number, -1) for number in subjects]
        unknown = found.count(-1)
        if unknown:
            must = f"each of {len(found):,} stays must have an outcome"
            do = "Give the outcomes of the same set"
            raise FrameError(explain("Outcomes", must, f"{unknown:,} without", do))
        rows = np.array(found, dtype=np.int64)
        names = ("subjects", "saps", "sofa", "days", "survival", "died")
        return Outcomes(**{name: getattr(self, name)[rows] for name in names})


def read_physionet2012(
    path: str | os.PathLike[str], *, ranges: Mapping[str, Any] | None = None
) -> Events:
    """Read stays, each a file of ``Time,Parameter,Value``.

    Age, Gender, Height, ICUType and the weight on admission become static events; -1 there means
    that they are missing. Other times are hours since admission.

    Parameters
    ----------
    path : path
        A folder, a tar archive (also ``.gz``, ``.xz``) or one ``.txt`` file.
    ranges : mapping, optional
        Plausible ranges, see `cellstate.data.health.ranges.check_ranges`.

    Returns
    -------
    Events
        Its `subjects` are record numbers. A stay in which nothing was measured is among them.
        Rows of `left_out` count over all stays in the order of their names, without headers.

    Raises
    ------
    FrameError
        There is no such path, or a file is no record.
    MissingExtraError
        polars is not installed.

    Warns
    -----
    LeftOutWarning
        Rows were left out.

    References
    ----------
    .. [1] Silva et al., Predicting in-hospital mortality of ICU patients: the
           PhysioNet/Computing in Cardiology challenge 2012, Computing in Cardiology 39, 2012.
    """
    where = "PhysioNet 2012"
    members = [
        member
        for member in read_members(path, ".txt", where=where)
        if not member[1].startswith(_OUTCOMES_HEADER)
    ]
    table, record = _parse(members, where)
    rows = np.arange(1, len(record) + 1)
    code, codes = places_in(table["parameter"].to_list())
    hours, value = table["hours"].to_numpy(), table["value"].to_numpy()
    is_named = np.isin(code, [codes.index(_RECORD)] if _RECORD in codes else [])
    subjects = _records(members, record[is_named], value[is_named], where)
    is_missing, is_admission = _description(record, hours, value, code, codes)
    hours = np.where(is_admission, STATIC, hours)
    no_time, no_value = np.isnan(hours), np.isnan(value)
    left_out = LeftOut.of("time that is not HH:MM", rows[no_time])
    left_out += LeftOut.of("value that is no number", rows[no_value & ~no_time])
    kept = ~(is_named | is_missing | no_time | no_value)
    events = Events.from_parts(
        record[kept],
        hours[kept],
        code[kept],
        value[kept],
        subjects=subjects,
        codes=codes,
        ranges=ranges,
        rows=rows[kept],
    )
    events = replace(events, left_out=left_out + events.left_out)
    events.left_out.announce(where)
    return events


def read_outcomes(path: str | os.PathLike[str]) -> Outcomes:
    """Read the outcomes of stays, such as ``Outcomes-a.txt``.

    Raises
    ------
    FrameError
        There is no such file, or it lacks a column or a number.
    MissingExtraError
        polars is not installed.
    """
    columns = ("RecordID", "SAPS-I", "SOFA", "Length_of_stay", "Survival", "In-hospital_death")
    must = f"{path} must hold the columns {', '.join(columns)} of whole numbers"
    polars = require("polars", extra="health")
    try:
        table = polars.read_csv(Path(path).read_bytes(), columns=list(columns))
        arrays = {name: table[name].cast(polars.Float64).to_numpy() for name in columns}
    except (OSError, polars.exceptions.PolarsError) as problem:
        given = getattr(problem, "strerror", None) or "something else"
        do = "Check the path and the header"
        raise FrameError(explain("PhysioNet 2012", must, given, do)) from None
    if any(np.isnan(array).any() for array in arrays.values()):
        given, do = "an empty cell", "Fill it, with -1 where it is not known"
        raise FrameError(explain("PhysioNet 2012", must, given, do))
    order = np.argsort(arrays["RecordID"], kind="stable")
    known = [np.where(arrays[name] < 0, np.nan, arrays[name])[order] for name in columns[1:]]
    subjects = np.array(arrays["RecordID"][order].astype(int).tolist(), dtype=object)
    return Outcomes(subjects, *known)


def _parse(members: list[tuple[str, bytes]], where: str) -> tuple[Any, np.ndarray]:
    """Parse all records at once; give their rows, and which record each belongs to."""
    polars = require("polars", extra="health")
    if not members:
        must = "there must be records"
        raise FrameError(explain(where, must, "outcomes alone", "Check the path"))
    bodies = []
    for number, (_, content) in enumerate(members, start=1):
        header, body, count = part_lines(content)
        if header != _HEADER:
            must = f"a record must begin with {_HEADER.decode()}"
            given = f"another first line in file {number:,} of {len(members):,} by name"
            raise FrameError(explain(where, must, given, "Take other files out of the folder"))
        if body.count(b",") != 2 * count:
            must, do = "each row must have three cells", "Write decimals with a point"
            given = f"others in file {number:,} of {len(members):,} by name"
            raise FrameError(explain(where, must, given, do))
        bodies.append((body, count))
    joined = b"\n".join(body for body, count in bodies if count)
    record = np.repeat(np.arange(len(bodies)), [count for _, count in bodies])
    text = dict.fromkeys(("time", "parameter", "value"), polars.String)
    try:
        table = polars.read_csv(
            io.BytesIO(joined) if joined else io.BytesIO(b",,"),
            has_header=False,
            schema=text,
            quote_char=None,
        )
    except polars.exceptions.PolarsError:
        must, do = "records must be text of three columns", "Get the files again"
        raise FrameError(explain(where, must, "something else", do)) from None
    table = table.head(len(record))
    if len(table) != len(record):
        must, do = f"records must hold {len(record):,} rows", "Get the files again"
        raise FrameError(explain(where, must, f"{len(table):,} that can be parsed", do))
    clock = polars.col("time").str.extract_groups(r"^(?<hour>\d+):(?<minute>[0-5]\d)$").struct
    hours = [clock.field(name).cast(polars.Float64) for name in ("hour", "minute")]
    return table.select(
        "parameter",
        polars.col("value").cast(polars.Float64, strict=False).fill_null(np.nan),
        (hours[0] + hours[1] / 60).fill_null(np.nan).alias("hours"),
    ), record


def _description(
    record: np.ndarray, hours: np.ndarray, value: np.ndarray, code: np.ndarray, codes: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Mark the rows that describe a stay: those that say "missing", and the others."""
    is_missing = np.zeros(len(record), dtype=bool)
    is_admission = np.zeros(len(record), dtype=bool)
    for name in DESCRIPTION:
        if name not in codes:
            continue
        rows = np.flatnonzero((code == codes.index(name)) & (hours == 0))
        first = rows[np.unique(record[rows], return_index=True)[1]]
        is_unknown = value[first] == _MISSING
        is_missing[first[is_unknown]] = True
        is_admission[first[~is_unknown]] = True
    return is_missing, is_admission


def _records(
    members: list[tuple[str, bytes]], record: np.ndarray, number: np.ndarray, where: str
) -> list[Any]:
    """Give each record's number: as it says itself, else that of its file's name."""
    ids: list[Any] = [int(name) if name.isdecimal() else name for name, _ in members]
    for place, given in zip(record.tolist(), number.tolist(), strict=True):
        if given == given:
            ids[place] = int(given)
    if not all(isinstance(one, int) for one in ids):
        ids = [str(one) for one in ids]
    if len(set(ids)) < len(ids):
        repeated = len(ids) - len(set(ids))
        must, do = "each record must be there once", "Take copies out of the folder"
        raise FrameError(explain(where, must, f"{repeated:,} of {len(ids):,} again", do))
    return ids
