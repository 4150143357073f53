"""What a command says: one JSON document for machines, text and tables for people."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def print_json(document: Mapping[str, Any]) -> None:
    """Print one JSON document."""
    sys.stdout.write(json.dumps(to_json(document), ensure_ascii=False, indent=2) + "\n")


def to_json(value: Any) -> Any:
    """Turn arrays, time stamps and paths into what JSON has; NaN and infinity become null.

    Examples
    --------
    >>> import datetime
    >>> to_json({"day": datetime.date(2020, 1, 2), 3: (1.0, float("inf"))})
    {'day': '2020-01-02', '3': [1.0, None]}
    """
    if hasattr(value, "tolist"):  # NumPy's arrays and scalars
        value = value.astype(str).tolist() if value.dtype.kind in "mM" else value.tolist()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def say(text: str) -> None:
    """Print a line of text as it is."""
    sys.stdout.write(f"{text}\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> None:
    """Print a table that fits the terminal, or 80 columns where there is none."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=title or None, box=box.SIMPLE, pad_edge=False, title_justify="left", title_style=""
    )
    body = [list(row) for row in rows]
    for place, name in enumerate(columns):
        right = bool(body) and all(isinstance(row[place], int | float) for row in body)
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in body:
        table.add_row(*map(_cell, row))
    console = Console(highlight=False, markup=False, emoji=False)
    with console.capture() as capture:
        console.print(table)
    lines = [line.rstrip() for line in capture.get().splitlines()]
    say("\n".join(lines).strip("\n") + "\n")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.5g}" if math.isfinite(value) else "–"
    return str(value)
