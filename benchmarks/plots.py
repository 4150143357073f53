"""Bar charts of results for the documentation, drawn from the CSV files whenever it is built.

As in the reports, SVG shapes are stretched by the browser and words laid over them as HTML, so that
a chart can be read on a phone and on a wall.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.harness.options import ROOT
from benchmarks.harness.record import Row, read
from cellstate.errors import InputError, did_you_mean, explain
from cellstate.inspector.page.markup import Markup, element
from cellstate.inspector.plot import formats
from cellstate.inspector.plot.axis import Axis, number_axis

RESULTS = ROOT / "benchmarks" / "results"
RATIO = "times_faster_than_"
SUMMARIES = ("_least", "_median", "_most")  # of many cases: no peers' names
COLOURS = {  # of the style sheet; a peer has one colour in all charts
    "cellstate": "blue",
    "torch.nn.LSTM": "orange",
    "onnxruntime": "green",
    "torch.nn.LSTMCell": "gold",
    "keras on torch": "purple",
    "keras on jax": "sky",
    "torch.compile of a loop": "gold",
}
SPARE = ("purple", "sky", "gold", "green", "orange")
CANVAS = 10_000
BAR, GAP, ENDS = 100, 24, 60  # of a bar's height, on the canvas


@dataclass(frozen=True)
class Bars:
    """What a chart shows: a value for each case and name, some of them missing."""

    cases: tuple[str, ...]
    names: tuple[str, ...]
    values: dict[tuple[str, str], float]


def ratios(rows: Sequence[Row]) -> Bars:
    """How many times faster Cellstate is than each peer.

    Examples
    --------
    >>> ratios([Row("T 9", "cellstate", "times_faster_than_torch.nn.LSTM", 2.0)]).names
    ('torch.nn.LSTM',)
    """
    shown = [
        (row.case, row.metric.removeprefix(RATIO), row.value)
        for row in rows
        if row.metric.startswith(RATIO) and not row.metric.endswith(SUMMARIES)
    ]
    return _bars(shown)


def amounts(rows: Sequence[Row], metric: str) -> Bars:
    """One metric of every system."""
    return _bars([(row.case, row.system, row.value) for row in rows if row.metric == metric])


def chart(name: str, metric: str | None = None, results: Path = RESULTS) -> Markup:
    """Draw a result file as horizontal bars, in groups by case.

    Parameters
    ----------
    name : str
        The benchmark.
    metric : str, optional
        The metric, drawn from zero. Left out, how many times faster Cellstate is than each other,
        on a logarithmic axis: to the right of 1 it is faster, to the left it is slower.
    results : Path
        The folder of the result files.

    Raises
    ------
    InputError
        There are no such results, or they hold nothing to draw.
    """
    rows = read(results / f"{name}.csv")
    bars = ratios(rows) if metric is None else amounts(rows, metric)
    if not bars.values:
        must = f"{name}.csv must hold the metric {metric or RATIO + '…'}"
        known = sorted({row.metric for row in rows})
        raise InputError(explain("plots", must, "other ones", did_you_mean(metric or "", known)))
    numbers = np.array(list(bars.values.values()))
    if metric is None:
        axis, start = number_axis(np.append(numbers, [0.8, 1.25]), log=True, margin=0.0), 1.0
        words = "Times faster than each; left of 1, slower"
    else:
        whole = 100.0 if metric.startswith("percent_") else 0.0
        axis, start = Axis(0.0, max(whole, float(numbers.max()))), 0.0
        words = metric.replace("_", " ").capitalize()
    groups = [_group(bars, case, axis, start) for case in bars.cases]
    machines = "; ".join(dict.fromkeys(row.machine for row in rows))
    legend = [
        element("li", element("i", class_=f"bench-{colour}", aria_hidden="true"), name)
        for name, colour in _colours(bars.names).items()
    ]
    return element(
        "figure",
        element("ul", legend, class_="bench-legend"),
        groups,
        element("div", element("span"), element("div", _ticks(axis)), class_="bench-axis"),
        element("figcaption", f"{words}; measured on {machines}."),
        class_="bench",
    )


def _bars(shown: list[tuple[str, str, float]]) -> Bars:
    found: dict[tuple[str, str], list[float]] = {}
    for case, name, value in shown:
        found.setdefault((case, name), []).append(value)
    return Bars(
        tuple(dict.fromkeys(case for case, _ in found)),
        tuple(dict.fromkeys(name for _, name in found)),
        {key: statistics.median(values) for key, values in found.items()},
    )


def _colours(names: Sequence[str]) -> dict[str, str]:
    known = {COLOURS[name] for name in names if name in COLOURS}
    spare = iter([colour for colour in SPARE if colour not in known])
    return {name: COLOURS.get(name) or next(spare, SPARE[0]) for name in names}


def _group(bars: Bars, case: str, axis: Axis, start: float) -> Markup:
    """Draw one case: its name, a bar for each name, and each figure beside its bar."""
    present = [name for name in bars.names if (case, name) in bars.values]
    height = 2 * ENDS + len(present) * (BAR + GAP) - GAP
    ground = float(axis.place(np.array([start]))[0])
    colours = _colours(bars.names)
    shapes: list[Markup] = [_rule(tick.place, height, "bench-grid") for tick in axis.ticks(4)]
    figures: list[Markup] = []
    for number, name in enumerate(present):
        value = bars.values[case, name]
        end = float(axis.place(np.array([value]))[0])
        left, right, top = min(ground, end), max(ground, end), ENDS + number * (BAR + GAP)
        shapes.append(
            element(
                "rect",
                element("title", f"{case}, {name}: {formats.number(value, 3)}"),
                x=f"{left * CANVAS:.0f}",
                width=f"{(right - left) * CANVAS:.0f}",
                y=top,
                height=BAR,
                class_=f"bench-{colours[name]}",
            )
        )
        style = f"left:{right * 100:.2f}%;top:{(top + BAR / 2) / height * 100:.2f}%"
        figures.append(element("span", formats.number(value, 3), style=style))
    shapes.append(_rule(ground, height, "bench-ground"))
    drawing = element(
        "svg",
        shapes,
        viewBox=f"0 0 {CANVAS} {height}",
        preserveAspectRatio="none",
        role="img",
        aria_label=case,
    )
    plot = element("div", drawing, figures, class_="bench-plot", style=f"--bars:{len(present)}")
    return element("div", element("span", case), plot, class_="bench-case")


def _rule(place: float, height: int, class_: str) -> Markup:
    return element("path", class_=class_, d=f"M{place * CANVAS:.0f} 0V{height}")


def _ticks(axis: Axis) -> list[Markup]:
    return [
        element("span", tick.label, style=f"left:{tick.place * 100:.2f}%") for tick in axis.ticks(4)
    ]
