"""The ``.psv`` files of the PhysioNet/Computing in Cardiology challenge 2019: a file a patient."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from cellstate.data.health.archives import part_lines, read_members
from cellstate.data.health.events import Events, id_array, offsets_of
from cellstate.data.health.wide import events_of_wide
from cellstate.errors import FrameError, explain
from cellstate.extras import require

HOUR, LABEL = "ICULOS", "SepsisLabel"
DESCRIPTION = ("Age", "Gender", "Unit1", "Unit2", "HospAdmTime")
VARIABLES = (
    "HR", "O2Sat", "Temp", "SBP", "MAP", "DBP", "Resp", "EtCO2", "BaseExcess", "HCO3", "FiO2", "pH",
    "PaCO2", "SaO2", "AST", "BUN", "Alkalinephos", "Calcium", "Chloride", "Creatinine",
    "Bilirubin_direct", "Glucose", "Lactate", "Magnesium", "Phosphate", "Potassium",
    "Bilirubin_total", "TroponinI", "Hct", "Hgb", "PTT", "WBC", "Fibrinogen", "Platelets",
)  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class HourlyLabels:
    """A label for each hour that was recorded, also where nothing was measured.

    Attributes
    ----------
    subjects : numpy.ndarray
        (S,) identifiers, those of the events.
    offsets : numpy.ndarray
        (S + 1,) int64: the hours of subject s are those from ``offsets[s]`` to
        ``offsets[s + 1]``.
    hours : numpy.ndarray
        (N,) float64, rising within a subject.
    label : numpy.ndarray
        (N,) float64, 0 or 1; NaN where there is none.
    """

    subjects: np.ndarray
    offsets: np.ndarray
    hours: np.ndarray
    label: np.ndarray

    def __len__(self) -> int:
        return len(self.subjects)

    def __repr__(self) -> str:
        return f"HourlyLabels({len(self):,} subjects, {len(self.hours):,} hours)"

    @property
    def subject(self) -> np.ndarray:
        """(N,) the place of each hour's subject in `subjects`."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))


class LabelledEvents(NamedTuple):
    """Events, and a label for each hour."""

    events: Events
    labels: HourlyLabels


def read_physionet2019(
    path: str | os.PathLike[str], *, ranges: Mapping[str, Any] | None = None
) -> LabelledEvents:
    """Read patients, each a file with a row for each hour in intensive care.

    Age, Gender, Unit1, Unit2 and HospAdmTime become static events; ``ICULOS`` is the hour.

    Parameters
    ----------
    path : path
        A folder, a tar archive (also ``.gz``, ``.xz``) or one ``.psv`` file.
    ranges : mapping, optional
        Plausible ranges, see `cellstate.data.health.ranges.check_ranges`.

    Returns
    -------
    events : Events
        Its `subjects` are the files' names. Rows of `left_out` count over all patients in the
        order of their names, without headers.
    labels : HourlyLabels
        ``SepsisLabel``: 1 from six hours before the onset of sepsis on.

    Raises
    ------
    FrameError
        There is no such path, the files' columns differ, or an hour is missing or repeated.
    MissingExtraError
        polars is not installed.

    Warns
    -----
    LeftOutWarning
        Values were left out.

    References
    ----------
    .. [1] Reyna et al., Early prediction of sepsis from clinical data: the
           PhysioNet/Computing in Cardiology challenge 2019, Critical Care Medicine 48, 2020.
    """
    where = "PhysioNet 2019"
    members = read_members(path, ".psv", where=where)
    subjects = [name for name, _ in members]
    if len(set(subjects)) < len(subjects):
        given = f"{len(subjects) - len(set(subjects)):,} of {len(subjects):,} again"
        do = "Take copies out of the folder"
        raise FrameError(explain(where, "each patient must be there once", given, do))
    columns, subject = _parse([content for _, content in members], where)
    hours = columns.pop(HOUR)
    label = columns.pop(LABEL, np.full(len(hours), np.nan))
    _check_hours(hours, subject, where)
    fixed = [name for name in DESCRIPTION if name in columns]
    names = [name for name in columns if name not in fixed]
    events = events_of_wide(
        subject,
        hours,
        [columns[name] for name in names],
        names,
        subjects=subjects,
        static=[columns[name] for name in fixed],
        static_names=fixed,
        ranges=ranges,
    )
    events.left_out.announce(where)
    # Names come sorted, so that a patient's place is that in the events.
    labels = HourlyLabels(id_array(subjects), offsets_of(subject, len(subjects)), hours, label)
    return LabelledEvents(events, labels)


def _parse(contents: list[bytes], where: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Parse all files at once; give their columns, and which file each row belongs to."""
    polars = require("polars", extra="health")
    header, bodies, counts = b"", [], []
    for number, content in enumerate(contents, start=1):
        first, body, count = part_lines(content)
        if not header:
            header = first
        if first != header:
            given = f"others in file {number:,} of {len(contents):,} by name"
            must, do = "all files must have the same columns", "Take other files out of the folder"
            raise FrameError(explain(where, must, given, do))
        if body.count(b"|") != header.count(b"|") * count:
            given = f"others in file {number:,} of {len(contents):,} by name"
            must, do = "each row must have the cells of the header", "Get the files again"
            raise FrameError(explain(where, must, given, do))
        counts.append(count)
        bodies += [body] * (count > 0)
    names = header.decode("utf-8", "replace").split("|")
    if HOUR not in names or len(set(names)) < len(names):
        must, do = f"the header must name each column once, {HOUR} among them", "Check the files"
        raise FrameError(explain(where, must, f"{len(names):,} columns", do))
    subject = np.repeat(np.arange(len(contents)), counts)
    if not bodies:
        must, do = "there must be hours below the header", "Check the files"
        raise FrameError(explain(where, must, "none", do))
    must = "cells must hold numbers or NaN"
    try:
        table = polars.read_csv(
            io.BytesIO(b"\n".join(bodies)),
            has_header=False,
            separator="|",
            schema=dict.fromkeys(names, polars.Float64),
            quote_char=None,
        )
    except polars.exceptions.PolarsError:
        given = "something else"
        raise FrameError(explain(where, must, given, "Get the files again")) from None
    if len(table) != len(subject):
        given = f"{len(table):,} of {len(subject):,} rows that can be parsed"
        raise FrameError(explain(where, must, given, "Get the files again"))
    columns = {name: table[name].fill_null(np.nan).to_numpy() for name in names}
    return columns, subject


def _check_hours(hours: np.ndarray, subject: np.ndarray, where: str) -> None:
    is_bad = ~np.isfinite(hours)
    is_bad[1:] |= (subject[1:] == subject[:-1]) & ~(hours[1:] > hours[:-1])
    if is_bad.any():
        must = f"{HOUR} must rise within a patient"
        row = int(np.argmax(is_bad)) + 1
        given = f"{int(is_bad.sum()):,} rows where it does not, the first is row {row:,}"
        do = "Sort the rows of each file (rows count over all files by name)"
        raise FrameError(explain(where, must, given, do))
