"""Drawings made of characters: braille dots where the terminal has them, ASCII where not."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cellstate.inspector.plot import thin

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS = "_.-~=+*#"
BARS = " ▏▎▍▌▋▊▉█"
BRAILLE = 0x2800
# the bit of each of a cell's four rows and two columns of dots
DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])


@dataclass
class Canvas:
    """Curves on a grid of characters; of two curves in one cell, the later gives the style."""

    width: int
    height: int
    plain: bool = False  # ASCII only
    marks: str = "*"
    _cells: dict[tuple[int, int], tuple[int, str]] = field(default_factory=dict)
    _shade: dict[tuple[int, int], str] = field(default_factory=dict)

    @property
    def _dots(self) -> tuple[int, int]:
        return (1, 1) if self.plain else (2, 4)

    def line(self, x: np.ndarray, y: np.ndarray, style: str) -> None:
        """Draw a curve through places in [0, 1]; NaN makes a gap."""
        wide, high = self._dots
        columns = np.asarray(x, np.float64) * (self.width * wide - 1)
        rows = (1 - np.asarray(y, np.float64)) * (self.height * high - 1)
        known = np.isfinite(columns) & np.isfinite(rows)
        for index in np.flatnonzero(known):
            follows = index > 0 and known[index - 1]
            start = index - 1 if follows else index
            self._stroke(columns[start], rows[start], columns[index], rows[index], style)

    def shade(self, x: np.ndarray, low: np.ndarray, high: np.ndarray, style: str) -> None:
        """Fill between two curves with a background."""
        column = np.rint(np.asarray(x, np.float64) * (self.width - 1))
        for at in range(self.width):
            here = (column == at) & np.isfinite(low) & np.isfinite(high)
            if not here.any():
                continue
            top = (1 - float(np.max(high[here]))) * (self.height - 1)
            bottom = (1 - float(np.min(low[here]))) * (self.height - 1)
            for row in range(max(0, round(top)), min(self.height - 1, round(bottom)) + 1):
                self._shade[row, at] = style

    def rows(self) -> list[list[tuple[str, str]]]:
        """Characters with their styles, top row first."""
        return [
            [self._cell(row, column) for column in range(self.width)] for row in range(self.height)
        ]

    def _cell(self, row: int, column: int) -> tuple[str, str]:
        bits, style = self._cells.get((row, column), (0, ""))
        ground = self._shade.get((row, column), "")
        if bits:
            return self.marks[0] if self.plain else chr(BRAILLE + bits), f"{style} {ground}".strip()
        return (":" if ground and self.plain else " "), ground

    def _stroke(self, x0: float, y0: float, x1: float, y1: float, style: str) -> None:
        wide, high = self._dots
        count = int(min(4 * self.width * wide, max(abs(x1 - x0), abs(y1 - y0), 0) + 1))
        for share in np.linspace(0, 1, count + 1):
            column, row = round(x0 + (x1 - x0) * share), round(y0 + (y1 - y0) * share)
            if not (0 <= column < self.width * wide and 0 <= row < self.height * high):
                continue
            place = (row // high, column // wide)
            bit = int(DOTS[row % high, column % wide])
            self._cells[place] = (self._cells.get(place, (0, ""))[0] | bit, style)


def sparkline(
    values: np.ndarray, width: int, plain: bool = False, span: tuple[float, float] | None = None
) -> str:
    """One row of blocks as high as the values, between the ends of a span or their own.

    A space stands where nothing is known.

    Examples
    --------
    >>> sparkline(np.array([0.0, 1.0, np.nan, 3.0]), 10)
    '▁▃ █'
    """
    cells = thin.pool(np.asarray(values, np.float64)[None], 1, width)[0]
    signs = ASCII_BLOCKS if plain else BLOCKS
    known = cells[np.isfinite(cells)]
    if not known.size:
        return " " * len(cells)
    low, high = span or (float(known.min()), float(known.max()))
    last = len(signs) - 1
    half = high / 2 - low / 2  # halves first: the difference of two huge values may overflow
    shares = (cells / 2 - low / 2) / half if half > 0 else np.where(np.isfinite(cells), 0.0, np.nan)
    return "".join(
        signs[round(share * last)] if np.isfinite(share) else " " for share in np.clip(shares, 0, 1)
    )


def bar(share: float, width: int, *, plain: bool = False) -> str:
    """A horizontal bar of an eighth of a character's precision.

    Examples
    --------
    >>> bar(0.5, 3), bar(0.5, 4, plain=True)
    ('█▌', '##')
    """
    if not np.isfinite(share):
        return ""
    eighths = round(min(1.0, max(0.0, share)) * width * 8)
    if plain:
        return "#" * round(eighths / 8)
    return ("█" * (eighths // 8) + BARS[eighths % 8]).rstrip()
