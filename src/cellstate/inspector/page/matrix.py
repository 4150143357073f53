"""Counts or shares by row and column, such as a confusion matrix."""

from __future__ import annotations

import numpy as np

from cellstate.inspector.judgement import row_shares
from cellstate.inspector.page.colour import SEQUENTIAL
from cellstate.inspector.page.frame import Detail, stack
from cellstate.inspector.page.image import picture, shades
from cellstate.inspector.page.markup import Markup, element
from cellstate.inspector.plot import formats, thin
from cellstate.tasks import sections

MOST_CELLS = 24  # a side; beyond, cells are too small for numbers


def matrix(section: sections.Matrix, detail: Detail) -> Markup:
    """Numbers on a tint that says which share of its row each is.

    The share also stands below its number, unless numbers are per cent of their rows already.
    """
    values = np.asarray(section.values, np.float64)
    share = row_shares(values)
    if max(values.shape, default=0) > MOST_CELLS:
        return _picture(section, share, detail)
    counts = formats.column(values.ravel().tolist())
    width = len(section.column_names)
    is_said = not np.allclose(values, 100.0 * share, rtol=0.0, atol=1.0)
    body = [
        element(
            "tr",
            element("th", name, scope="row"),
            [
                _cell(
                    counts[row * width + column], share[row, column], row, column, section, is_said
                )
                for column in range(width)
            ],
        )
        for row, name in enumerate(section.row_names)
    ]
    head = element(
        "tr",
        element("th", f"{section.row_label} ↓  {section.column_label} →", class_="corner-label"),
        [element("th", name, scope="col") for name in section.column_names],
    )
    grid = element(
        "table",
        element("caption", section.title, class_="unseen"),
        element("thead", head),
        element("tbody", body),
        class_="matrix",
    )
    return element(
        "div",
        grid,
        class_="scroll",
        tabindex="0",
        role="region",
        aria_label=f"Table: {section.title}",
    )


def _cell(
    words: str, share: float, row: int, column: int, section: sections.Matrix, is_said: bool
) -> Markup:
    hit = section.row_names == section.column_names and row == column
    known = bool(np.isfinite(share))
    return element(
        "td",
        words,
        element("small", f"{share * 100:.0f} %") if known and is_said else None,
        class_="hit" if hit else None,
        style=f"--share:{share * 100:.1f}%" if known else None,
    )


def _picture(section: sections.Matrix, share: np.ndarray, detail: Detail) -> Markup:
    cells = thin.pool(share, detail.columns, detail.columns)
    rows, columns = section.values.shape
    words = (
        f"{rows:,} rows ({section.row_label}) by {columns:,} columns ({section.column_label}); "
        "darker cells hold more of their row."
    )
    drawn = picture(shades(np.sqrt(cells), 0.0, 1.0), SEQUENTIAL, f"{section.title}: {words}")
    return stack([stack([drawn], "heat square"), element("p", words, class_="note")], "figure")
