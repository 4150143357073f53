"""Results: one row a figure, in the columns of `COLUMNS`, written in one step."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from benchmarks.harness import surroundings
from cellstate import artifact
from cellstate.errors import InputError, explain

PACKAGES = ("cellstate", "torch", "numpy")


@dataclass(frozen=True)
class Row:
    """One figure and how it came about."""

    case: str
    system: str
    metric: str
    value: float
    seed: str = ""
    seconds: str = ""
    threads: str = ""
    machine: str = ""
    versions: str = ""
    commit: str = ""


COLUMNS = tuple(column.name for column in fields(Row))


class Recorder:
    """Collects a benchmark's figures.

    Parameters
    ----------
    threads : int
        How many threads the systems use, unless a figure says otherwise; may be set anew.

    Examples
    --------
    >>> recorder = Recorder(threads=1)
    >>> recorder.add("T 96, H 64", "cellstate", "times_faster_than_torch", 2.5, seconds=0.004)
    >>> recorder.rows[0].metric, recorder.rows[0].seconds
    ('times_faster_than_torch', '0.004')
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.rows: list[Row] = []
        self._commit = surroundings.commit()

    def add(
        self,
        case: str,
        system: str,
        metric: str,
        value: float,
        *,
        seed: int | None = None,
        seconds: float | None = None,
        threads: int | None = None,
        versions: str | None = None,
    ) -> None:
        """Add one figure.

        Parameters
        ----------
        case : str
            What was measured: data set and horizon, or sizes.
        system : str
            ``"cellstate"`` or the peer's name.
        metric : str
            The figure's name with its unit (``"fit_seconds"``); a ratio is a metric of its own
            (``"times_faster_than_torch"``).
        value : float
            The figure.
        seed : int, optional
            The seed it belongs to.
        seconds : float, optional
            How long it took to measure.
        threads : int, optional
            How many threads were used, if not the recorder's.
        versions : str, optional
            What was measured, if it ran in another environment.

        Raises
        ------
        InputError
            A name is empty, or the figure is no finite number.
        """
        if not (case and system and metric):
            raise InputError(
                explain(
                    "Recorder.add",
                    "case, system and metric must be named",
                    repr((case, system, metric)),
                    "Name all three",
                )
            )
        if not math.isfinite(value):
            raise InputError(
                explain(
                    "Recorder.add",
                    "value must be a finite number",
                    f"{value} for {metric!r} of {system!r}",
                    "Find out why, rather than record it",
                )
            )
        self.rows.append(
            Row(
                case=case,
                system=system,
                metric=metric,
                value=float(value),
                seed="" if seed is None else str(seed),
                seconds="" if seconds is None else f"{seconds:.4g}",
                threads=str(self.threads if threads is None else threads),
                machine=surroundings.machine(),
                versions=versions or surroundings.versions(PACKAGES),
                commit=self._commit,
            )
        )


def write(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as CSV: the old file stays until the new one is whole."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_text(cell) for cell in astuple(row)])
    artifact.write_file(path, text.getvalue().encode("utf-8"))


def read(path: Path) -> list[Row]:
    """Read rows that `write` wrote.

    Raises
    ------
    InputError
        The file is missing, has other columns, or a value is no number.
    """
    if not path.is_file():
        raise InputError(
            explain(
                "benchmarks",
                "results are CSV files",
                repr(str(path)),
                "Run the benchmark first, or check the path",
            )
        )
    with path.open(encoding="utf-8", newline="") as file:
        table = list(csv.reader(file))
    if not table or tuple(table[0]) != COLUMNS:
        raise InputError(
            explain(
                "benchmarks",
                f"{path.name} must have the columns {', '.join(COLUMNS)}",
                ", ".join(table[0]) if table else "an empty file",
                "Run the benchmark again",
            )
        )
    return [_row(path, number, cells) for number, cells in enumerate(table[1:], start=2)]


def _text(cell: str | float) -> str:
    """Six significant digits, but whole numbers whole."""
    if isinstance(cell, str):
        return cell
    return f"{cell:.0f}" if cell.is_integer() and abs(cell) < 1e15 else f"{cell:.6g}"


def _row(path: Path, number: int, cells: Sequence[str]) -> Row:
    try:
        case, system, metric, value, *rest = cells
        return Row(case, system, metric, float(value), *rest)
    except (ValueError, TypeError) as wrong:
        raise InputError(
            explain(
                "benchmarks",
                f"line {number} of {path.name} must hold a figure in {len(COLUMNS)} columns",
                ",".join(cells)[:80],
                "Run the benchmark again",
            )
        ) from wrong
