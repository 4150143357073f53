"""Laboratory values, inputs and outputs of MIMIC-IV, at the time when they were known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.data.health.events import Events
from cellstate.data.health.left_out import LeftOut
from cellstate.data.health.mimic_tables import ROW, Tables, hours, is_no_id, set_aside
from cellstate.errors import InputError, explain
from cellstate.extras import require


@dataclass(frozen=True)
class Source:
    """A table of events.

    Attributes
    ----------
    table : str
    taken : str
        Column of when something was measured or began.
    known : str
        Column of when that could be read: nothing may be foretold from it before.
    value : str
    items : str
        The table that names the items.
    prefix : str
        What codes begin with.
    """

    table: str
    taken: str
    known: str
    value: str
    items: str
    prefix: str = ""


SOURCES = {
    "labs": Source("hosp/labevents", "charttime", "storetime", "valuenum", "hosp/d_labitems"),
    "inputs": Source("icu/inputevents", "starttime", "endtime", "amount", "icu/d_items", "IN:"),
    "outputs": Source("icu/outputevents", "charttime", "storetime", "value", "icu/d_items", "OUT:"),
}


def check_sources(where: str, sources: tuple[str, ...]) -> None:
    """Require names of `SOURCES`.

    Raises
    ------
    InputError
        One is another.
    """
    for name in sources:
        if name not in SOURCES:
            must = f"events must be among {', '.join(map(repr, SOURCES))}"
            raise InputError(explain(where, must, repr(name), "Check its spelling"))


def read_source(tables: Tables, name: str, admissions: Any) -> tuple[Any, LeftOut]:
    """Read one table of events.

    Returns
    -------
    events : polars.DataFrame
        row, subject_id, taken, known (hours), code, value.
    left_out : LeftOut
    """
    polars = require("polars", extra="health")
    source = SOURCES[name]
    otherwise = f"Leave {name!r} out of events, or add the table"
    columns = ["subject_id", "itemid", source.taken, source.known, source.value]
    death = admissions.group_by("subject_id").agg(polars.col("death").min()).lazy()
    table = (
        tables.scan(source.table, columns, otherwise)
        .join(_labels(tables, name, otherwise).lazy(), on="itemid", how="left")
        .join(death, on="subject_id", how="left")
        .with_columns(
            hours(source.taken).alias("taken"),
            hours(source.known).alias("known"),
            polars.col(source.value).cast(polars.Float64, strict=False).alias("value"),
        )
        .select(ROW, "subject_id", "taken", "known", "code", "value", "death")
    )
    if name == "labs":  # words such as "hemolyzed" are no numbers, and no slip
        table = table.filter(polars.col("value").is_not_null())
    read = tables.collect(source.table, table).sort(ROW)
    kept, left = set_aside(
        read,
        {
            "no subject_id": is_no_id("subject_id"),
            f"no {source.taken}": polars.col("taken").is_null(),
            "of no item that is listed": polars.col("code").is_null(),
            "after death": polars.col("taken") > polars.col("death"),
        },
    )
    # What is stored before it is taken is known when it is taken.
    kept = kept.with_columns(polars.max_horizontal("taken", "known").alias("known")).drop("death")
    return kept, left.within(source.table.partition("/")[2])


def gather(found: dict[str, Any]) -> Events:
    """Put the events of several tables together, each at the time when it was known.

    Parameters
    ----------
    found : dict
        Name in `SOURCES` -> what `read_source` gave.
    """
    polars = require("polars", extra="health")
    schema = {"subject_id": polars.String, "known": polars.Float64, "code": polars.String}
    schema |= {"value": polars.Float64, ROW: polars.UInt32}
    parts = [table.select(list(schema)) for table in found.values()]
    whole = polars.concat(parts) if parts else polars.DataFrame(schema=schema)
    subjects = subject_ids(whole["subject_id"].unique().to_list())
    codes = sorted(whole["code"].unique().to_list())
    place, number = ({name: k for k, name in enumerate(names)} for names in (subjects, codes))
    events = Events.from_parts(
        np.array([place[s] for s in subject_ids(whole["subject_id"].to_list())], dtype=np.int64),
        whole["known"].to_numpy(),
        np.array([number[code] for code in whole["code"].to_list()], dtype=np.int64),
        whole["value"].fill_null(np.nan).to_numpy(),
        subjects=subjects,
        codes=codes,
        is_absolute=True,
    )
    return _with_rows_of_tables(events, found)


def subject_ids(given: list[str]) -> list[int]:
    """Read identifiers, which are whole numbers in MIMIC."""
    return [int(name) for name in given]


def _labels(tables: Tables, name: str, otherwise: str) -> Any:
    """Name the items of a table of events: itemid and code."""
    polars = require("polars", extra="health")
    source = SOURCES[name]
    if name != "labs":
        table = tables.scan(source.items, ["itemid", "label"], otherwise)
        code = polars.lit(source.prefix) + polars.col("label")
        return tables.collect(source.items, table.select("itemid", code.alias("code")))
    table = tables.scan(source.items, ["itemid", "label", "fluid", "category"], otherwise)
    # One label may be measured in several fluids, or also by the analyser of blood gases.
    where = (
        polars.when(polars.col("category") == "Blood Gas")
        .then(polars.lit("Blood Gas"))
        .otherwise(polars.col("fluid"))
    )
    plain = polars.col("label").str.strip_chars()
    code = (
        polars.when(where == "Blood")
        .then(plain)
        .otherwise(plain + polars.lit(" (") + where + polars.lit(")"))
    )
    return tables.collect(source.items, table.select("itemid", code.alias("code")))


def _with_rows_of_tables(events: Events, found: dict[str, Any]) -> Events:
    """Give what was left out the row numbers of its own table."""
    from dataclasses import replace

    left, first = LeftOut.nothing(), 0
    given = events.left_out
    for name, table in found.items():
        inside = (given.rows > first) & (given.rows <= first + len(table))
        if inside.any():
            rows = table[ROW].to_numpy()[given.rows[inside] - 1 - first]
            own = LeftOut.by_reason(rows, given.reason[inside], given.reasons)
            left += own.within(SOURCES[name].table.partition("/")[2])
        first += len(table)
    return replace(events, left_out=left)
