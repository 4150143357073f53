"""MIMIC-IV: its tables as visits with codes, as events, and as a table of admissions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cellstate.data.health.events import Events
from cellstate.data.health.left_out import LeftOut
from cellstate.data.health.mimic_codes import KINDS, read_codes
from cellstate.data.health.mimic_events import check_sources, gather, read_source, subject_ids
from cellstate.data.health.mimic_tables import Tables, first_units, read_admissions
from cellstate.data.health.ranges import limits_of
from cellstate.data.health.visits import Visits, assemble
from cellstate.errors import FrameError, InputError, explain
from cellstate.extras import require

WHERE = "read_mimic"
VARIABLES = 10


@dataclass(frozen=True, eq=False, repr=False)
class Mimic:
    """What `read_mimic` read.

    Attributes
    ----------
    visits : Visits
        A visit for each admission, with its codes, the age, and the first value of each
        laboratory variable within it.
    events : Events
        Each at the time when it was known.
    admissions : dict of str to ndarray
        ``subject_id``, ``hadm_id``, ``admit_hours``, ``discharge_hours``, ``death_hours`` (NaN
        where not known), ``age`` (years), ``sex``, ``unit`` (the first intensive care unit, "" for
        none), ``died_inside``: columns that any data frame takes, in the order of `visits`.
    left_out : LeftOut
        Of all tables.
    """

    visits: Visits
    events: Events
    admissions: dict[str, np.ndarray]
    left_out: LeftOut

    def __repr__(self) -> str:
        return f"Mimic({self.visits}, {self.events}, {self.left_out})"


def read_mimic(
    folder: str | os.PathLike[str],
    *,
    kinds: Sequence[str] = ("DX", "PX", "RX"),
    roll_up: bool = True,
    events: Sequence[str] = ("labs", "inputs", "outputs"),
    variables: int | Sequence[str] = VARIABLES,
) -> Mimic:
    """Read the tables of MIMIC-IV.

    Diagnoses are coded at discharge, so the codes of an admission count as known at its end. A
    laboratory value counts as known when it was stored, an input when it ended.

    Parameters
    ----------
    folder : path
        Holds the folders ``hosp`` and ``icu``, with files ending in ``.csv`` or ``.csv.gz``.
    kinds : sequence of {"DX", "PX", "RX"}
        Codes to read: diagnoses, procedures, drugs. They are prefixed with kind and revision, such
        as ``DX10:I50``.
    roll_up : bool
        Whether ICD codes become their categories, such as I50 for I50.23.
    events : sequence of {"labs", "inputs", "outputs"}
        Tables to read as events.
    variables : int or sequence of str
        Labels of laboratory values of which each visit gets its first; or how many, then those
        that most admissions have. Needs "labs" among `events`.

    Returns
    -------
    Mimic

    Raises
    ------
    FrameError
        A table or a column is missing, or cannot be read, or no admission can be used.
    InputError
        An argument is unknown.

    Warns
    -----
    LeftOutWarning
        Rows were left out: of admissions that end before they begin or come after death, of codes
        of no known form, after death, implausible, or repeated. All are listed.
    """
    root = Path(folder)
    _check(root, kinds)
    check_sources(WHERE, tuple(events))
    tables = Tables(root, WHERE)
    admissions, left = read_admissions(tables)
    if not len(admissions):
        must = "some admission must be usable"
        raise FrameError(explain(WHERE, must, str(left), "Check the table hosp/admissions"))
    admissions = first_units(tables, admissions)
    codes, wrong = read_codes(tables, admissions, tuple(kinds), roll_up=roll_up)
    left += wrong
    found: dict[str, Any] = {}
    for name in events:
        found[name], wrong = read_source(tables, name, admissions)
        left += wrong
    gathered = gather(found)
    left += gathered.left_out
    names, values = _first_values(found.get("labs"), admissions, variables)
    visits, order = _visits(admissions, codes, names, values, left)
    left.announce(WHERE)
    return Mimic(visits, gathered, _columns(admissions, order), left)


def _check(folder: Path, kinds: Sequence[str]) -> None:
    if not folder.is_dir():
        must, do = "the folder of the tables must exist", "Name the folder that holds hosp and icu"
        raise FrameError(explain(WHERE, must, str(folder), do))
    for kind in kinds:
        if kind not in KINDS:
            must = f"kinds must be among {', '.join(map(repr, KINDS))}"
            raise InputError(explain(WHERE, must, repr(kind), "Check its spelling"))


def _visits(
    admissions: Any, codes: Any, names: tuple[str, ...], values: np.ndarray, left: LeftOut
) -> tuple[Visits, np.ndarray]:
    """Make visits of admissions; give the place of each visit's admission too."""
    polars = require("polars", extra="health")
    place = admissions.select("hadm_id", polars.int_range(polars.len()).alias("place"))
    codes = codes.join(place, on="hadm_id", how="inner")
    subject = np.array(subject_ids(admissions["subject_id"].to_list()), dtype=object)
    end = admissions["dischtime"].to_numpy()
    start = admissions["admittime"].to_numpy()
    latest: dict[Any, float] = {}
    for who, until, last in zip(subject, admissions["observed"].to_list(), end, strict=True):
        # Seen until the last discharge at least, whatever the shifted years say.
        latest[who] = max(latest.get(who, -np.inf), last, np.inf if until is None else until)
    death = {
        who: hour for who, hour in zip(subject, admissions["death"].to_list(), strict=True)
        if hour is not None
    }  # fmt: skip
    visits = assemble(
        subject,
        start,
        end,
        codes["place"].to_numpy(),
        codes["code"].to_list(),
        age=admissions["age"].fill_null(np.nan).to_numpy(),
        values=values,
        variables=names,
        observed_until=latest,
        death=death,
        left_out=left,
    )
    number = {who: k for k, who in enumerate(visits.subjects)}
    return visits, np.lexsort((start, end, np.array([number[who] for who in subject])))


