"""Diagnoses, procedures and drugs of MIMIC-IV's admissions, as prefixed codes."""

from __future__ import annotations

from typing import Any

from cellstate.data.health import icd
from cellstate.data.health.left_out import LeftOut
from cellstate.data.health.mimic_tables import ROW, Tables, set_aside
from cellstate.extras import require

KINDS = {
    "DX": "hosp/diagnoses_icd",
    "PX": "hosp/procedures_icd",
    "RX": "hosp/prescriptions",
}
"""The table of each kind of code."""


def read_codes(
    tables: Tables, admissions: Any, kinds: tuple[str, ...], *, roll_up: bool
) -> tuple[Any, LeftOut]:
    """Read the codes of admissions.

    Parameters
    ----------
    tables : Tables
    admissions : polars.DataFrame
        Of `read_admissions`.
    kinds : tuple of str
        Keys of `KINDS`.
    roll_up : bool
        Whether ICD codes become their categories.

    Returns
    -------
    codes : polars.DataFrame
        hadm_id and code, each pair once.
    left_out : LeftOut
    """
    polars = require("polars", extra="health")
    left, found = LeftOut.nothing(), []
    known = admissions.select("hadm_id", polars.lit(value=True).alias("is_known"))
    for kind in kinds:
        otherwise = f"Leave {kind!r} out of kinds, or add the table"
        if kind == "RX":
            given, wrong = _drugs(tables, known, otherwise)
        else:
            given, wrong = _icd(tables, known, kind, roll_up, otherwise)
        found.append(given)
        left += wrong.within(KINDS[kind].partition("/")[2])
    if not found:
        return polars.DataFrame(schema={"hadm_id": polars.String, "code": polars.String}), left
    return polars.concat(found).unique(maintain_order=True), left


def _icd(
    tables: Tables, known: Any, kind: str, roll_up: bool, otherwise: str
) -> tuple[Any, LeftOut]:
    polars = require("polars", extra="health")
    name = KINDS[kind]
    table = tables.scan(name, ["hadm_id", "icd_code", "icd_version"], otherwise)
    read = tables.collect(name, table).join(known, on="hadm_id", how="left")
    # Few different codes stand in many rows: each is looked up once.
    pairs = read.select("icd_code", "icd_version").unique()
    written = [_written(code, version, kind, roll_up) for code, version in pairs.iter_rows()]
    names = pairs.with_columns(polars.Series("code", written, dtype=polars.String))
    read = read.join(names, on=["icd_code", "icd_version"], how="left", nulls_equal=True)
    return _kept(
        read,
        {
            "no icd_code": polars.col("icd_code").is_null(),
            "of no admission that was read": polars.col("is_known").is_null(),
            "no code of its revision": polars.col("code").is_null(),
            "duplicate row": ~polars.struct(
                "hadm_id", "icd_code", "icd_version"
            ).is_first_distinct(),
        },
    )


def _drugs(tables: Tables, known: Any, otherwise: str) -> tuple[Any, LeftOut]:
    polars = require("polars", extra="health")
    name = KINDS["RX"]
    table = tables.scan(name, ["hadm_id", "drug_type", "drug"], otherwise)
    # What a drug is dissolved in says nothing of the patient.
    table = table.filter(polars.col("drug_type").fill_null("MAIN") == "MAIN")
    read = tables.collect(name, table).join(known, on="hadm_id", how="left")
    plain = polars.col("drug").str.strip_chars().str.replace_all(r"\s+", " ")
    read = read.with_columns(("RX:" + plain.str.to_lowercase()).alias("code"))
    return _kept(  # one drug is prescribed many times in a stay: not a slip
        read,
        {
            "no drug": polars.col("drug").is_null(),
            "of no admission that was read": polars.col("is_known").is_null(),
        },
    )


def _kept(read: Any, wrong: dict[str, Any]) -> tuple[Any, LeftOut]:
    kept, left = set_aside(read.sort(ROW), wrong)
    return kept.select("hadm_id", "code"), left


def _written(code: str | None, version: str | None, kind: str, roll_up: bool) -> str | None:
    if code is None or version is None or version.strip() not in ("9", "10"):
        return None
    if not icd.is_code(code, int(version), kind):
        return None
    return icd.prefixed(code, version, kind, roll_up=roll_up)
