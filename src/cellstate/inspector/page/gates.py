"""What the gates of one LSTM layer did over one window, unit by unit.

Rows are units and columns are steps. The units stand in one order in every strip: by how much
their forget gate kept on average, so that the long memories are on top. A gate that keeps a share
f of its cell at each step remembers for about 1 / (1 - f) steps.
"""

from __future__ import annotations

import base64
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
MOST_UNITS = 96  # rows of a strip; more are averaged with their neighbours


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
        return colour.DIVERGING if self.low < 0 else colour.SEQUENTIAL


def gates(section: sections.Gates, ident: str, detail: Detail) -> Markup:
    """The signal, then a strip per gate over the same steps, under one crosshair."""
    order = unit_order(section.gates)
    steps = len(section.step_labels)
    groups = np.array_split(np.arange(steps), min(steps, detail.columns)) if steps else []
    labels = [section.step_labels[group[0]] for group in groups]
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
    name, words = GATE_WORDS.get(strip.name, (strip.name, ""))
    title = f"{name} {strip.name}" if strip.name in GATE_WORDS else name
    shades = image.shades(strip.cells, strip.low, strip.high)
    summary = (
        f"{title} over {strip.cells.shape[1]} steps and {strip.cells.shape[0]} rows of units; "
        f"mean {formats.number(float(np.nanmean(strip.mean)))}."
        if np.isfinite(strip.mean).any()
        else f"{title}: no values."
    )
    ends = [Tick(0.94, "long"), Tick(0.06, "short")] if remembers else []
    heat = Drawing(
        ident=f"{ident}-h",
        title=title,
        description=summary,
        shapes=[],
        axes=Axes([], [], ends),
        height=104,
        gutter=GUTTER,
        data={
            "s": [],
            "heat": {
                "rows": strip.cells.shape[0],
                "low": strip.low,
                "high": strip.high,
                "clipped": bool((np.abs(strip.cells) > strip.high).any()),
                "cells": base64.b64encode(shades.tobytes()).decode("ascii"),
            },
        },
        over=[stack([image.picture(shades, strip.ramp, summary)], "heat")],
        class_="strip-heat",
    )
    y = number_axis(strip.quarter, strip.three_quarters, margin=0.12)
    texts = formats.column(strip.mean.tolist())
    spread = [
        f"{a} to {b}"
        for a, b in zip(
            formats.column(strip.quarter.tolist()),
            formats.column(strip.three_quarters.tolist()),
            strict=True,
        )
    ]
    mean = Drawing(
        ident=f"{ident}-m",
        title=f"{title}: mean over units",
        description=summary,
        shapes=[
            shape.band(
                middles,
                y.place(strip.quarter),
                y.place(strip.three_quarters),
                "band",
                "opacity:.22",
            ),
            shape.line(middles, y.place(strip.mean), "point"),
        ],
        axes=Axes([], [], y.ticks(2)),
        height=52,
        gutter=GUTTER,
        data=Reading(
            middles,
            [],
            [
                Curve("mean", "point", texts, y.place(strip.mean)),
                Curve("middle half of units", "band", spread, style="opacity:.22"),
            ],
        ).data(shared=True),
        class_="strip-mean",
    )
    return element(
        "div",
        element(
            "div",
            element(
                "h3", element("code", strip.name) if strip.name in GATE_WORDS else None, " ", name
            ),
            element("p", words) if words else None,
            _scale(strip),
            class_="strip-label",
        ),
        element("div", draw(heat), draw(mean)),
        class_="strip",
    )


def _signal(signal: np.ndarray, middles: np.ndarray, ident: str) -> Markup:
    y = number_axis(signal, margin=0.08)
    drawing = Drawing(
        ident=ident,
        title="Signal",
        description=f"The input over {len(signal)} steps.",
        shapes=[shape.line(middles, y.place(signal), "truth")],
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


def _scale(strip: _Strip) -> Markup:
    clipped = bool((np.abs(strip.cells) > strip.high).any())
    return element(
        "p",
        f"{'≤ ' * clipped}{formats.number(strip.low, 2)}",
        element("i", class_="ramp diverging" if strip.low < 0 else "ramp sequential"),
        f"{'≥ ' * clipped}{formats.number(strip.high, 2)}",
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
