"""Curves over one shared axis."""

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
    legend,
    mark_label,
    stack,
    values_table,
)
from cellstate.inspector.page.markup import Markup
from cellstate.inspector.plot import formats, thin
from cellstate.inspector.plot.axis import number_axis, time_axis
from cellstate.tasks import sections

COLOURS = 6  # then they come again, dashed


def lines(section: sections.Lines, ident: str, detail: Detail) -> Markup:
    """Draw every curve, with a key that says where each ends."""
    order = np.argsort(section.x, kind="stable")
    curves = [np.asarray(curve, np.float64)[order] for curve in section.curves.values()]
    kept = order[thin.keep_extremes(curves, detail.points)]
    x_values = np.asarray(section.x)[kept]
    marks = np.array([place for place, _ in section.marks], np.float64)
    x = (
        time_axis(x_values)
        if x_values.dtype.kind == "M"
        else number_axis(x_values, marks, margin=0)
    )
    y = number_axis(*curves, log=section.log_y, margin=0.06)
    readings = [
        Curve(name, colour(place), _texts(values[kept]), y.place(values[kept]))
        for place, (name, values) in enumerate(_floats(section.curves).items())
    ]
    places = x.place(x_values)
    labels = [f"{section.x_label} {label}" for label in formats.stamps(x_values)]
    drawing = Drawing(
        ident=ident,
        title=section.title,
        description=_describe(section),
        shapes=[
            *(shape.upright(x_mark, "mark") for x_mark in x.place(marks) if np.isfinite(x_mark)),
            *(
                shape.line(places, y.place(values[kept]), colour(place))
                for place, values in enumerate(_floats(section.curves).values())
            ),
        ],
        axes=Axes.of(
            x, y, 260, section.x_label, section.y_label + (", log scale" if y.log else "")
        ),
        data=Reading(places, labels, readings).data(),
        over=[
            mark_label(float(place), label)
            for place, (_, label) in zip(x.place(marks), section.marks, strict=True)
            if np.isfinite(place)
        ],
    )
    key = legend(
        (colour(place), "", f"{name} {_last(values)}".strip())
        for place, (name, values) in enumerate(_floats(section.curves).items())
    )
    table = values_table(
        section.title,
        [section.x_label, *section.curves],
        [
            formats.stamps(x_values)[: detail.rows],
            *(curve.texts[: detail.rows] for curve in readings),
        ],
        len(section.x),
    )
    return stack([key, draw(drawing), table], "figure")


def colour(place: int) -> str:
    """The class of the n-th curve."""
    return f"c{place % COLOURS}{' dashed' if place // COLOURS % 2 else ''}"


def _floats(curves: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.asarray(values, np.float64) for name, values in curves.items()}


def _texts(values: np.ndarray) -> list[str]:
    return formats.column(values.tolist())


def _last(values: np.ndarray) -> str:
    known = values[np.isfinite(values)]
    return f"· last {formats.number(known[-1], 3)}" if known.size else ""


def _describe(section: sections.Lines) -> str:
    parts = [
        f"{name}: from {formats.number(known[0])} to {formats.number(known[-1])}, "
        f"lowest {formats.number(known.min())}"
        for name, values in _floats(section.curves).items()
        if (known := values[np.isfinite(values)]).size
    ]
    curves = "; ".join(parts) or "no values"
    return f"{section.y_label} over {section.x_label}. {curves}."
