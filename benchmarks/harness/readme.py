"""The README's tables, generated from the results.

A table stands between two comments, of which the first says what to show::

    <!-- table: forecast-etth1 rows=case columns=system metric=mse -->
    <!-- end of table -->

Rows and columns are any two of case, system and metric; the third, and either of the two, may be
narrowed to values in the order given (``metric=fit_seconds,mse``; a comma before a space or three
digits belongs to the value). Values over several seeds are shown as mean ± standard deviation.
"""

from __future__ import annotations

import re
import shlex
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.harness.options import ROOT
from benchmarks.harness.record import Row, read
from cellstate.errors import InputError, explain

KEYS = ("case", "system", "metric")
TABLE = re.compile(
    r"(?P<head><!-- table: (?P<words>[^>]*?) -->\n)(?P<body>.*?)(?P<foot><!-- end of table -->)",
    re.DOTALL,
)
LAYOUT = ("rows", "columns", "digits")
BETWEEN = re.compile(r"(?<!\d),(?! )|,(?! |\d{3}(?!\d))")


def refresh(text: str, results: Path = ROOT / "benchmarks" / "results") -> str:
    """Return a text with all its tables made anew from the result files in a folder.

    Raises
    ------
    InputError
        A marker cannot be understood, or names results that do not exist.
    """

    def table(match: re.Match[str]) -> str:
        name, *words = shlex.split(match["words"])
        pairs = [word.partition("=") for word in words]
        wrong = [key for key, _, value in pairs if key not in KEYS + LAYOUT or not value]
        settings = {key: value for key, _, value in pairs}
        if wrong or not {settings.get("rows"), settings.get("columns")} <= set(KEYS):
            raise InputError(
                explain(
                    "README",
                    "a table is asked for as NAME rows=… columns=…, each case, system or metric",
                    match["words"],
                    "Correct the marker",
                )
            )
        drawn = pivot(read(results / f"{name}.csv"), settings)
        return f"{match['head']}\n{drawn}\n{match['foot']}"

    return TABLE.sub(table, text)


def pivot(rows: Sequence[Row], settings: Mapping[str, str]) -> str:
    """Draw rows of results as a Markdown table, with where they were measured.

    Raises
    ------
    InputError
        Nothing is left to show.
    """
    wanted = {key: BETWEEN.split(settings[key]) for key in KEYS if key in settings}
    shown = [row for row in rows if all(getattr(row, k) in v for k, v in wanted.items())]
    if not shown:
        raise InputError(
            explain("README", "a table must show something", f"{dict(settings)}", "Widen it")
        )
    down, across = settings["rows"], settings["columns"]
    cells: dict[tuple[str, str], list[float]] = {}
    for row in shown:
        cells.setdefault((getattr(row, down), getattr(row, across)), []).append(row.value)
    downs, acrosses = (
        wanted.get(key) or list(dict.fromkeys(getattr(row, key) for row in shown))
        for key in (down, across)
    )
    digits = int(settings.get("digits", "3"))
    lines = [
        f"| {down} | " + " | ".join(map(_plain, acrosses)) + " |",
        "|---|" + "---:|" * len(acrosses),
        *(
            f"| {_plain(name)} | "
            + " | ".join(_cell(cells.get((name, column), []), digits) for column in acrosses)
            + " |"
            for name in downs
        ),
    ]
    machines = "; ".join(dict.fromkeys(row.machine for row in shown))
    threads = ", ".join(dict.fromkeys(row.threads for row in shown))
    return "\n".join([*lines, "", f"Measured on {machines}; threads: {threads}.", ""])


def _cell(values: Sequence[float], digits: int) -> str:
    if not values:
        return "–"
    mean = _number(statistics.fmean(values), digits)
    if len(values) == 1:
        return mean
    return f"{mean} ± {_number(statistics.stdev(values), 2)}"


def _number(value: float, digits: int) -> str:
    """So many significant digits, never an exponent for sizes that people read."""
    text = f"{value:.{digits}g}"
    return f"{float(text):,.0f}" if "e+" in text and abs(value) < 1e12 else text


def _plain(name: str) -> str:
    return name.replace("_", " ").replace("|", "\\|")
