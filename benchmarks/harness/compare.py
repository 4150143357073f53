"""Two result files side by side: what changed, and by how much."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.harness.record import Row, read

NOTABLE = 0.05  # a change by more than this share is marked

Key = tuple[str, str, str]


def by_key(rows: Iterable[Row]) -> dict[Key, list[float]]:
    """The values of each case, system and metric, over seeds and repetitions."""
    found: dict[Key, list[float]] = {}
    for row in rows:
        found.setdefault((row.case, row.system, row.metric), []).append(row.value)
    return found


def changes(before: Sequence[Row], after: Sequence[Row]) -> list[tuple[Key, float, float]]:
    """The medians of every figure that both hold, in the order of the first."""
    old, new = by_key(before), by_key(after)
    return [
        (key, statistics.median(old[key]), statistics.median(new[key])) for key in old if key in new
    ]


def compare(first: Path, second: Path, console: Console | None = None) -> None:
    """Print every figure of two files with the ratio of their medians."""
    console = console or Console()
    before, after = read(first), read(second)
    table = Table("case", "system", "metric", box=None, pad_edge=False)
    for name in (first.name, second.name, "ratio"):
        table.add_column(name, justify="right")
    for key, old, new in changes(before, after):
        ratio = new / old if old else float("nan")
        style = "bold" if abs(ratio - 1) > NOTABLE else ""
        table.add_row(*key, f"{old:.5g}", f"{new:.5g}", f"{ratio:.3f}", style=style)
    console.print(table)
    for name, own, other in ((first, before, after), (second, after, before)):
        alone = len(by_key(own).keys() - by_key(other).keys())
        if alone:
            console.print(f"{alone} figures are only in {name.name}.")
    machines = {row.machine for row in (*before, *after)}
    if len(machines) > 1:
        console.print("Not the same machine: " + "; ".join(sorted(machines)))
