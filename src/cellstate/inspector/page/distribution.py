"""How values spread, and whether stated shares came true: histograms and calibration."""

from __future__ import annotations

import numpy as np

from cellstate.inspector.page import shape
from cellstate.inspector.page.frame import (
    Axes,
    Curve,
    Detail,
    Drawing,
    Reading,
    draw,
    stack,
    values_table,
)
from cellstate.inspector.page.markup import Markup, element
from cellstate.inspector.plot import formats
from cellstate.inspector.plot.axis import LARGEST, Axis, number_axis
from cellstate.tasks import sections


def histogram(section: sections.Histogram, ident: str, detail: Detail) -> Markup:
    """Bars between edges, with a rule at zero where zero is among them."""
    edges = np.asarray(section.edges, np.float64)
    counts = np.asarray(section.counts, np.float64)
    counts = np.clip(np.where(np.isfinite(counts), counts, np.nan), 0, LARGEST)
    x = number_axis(edges, margin=0.0)
    tallest = float(np.nan_to_num(counts).max(initial=0.0))
    y = Axis(0.0, tallest * 1.06 or 1.0)
    left, right, height = x.place(edges[:-1]), x.place(edges[1:]), y.place(counts)
    total = float(np.nansum(counts))
    names = [f"{a} to {b}" for a, b in zip(*_bounds(edges), strict=True)]
    shares = [
        f"{formats.number(c)} ({c / total * 100:.1f} %)" if total else formats.number(c)
        for c in counts
    ]
    zero = x.place(np.zeros(1))[0]
    drawing = Drawing(
        ident=ident,
        title=section.title,
        description=_describe_histogram(section, names, counts, total),
        shapes=[
            shape.bars(left, right, np.nan_to_num(height)),
            shape.upright(float(zero), "mark") if 0 < zero < 1 else Markup(""),
        ],
        axes=Axes.of(x, y, 240, section.x_label, "count"),
        height=240,
        data=Reading((left + right) / 2, names, [Curve("count", "bar", shares)]).data(),
    )
    table = values_table(
        section.title,
        [section.x_label, "count"],
        [names[: detail.rows], shares[: detail.rows]],
        len(names),
    )
    return stack([draw(drawing), table], "figure")


def calibration(section: sections.Calibration, ident: str, detail: Detail) -> Markup:
    """What was promised against what happened; on the diagonal, promises were kept."""
    order = np.argsort(section.nominal, kind="stable")
    nominal = np.asarray(section.nominal, np.float64)[order]
    observed = np.asarray(section.observed, np.float64)[order]
    axis = Axis(0.0, 100.0)
    at, height = axis.place(nominal), axis.place(observed)
    percent = [f"{value} %" for value in formats.column(nominal.tolist())]
    seen = [
        f"{words} %" if words != formats.MISSING else words
        for words in formats.column([round(float(v), 2) for v in observed])
    ]
    gaps = [_gap(a, b) for a, b in zip(nominal, observed, strict=True)]
    drawing = Drawing(
        ident=ident,
        title=section.title,
        description=_describe_calibration(nominal, observed),
        shapes=[
            element("path", class_="diagonal", d=f"M0 {shape.CANVAS}L{shape.CANVAS} 0"),
            shape.line(at, height, "point"),
        ],
        axes=Axes.of(axis, axis, 300, "nominal, %", "observed, %"),
        height=300,
        data=Reading(
            at,
            [f"nominal {words}" for words in percent],
            [
                Curve("observed", "point", seen, height),
                Curve("difference", "none", gaps),
            ],
        ).data(),
        over=[
            element("span", "observed more often", class_="corner upper"),
            element("span", "observed less often", class_="corner lower"),
            *(_dot(x, y) for x, y in zip(at, height, strict=True) if 0 <= x <= 1 and 0 <= y <= 1),
        ],
        class_="square",
    )
    table = values_table(
        section.title,
        ["nominal", "observed", "difference"],
        [column[: detail.rows] for column in (percent, seen, gaps)],
        len(percent),
    )
    return stack([draw(drawing), table], "figure")


def _dot(x: float, y: float) -> Markup:
    return element(
        "i",
        class_="dot",
        style=f"left:{x * 100:.2f}%;top:{(1 - y) * 100:.2f}%",
        aria_hidden="true",
    )


def _bounds(edges: np.ndarray) -> tuple[list[str], list[str]]:
    words = formats.column(edges.tolist())
    return words[:-1], words[1:]


def _gap(nominal: float, observed: float) -> str:
    if not (np.isfinite(nominal) and np.isfinite(observed)):
        return formats.MISSING
    points = formats.fixed(observed - nominal, 1)
    return f"{'+' if observed > nominal and points != '0.0' else ''}{points} points"


def _describe_histogram(
    section: sections.Histogram, names: list[str], counts: np.ndarray, total: float
) -> str:
    if not total:
        return f"No values of {section.x_label}."
    most = int(np.nanargmax(counts))
    return (
        f"{formats.number(total)} values of {section.x_label} in {len(names)} bins; "
        f"the most, {formats.number(counts[most])}, from {names[most]}."
    )


def _describe_calibration(nominal: np.ndarray, observed: np.ndarray) -> str:
    pairs = [
        f"{formats.number(a)} % nominal, {formats.number(b)} % observed"
        for a, b in zip(nominal, observed, strict=True)
    ]
    return "; ".join(pairs[:12]) + ("." if pairs else "No levels.")
