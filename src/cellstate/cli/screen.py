"""What a command says: one JSON document for machines, text and tables for people."""

from __future__ import annotations

import json
import math
import shutil
import sys
import textwrap
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from cellstate.tasks.sections import Story

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


def say_wrapped(text: str) -> None:
    """Print a paragraph, its lines as long as the terminal is wide."""
    width = shutil.get_terminal_size().columns
    for line in textwrap.wrap(text, width, break_on_hyphens=False):
        say(line)


def print_story(story: Story) -> None:
    """Print what an estimator has to show."""
    from cellstate.inspector import print_story

    with _page() as console:
        print_story(story, console)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> None:
    """Print a table that fits the terminal, or 80 columns where there is none."""
    from rich import box
    from rich.table import Table

    from cellstate.inspector.terminal import fitted, in_blocks, longest_word

    rows = [[*row] for row in rows]
    cells = [list(map(_cell, row)) for row in rows]
    words = [[name, *(row[k] for row in cells)] for k, name in enumerate(columns)]
    needs = [*map(longest_word, words)]
    with _page() as console:
        room = console.width - 2
        # Two blanks stand between columns. Rich alone would rather lose columns than break words.
        for block in in_blocks([need + 2 for need in needs], room):
            table = Table(
                title=title or None,
                box=box.SIMPLE,
                padding=(0, 1, 0, 0),
                pad_edge=False,
                title_justify="left",
                title_style="",
            )
            wishes = [max(map(len, words[k])) for k in block]
            widths = fitted([needs[k] for k in block], wishes, room - 2 * len(block))
            for k, width in zip(block, widths, strict=True):
                kinds = {type(row[k]) for row in rows} - {type(None)}
                right = bool(kinds) and kinds <= {int, float, bool}
                justify = "right" if right else "left"
                table.add_column(columns[k], justify=justify, overflow="fold", width=width)
            for row in cells:
                table.add_row(*(row[k] for k in block))
            console.print(table)
            title = ""


@contextmanager
def _page() -> Generator[Console]:
    """Collect what rich writes, and print it without the blanks that fill its lines up."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    with console.capture() as capture:
        yield console
    lines = [line.rstrip() for line in capture.get().splitlines()]
    say("\n".join(lines).strip("\n") + "\n")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    if not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e12 else f"{value + 0.0:.4g}"  # no −0
