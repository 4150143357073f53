"""Tables whose numbers can be compared at a glance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cellstate.inspector.judgement import best_rows, is_ours
from cellstate.inspector.page.frame import Detail
from cellstate.inspector.page.markup import Markup, element
from cellstate.inspector.plot import formats
from cellstate.tasks import sections


def table(section: sections.Table, detail: Detail) -> Markup:
    """Rows of numbers; the best of a column is marked, our own row stands out, bars show sizes."""
    rows = section.rows[: detail.rows]
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in section.columns]
    body_columns = [
        _column(values, section.best.get(name), tag="td" if place else "th")
        for place, (name, values) in enumerate(zip(section.columns, columns, strict=True))
    ]
    numeric = [any(formats.is_number(value) for value in values) for values in columns]
    head = [
        element("th", name, _aim(section.best.get(name)), scope="col", class_=_side(numeric[i]))
        for i, name in enumerate(section.columns)
    ]
    body = [
        element("tr", cells, class_="ours" if is_ours(row) else None)
        for row, cells in zip(rows, zip(*body_columns, strict=True), strict=True)
    ]
    hidden = len(section.rows) - len(rows)
    return element(
        "div",
        element(
            "table",
            element("caption", section.title, class_="unseen"),
            element("thead", element("tr", head)),
            element("tbody", body),
        ),
        element("p", f"{hidden:,} more rows are not shown.", class_="note") if hidden else None,
        class_="scroll",
        tabindex="0",
        role="region",
        aria_label=f"Table: {section.title}",
    )


def _column(values: Sequence[Any], rule: str | float | None, tag: str) -> list[Markup]:
    best = best_rows(values, rule)
    sizes = [
        abs(float(value)) if formats.is_number(value) and math.isfinite(value) else 0.0
        for value in values
    ]
    largest = max(sizes, default=0.0) if isinstance(rule, str) else 0.0
    numeric = any(formats.is_number(value) for value in values)
    cells: list[Markup] = []
    for row, words in enumerate(formats.column(values)):
        if not numeric:
            cells.append(element(tag, words, scope="row" if tag == "th" else None))
            continue
        bar = f"--bar:{sizes[row] / largest:.3f}" if largest else None
        cells.append(
            element(
                tag,
                words,
                unseen("best") if row in best else None,
                class_=f"number{' barred' if bar else ''}{' best' if row in best else ''}",
                style=bar,
                scope="row" if tag == "th" else None,
            )
        )
    return cells


def unseen(words: str) -> Markup:
    """Words for those who listen to the page."""
    return element("span", f" ({words})", class_="unseen")


def _side(numeric: bool) -> str | None:
    return "number" if numeric else None


def _aim(rule: str | float | None) -> Markup | None:
    if rule is None:
        return None
    if isinstance(rule, str):
        sign, words = ("↓", "lower is better") if rule == "min" else ("↑", "higher is better")
    else:
        sign, words = f"→{formats.number(rule)}", f"best at {formats.number(rule)}"
    return element("abbr", element("span", sign, aria_hidden="true"), unseen(words), title=words)
