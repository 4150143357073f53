"""What the terminal twin writes with: words, rows that align, drawings between axes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cellstate.inspector.plot import characters, formats
from cellstate.inspector.plot.axis import Axis

STYLES = ("blue", "dark_orange3", "green", "magenta", "yellow", "cyan")
WIDEST = 110
LONG_WORD = 20
"""Characters; longer words, such as checksums, may break."""
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_ASCII = str.maketrans({formats.MINUS: "-", formats.MISSING: "-", "✓": "+", "→": ">", "↓": "v"})


def longest_word(cells: Iterable[str]) -> int:
    """Count the letters of the longest word, up to those of a long one.

    Examples
    --------
    >>> longest_word(["log loss", "0.5"])
    4
    """
    return min(LONG_WORD, max((len(word) for cell in cells for word in cell.split()), default=1))


def fitted(needs: Sequence[int], wishes: Sequence[int], room: int) -> list[int | None]:
    """Give each column what it needs, and what is left to the first that wish for more.

    Examples
    --------
    >>> fitted([4, 4, 4], [6, 9, 9], 18)
    [6, 8, 4]
    >>> fitted([4, 40], [4, 40], 20)  # it cannot be helped: let rich break words
    [None, None]
    """
    spare = room - sum(needs)
    if spare < 0:
        return [None] * len(needs)
    widths: list[int | None] = []
    for need, wish in zip(needs, wishes, strict=True):
        more = min(spare, max(0, wish - need))
        widths.append(need + more)
        spare -= more
    return widths


def in_blocks(widths: Sequence[int], room: int) -> list[list[int]]:
    """Share columns out among tables that fit, each of which begins with the first column.

    Examples
    --------
    >>> in_blocks([8, 6, 6, 6], 20)
    [[0, 1, 2], [0, 3]]
    """
    blocks, used = [[0]], widths[0]
    for place, width in enumerate(widths[1:], start=1):
        if len(blocks[-1]) > 1 and used + width > room:
            blocks.append([0])
            used = widths[0]
        blocks[-1].append(place)
        used += width
    return blocks


class Terminal:
    """Knows the console: its width, and whether it has more than ASCII.

    Attributes
    ----------
    console : Console
    plain : bool
        Whether it has ASCII only.
    width : int
        Characters in a row.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.plain = console.options.ascii_only
        self.width = min(WIDEST, console.width)

    def text(self, words: str, style: str = "") -> Text:
        """Take words as they are: no markup, no control characters, nothing the encoding lacks."""
        words = _CONTROL.sub("\ufffd", words)
        if self.plain:
            words = words.translate(_ASCII).encode("ascii", "replace").decode("ascii")
        return Text(words, style)

    def say(self, words: str, style: str = "", indent: int = 0) -> None:
        """Print a line, or several where it is long."""
        self.console.print(Padding(self.text(words, style), (0, 0, 0, indent), expand=False))

    def grid(self, rows: Iterable[Sequence[Text]], numbers: Sequence[int] = ()) -> None:
        """Print rows that align, without lines."""
        table = Table.grid(padding=(0, 2))
        for row in rows:
            while len(table.columns) < len(row):
                aligned = "right" if len(table.columns) in numbers else "left"
                table.add_column(justify=aligned, overflow="fold")
            table.add_row(*row)
        if table.row_count:
            self.console.print(Padding(table, (0, 0, 0, 2), expand=False))

    def canvas(self, height: int) -> characters.Canvas:
        """Give a place to draw on, as wide as the terminal allows."""
        return characters.Canvas(max(10, self.width - 16), height, plain=self.plain)

    def key(self, entries: Iterable[tuple[str, str]]) -> None:
        """Print which style stands for what."""
        sign = "*" if self.plain else "━━"
        key = Text("  ").join(self.text(f"{sign} {name}", style) for name, style in entries)
        self.console.print(Padding(key, (0, 0, 0, 2), expand=False))

    def chart(self, canvas: characters.Canvas, x: Axis, y: Axis) -> None:
        """Print a canvas between its axes."""
        ticks = {round((1 - t.place) * (canvas.height - 1)): t.label for t in y.ticks(3)}
        gutter = max(map(len, ticks.values()), default=0)
        for row, cells in enumerate(canvas.rows()):
            line = self.text("  " + ticks.get(row, "").rjust(gutter) + " ", "dim")
            line.append("|" if self.plain else "│", "dim")
            for sign, style in cells:
                line.append(sign, style)
            self.console.print(line, no_wrap=True, crop=True)
        under = [" "] * (canvas.width + gutter + 4)
        for tick in x.ticks(max(2, canvas.width // 16)):
            label = f"{tick.label} {tick.context}".strip()
            start = gutter + 4 + round(tick.place * (canvas.width - 1)) - len(label) // 2
            start = max(gutter + 4, min(len(under) - len(label), start))
            if all(sign == " " for sign in under[start - 1 : start + len(label) + 1]):
                under[start : start + len(label)] = label
        self.console.print(self.text("".join(under).rstrip(), "dim"), no_wrap=True, crop=True)
