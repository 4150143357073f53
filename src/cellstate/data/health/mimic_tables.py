"""The tables of MIMIC-IV as lazy frames of text, and its admissions, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellstate.data.health.left_out import LeftOut
from cellstate.errors import FrameError, explain
from cellstate.extras import require

STAMP, DAY = "%Y-%m-%d %H:%M:%S", "%Y-%m-%d"
HOUR_US = 3_600_000_000
LAST_YEAR = 2019
"""Last year of admissions in MIMIC-IV up to version 2; later ones go on longer, which is no error
here: a patient is then said to be observed for less time than is so."""
ROW = "row"


@dataclass(frozen=True)
class Tables:
    """A folder with the folders ``hosp`` and ``icu``, whose files are read when they are needed.

    Parameters
    ----------
    folder : Path
    where : str
        Begins each message.
    """

    folder: Path
    where: str

    def scan(self, name: str, columns: Sequence[str], otherwise: str = "") -> Any:
        """Give some columns of a table, as text, and its row numbers, counted from 1.

        Parameters
        ----------
        name : str
            Such as ``hosp/admissions``.
        columns : sequence of str
        otherwise : str
            What to do where the table is missing and can be done without.

        Raises
        ------
        FrameError
            The table or one of its columns is missing, or it cannot be read.
        """
        polars = require("polars", extra="health")
        file = self.find(name)
        if file is None:
            must = f"the table {name} must be there, as .csv or .csv.gz"
            do = otherwise or "Name the folder that holds the folders hosp and icu"
            raise FrameError(explain(self.where, must, "no such file", do))
        try:
            table = polars.scan_csv(file, infer_schema=False)
            present = table.collect_schema().names()
        except (OSError, polars.exceptions.PolarsError) as damage:
            must = f"the table {name} must be readable"
            reason = type(damage).__name__  # what it says may quote the data
            do = "Check that the file is whole"
            raise FrameError(explain(self.where, must, reason, do)) from None
        missing = [column for column in columns if column not in present]
        if missing:
            must = f"the table {name} must have the columns of MIMIC-IV"
            given = f"no {', '.join(map(repr, missing))}"
            raise FrameError(explain(self.where, must, given, "Check its version and header"))
        return table.select(columns).with_row_index(ROW, offset=1)

    def collect(self, name: str, table: Any) -> Any:
        """Read what was asked for of a table.

        Raises
        ------
        FrameError
            Its content is damaged.
        """
        polars = require("polars", extra="health")
        try:
            return table.collect()
        except (OSError, polars.exceptions.PolarsError) as damage:
            must = f"the table {name} must be readable"
            reason = type(damage).__name__
            do = "Check that the file is whole"
            raise FrameError(explain(self.where, must, reason, do)) from None

    def find(self, name: str) -> Path | None:
        """Find a table's file, if there is one."""
        for ending in (".csv", ".csv.gz"):
            file = self.folder / f"{name}{ending}"
            if file.is_file():
                return file
        return None


def hours(column: str, form: str = STAMP) -> Any:
    """Read a column of time stamps as hours since 1970; null where it is none."""
    polars = require("polars", extra="health")
    stamp = polars.col(column).str.to_datetime(form, strict=False, time_unit="us")
    return (stamp.dt.timestamp("us") / HOUR_US).alias(column)


def is_no_id(column: str) -> Any:
    """Tell where an identifier is missing, or is no whole number as all of MIMIC are."""
    polars = require("polars", extra="health")
    return polars.col(column).cast(polars.Int64, strict=False).is_null()


def set_aside(table: Any, wrong: dict[str, Any]) -> tuple[Any, LeftOut]:
    """Part a collected table from its rows that are wrong, by the first reason that holds.

    Parameters
    ----------
    table : polars.DataFrame
        With row numbers.
    wrong : dict
        Reason -> an expression that is true where it holds.
    """
    polars = require("polars", extra="health")
    left = LeftOut.nothing()
    for reason, expression in wrong.items():
        is_wrong = table.select(expression.fill_null(value=False).alias("wrong"))["wrong"]
        left += LeftOut.of(reason, table.filter(is_wrong)[ROW].to_numpy())
        table = table.filter(~is_wrong)
    assert isinstance(table, polars.DataFrame), "tables are set aside once they are read"
    return table, left


