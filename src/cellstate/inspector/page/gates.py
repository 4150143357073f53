"""What the gates of one LSTM layer did over one window, unit by unit.

Rows are units and columns are steps. The units stand in one order in every strip: by how much
their forget gate kept on average, so that the long memories are on top. A gate that keeps a share
f of its cell at each step remembers for about 1 / (1 - f) steps.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cellstate.inspector.judgement import (
    GATE_WORDS,
    gate_names,
    gate_range,
    unit_means,
    unit_order,
)
from cellstate.inspector.page import colour, image, shape
from cellstate.inspector.page.frame import Axes, Curve, Detail, Drawing, Reading, draw, stack
from cellstate.inspector.page.markup import Markup, data_block, element
from cellstate.inspector.page.words import paragraphs
from cellstate.inspector.plot import formats, thin
from cellstate.inspector.plot.axis import LARGEST, Tick, number_axis
from cellstate.tasks import sections

GUTTER = 6  # characters left of every strip, so that all steps align
FEW_STEPS = 48  # so few are drawn as stairs, one tread a step
STRIP_PIXELS = 104  # about so high is a strip, with rows of whole pixels
MOST_UNITS = 128  # rows of a strip; more are averaged with their neighbours
_STAMP = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d(:\d\d){0,2})?")


@dataclass(frozen=True)
class _Strip:
    """One gate, ready to draw."""

    name: str
    cells: np.ndarray  # (rows, columns), long memories first
    low: float
    high: float
    mean: np.ndarray  # (columns,)
    quarter: np.ndarray  # (columns,), a quarter of the units lies below
    three_quarters: np.ndarray

    @property
    def ramp(self) -> colour.Ramp:
        """Two colours around zero, or one from zero."""
        return colour.DIVERGING if self.low < 0 else colour.SEQUENTIAL

    @property
    def clipped(self) -> bool:
        """Whether some cells lie beyond the ends of the colours."""
        return bool((np.abs(self.cells) > self.high).any())


def gates(section: sections.Gates, ident: str, detail: Detail) -> Markup:
    """The signal, then a strip per gate over the same steps, under one crosshair."""
    order = unit_order(section.gates)
    steps = len(section.step_labels)
    groups = np.array_split(np.arange(steps), min(steps, detail.columns)) if steps else []
    names = step_names(section.step_labels)
    labels = [names[group[0]] for group in groups]
    strips = [
        _strip(name, np.asarray(section.gates[name])[:, order], len(groups))
        for name in gate_names(section.gates)
    ]
    middles = (np.arange(len(groups)) + 0.5) / max(1, len(groups))
    signal = None
    if section.signal is not None and groups:
        signal = thin.pool(np.asarray(section.signal, np.float64)[None], 1, len(groups))[0]
    rows = [
        _signal(signal, middles, f"{ident}-s") if signal is not None else None,
        *(
            _row(strip, middles, f"{ident}-{place}", remembers="f" in section.gates)
            for place, strip in enumerate(strips)
            if strip.cells.size
        ),
    ]
    shared = {"x": [round(v) for v in shape.across(middles).tolist()], "t": labels}
    return element(
        "div",
        stack(paragraphs(_explain(section, order)), "note prose"),
        data_block({**shared, "u": _unit_names(order)}),
        rows,
        _steps(labels, middles),
        class_="figure gates",
        data_linked=True,
    )


def step_names(labels: Sequence[str]) -> list[str]:
    """Labels as they are, but time stamps in words.

    Examples
    --------
    >>> step_names(["2006-01-01T00:00", "2007-01-01T00:00"]), step_names(["a", "b"])
    (['2006', '2007'], ['a', 'b'])
    """
    if labels and all(_STAMP.fullmatch(label) for label in labels):
        return formats.stamps(np.array(labels, "datetime64[s]"))
    return list(labels)


def _strip(name: str, activations: np.ndarray, columns: int) -> _Strip:
    values = np.clip(np.asarray(activations, np.float64), -LARGEST, LARGEST)
    cells = thin.pool(values.T, MOST_UNITS, columns)
    low, high = gate_range(name, cells)
    blocks = [part for part in np.array_split(values, max(1, columns)) if part.size]
    quartiles = np.array([_quartiles(part) for part in blocks]).reshape(-1, 3)
    return _Strip(name, cells, low, high, quartiles[:, 1], quartiles[:, 0], quartiles[:, 2])


def _quartiles(part: np.ndarray) -> tuple[float, float, float]:
    """First quartile over units, mean, third quartile."""
    known = part[np.isfinite(part)]
    if not known.size:
        return (np.nan, np.nan, np.nan)
    first, third = np.quantile(known, (0.25, 0.75))
    return float(first), float(known.mean()), float(third)


def _row(strip: _Strip, middles: np.ndarray, ident: str, remembers: bool) -> Markup:
    """A strip: its name, its heatmap, and its mean underneath."""
    known = strip.name in GATE_WORDS
    name, words = GATE_WORDS.get(strip.name, (strip.name, ""))
    title = f"{name} {strip.name}" if known else name
    there = strip.mean[np.isfinite(strip.mean)]
    mean = f"mean {formats.number(float(there.mean()))}" if there.size else "no values"
    rows, columns = strip.cells.shape
    description = f"{title} over {columns} steps and {rows} rows of units: {mean}."
    code = element("code", strip.name) if known else None
    label = element(
        "div",
        element("h3", code, " ", name),
        element("p", words) if words else None,
        _scale(strip),
        class_="strip-label",
    )
    drawings = (
        _heat(strip, f"{ident}-h", title, description, remembers),
        _mean(strip, middles, f"{ident}-m", title, description),
    )
    return element("div", label, element("div", map(draw, drawings)), class_="strip")


def _heat(strip: _Strip, ident: str, title: str, description: str, remembers: bool) -> Drawing:
    rows = strip.cells.shape[0]
    shades = image.shades(strip.cells, strip.low, strip.high)
    return Drawing(
        ident=ident,
        title=title,
        description=description,
        shapes=[],
        axes=Axes([], [], [Tick(0.94, "long"), Tick(0.06, "short")] if remembers else []),
        height=rows * max(1, round(STRIP_PIXELS / rows)),
        gutter=GUTTER,
        data={
            "s": [],
            "heat": {
                "rows": rows,
                "low": strip.low,
                "high": strip.high,
                "clipped": strip.clipped,
                "cells": base64.b64encode(shades.tobytes()).decode("ascii"),
            },
        },
        over=[stack([image.picture(shades, strip.ramp, description)], "heat")],
        class_="strip-heat",
    )


def _mean(strip: _Strip, middles: np.ndarray, ident: str, title: str, description: str) -> Drawing:
    y = number_axis(strip.quarter, strip.three_quarters, margin=0.12)
    curves = (strip.quarter, strip.three_quarters, strip.mean)
    at, low, high, centre = _treads(*(y.place(curve) for curve in curves))
    first, third, mean = (formats.column(curve.tolist()) for curve in curves)
    spread = [f"{a} to {b}" for a, b in zip(first, third, strict=True)]
    style = "opacity:.22"
    reading = Reading(
        middles,
        [],
        [
            Curve("mean", "point", mean, y.place(strip.mean)),
            Curve("middle half of units", "band", spread, style=style),
        ],
    )
    return Drawing(
        ident=ident,
        title=f"{title}: mean over units",
        description=description,
        shapes=[shape.band(at, low, high, "band", style), shape.line(at, centre, "point")],
        axes=Axes([], [], y.ticks(2)),
        height=52,
        gutter=GUTTER,
        data=reading.data(shared=True),
        class_="strip-mean",
    )


def _signal(signal: np.ndarray, middles: np.ndarray, ident: str) -> Markup:
    y = number_axis(signal, margin=0.08)
    at, curve = _treads(y.place(signal))
    drawing = Drawing(
        ident=ident,
        title="Signal",
        description=f"The input over {len(signal)} steps.",
        shapes=[shape.line(at, curve, "truth")],
        axes=Axes([], [], y.ticks(2)),
        height=84,
        gutter=GUTTER,
        data=Reading(
            middles,
            [],
            [Curve("signal", "truth", formats.column(signal.tolist()), y.place(signal))],
        ).data(shared=True),
    )
    label = element(
        "div", element("h3", "signal"), element("p", "what the layer read"), class_="strip-label"
    )
    return element("div", label, element("div", draw(drawing)), class_="strip")


def _treads(*curves: np.ndarray) -> tuple[np.ndarray, ...]:
    """Places along the steps, then the curves: stairs where there are few steps."""
    count = len(curves[0])
    if count > FEW_STEPS:
        return ((np.arange(count) + 0.5) / count, *curves)
    edges = np.arange(count + 1) / max(1, count)
    return (np.stack([edges[:-1], edges[1:]], 1).ravel(), *(np.repeat(c, 2) for c in curves))


def _scale(strip: _Strip) -> Markup:
    return element(
        "p",
        f"{'≤ ' * strip.clipped}{formats.number(strip.low, 2)}",
        element("i", class_="ramp diverging" if strip.low < 0 else "ramp sequential"),
        f"{'≥ ' * strip.clipped}{formats.number(strip.high, 2)}",
        class_="scale",
    )


def _steps(labels: list[str], middles: np.ndarray) -> Markup:
    """The step labels under the last strip, as many as fit."""
    longest = max((len(label) for label in labels), default=1)
    wide, narrow = (
        _chosen(labels, middles, max(2, min(most, int(room / longest))))
        for most, room in ((9, 66), (4, 26))
    )
    return element(
        "div",
        element("div", class_="strip-label"),
        draw(
            Drawing(
                ident="",
                title="Steps",
                description="",
                shapes=[],
                axes=Axes(wide, narrow, []),
                height=0,
                gutter=GUTTER,
                class_="strip-steps",
            )
        ),
        class_="strip",
    )


def _chosen(labels: list[str], middles: np.ndarray, count: int) -> list[Tick]:
    every = max(1, -(-len(labels) // count))
    return [Tick(float(middles[i]), labels[i]) for i in range(0, len(labels), every)]


def _unit_names(order: np.ndarray) -> list[str]:
    groups = np.array_split(order, min(len(order), MOST_UNITS)) if len(order) else []
    return [
        f"unit {group[0]}" if len(group) == 1 else f"{len(group)} units like {group[0]}"
        for group in groups
    ]


def _explain(section: sections.Gates, order: np.ndarray) -> str:
    if "f" not in section.gates:
        return "Each row is a unit, in the same order in every strip."
    means = unit_means(section.gates)[order]
    if not means.size:
        return "The layer has no units."
    ends = [formats.number(float(1 / max(1 - mean, 1e-3)), 2) for mean in means[[0, -1]]]
    return (
        "Each row is a unit, in the same order in every strip: by how much its forget gate kept. "
        f"The topmost keeps {means[0] * 100:.0f} % a step, a memory of about {ends[0]} steps; "
        f"the lowest keeps {means[-1] * 100:.0f} %, about {ends[1]}. "
        "Under each strip runs the mean over units, in the shade of the middle half of them."
    )