def _columns(admissions: Any, order: np.ndarray) -> dict[str, np.ndarray]:
    given = {
        "subject_id": np.array(subject_ids(admissions["subject_id"].to_list())),
        "hadm_id": np.array(subject_ids(admissions["hadm_id"].to_list())),
        "admit_hours": admissions["admittime"].to_numpy(),
        "discharge_hours": admissions["dischtime"].to_numpy(),
        "death_hours": admissions["death"].fill_null(np.nan).to_numpy(),
        "age": admissions["age"].fill_null(np.nan).to_numpy(),
        "sex": np.array(admissions["gender"].fill_null("").to_list()),
        "unit": np.array(admissions["unit"].to_list()),
        "died_inside": admissions["died_inside"].to_numpy(),
    }
    return {name: column[order] for name, column in given.items()}


def _first_values(
    labs: Any, admissions: Any, variables: int | Sequence[str]
) -> tuple[tuple[str, ...], np.ndarray]:
    """Find the first value of each variable within each admission: names, (N, V)."""
    polars = require("polars", extra="health")
    rows = len(admissions)
    if labs is None or not len(labs):
        return (), np.empty((rows, 0))
    stays = admissions.select(
        "subject_id", "admittime", "dischtime", polars.int_range(polars.len()).alias("place")
    )
    inside = labs.join(stays, on="subject_id", how="inner").filter(
        (polars.col("known") >= polars.col("admittime"))
        & (polars.col("known") <= polars.col("dischtime"))
    )
    present = sorted(inside["code"].unique().to_list())
    low, high, _ = limits_of(present, None)
    limits = polars.DataFrame({"code": present, "low": low, "high": high})
    inside = inside.join(limits, on="code").filter(
        (polars.col("value") >= polars.col("low")) & (polars.col("value") <= polars.col("high"))
    )
    if isinstance(variables, int):
        counted = inside.group_by("code").agg(polars.col("place").n_unique().alias("count"))
        ranked = counted.sort(["count", "code"], descending=[True, False])
        names = tuple(ranked["code"].head(variables).to_list())
    else:
        names = tuple(variables)
        for name in names:
            if name not in present:
                must = "variables must be labels of laboratory values within admissions"
                raise InputError(explain(WHERE, must, repr(name), "Check its spelling"))
    first = (
        inside.filter(polars.col("code").is_in(list(names)))
        .sort("known", "taken", "row")
        .unique(["place", "code"], keep="first")
    )
    values = np.full((rows, len(names)), np.nan)
    column = {name: k for k, name in enumerate(names)}
    at = [column[code] for code in first["code"].to_list()]
    values[first["place"].to_numpy(), at] = first["value"].to_numpy()
    return names, values