def read_patients(tables: Tables) -> tuple[Any, LeftOut]:
    """Read ``patients``: anchor, sex, hours of death at the end of its day, end of observation."""
    polars = require("polars", extra="health")
    name = "hosp/patients"
    columns = ["subject_id", "gender", "anchor_age", "anchor_year", "anchor_year_group", "dod"]
    group_end = polars.col("anchor_year_group").str.extract(r"(\d{4})\s*$").cast(polars.Int64)
    anchor = polars.col("anchor_year").cast(polars.Int64, strict=False)
    # Years are shifted by patient: the last year of the data comes at least so late in theirs.
    last_year = anchor + (LAST_YEAR - group_end).clip(lower_bound=0)
    table = tables.scan(name, columns).with_columns(
        polars.col("anchor_age").cast(polars.Float64, strict=False),
        anchor.alias("anchor_year"),
        (hours("dod", DAY) + 24.0).alias("dod"),
        (polars.datetime(last_year + 1, 1, 1).dt.timestamp("us") / HOUR_US).alias("observed"),
    )
    patients, left = set_aside(
        tables.collect(name, table),
        {
            "no subject_id": is_no_id("subject_id"),
            "duplicate row": ~polars.col("subject_id").is_first_distinct(),
        },
    )
    return patients.drop(ROW), left.within("patients")


def read_admissions(tables: Tables) -> tuple[Any, LeftOut]:
    """Read ``admissions`` with what ``patients`` says of them, without those that cannot be so.

    Returns
    -------
    admissions : polars.DataFrame
        subject_id, hadm_id (text), admittime, dischtime, death (hours), age, gender, observed,
        died_inside; sorted by subject and time of discharge.
    left_out : LeftOut
    """
    polars = require("polars", extra="health")
    patients, left = read_patients(tables)
    name = "hosp/admissions"
    columns = ["subject_id", "hadm_id", "admittime", "dischtime", "deathtime"]
    table = tables.scan(name, columns).with_columns(
        hours("admittime"), hours("dischtime"), hours("deathtime")
    )
    joined = tables.collect(name, table).join(patients, on="subject_id", how="left")
    year = (polars.col("admittime") * HOUR_US).cast(polars.Datetime("us")).dt.year()
    joined = joined.with_columns(
        polars.coalesce("deathtime", "dod").alias("death"),
        (polars.col("anchor_age") + (year - polars.col("anchor_year"))).alias("age"),
    )
    # A patient's death in hospital is told by one admission, and holds for all of them.
    joined = joined.with_columns(polars.col("death").min().over("subject_id"))
    admit, discharge = polars.col("admittime"), polars.col("dischtime")
    admissions, wrong = set_aside(
        joined,
        {
            "no subject_id": is_no_id("subject_id"),
            "no hadm_id": is_no_id("hadm_id"),
            "duplicate row": ~polars.col("hadm_id").is_first_distinct(),
            "no admittime": admit.is_null(),
            "no dischtime": discharge.is_null(),
            "discharge before admission": discharge < admit,
            "admission after death": admit > polars.col("death"),
            "admission before birth": polars.col("age") < 0,
        },
    )
    kept = admissions.with_columns(polars.col("deathtime").is_not_null().alias("died_inside")).sort(
        "subject_id", "dischtime", "admittime"
    )
    chosen = ["subject_id", "hadm_id", "admittime", "dischtime", "death", "age", "gender"]
    return kept.select([*chosen, "observed", "died_inside"]), left + wrong.within("admissions")


def first_units(tables: Tables, admissions: Any) -> Any:
    """Name the first intensive care unit of each admission, "" where there was none."""
    polars = require("polars", extra="health")
    name = "icu/icustays"
    if tables.find(name) is None:
        return admissions.with_columns(polars.lit("").alias("unit"))
    table = tables.scan(name, ["hadm_id", "first_careunit", "intime"]).with_columns(hours("intime"))
    stays = tables.collect(name, table).sort("intime")
    first = stays.unique("hadm_id", keep="first").select(
        "hadm_id", polars.col("first_careunit").alias("unit")
    )
    joined = admissions.join(first, on="hadm_id", how="left", maintain_order="left")
    return joined.with_columns(polars.col("unit").fill_null(""))
