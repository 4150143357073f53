"""Forecasts as small multiples: the past, what came, what was said, and how sure it was."""

from __future__ import annotations

import numpy as np

from cellstate.inspector.judgement import Outlook
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
from cellstate.inspector.page.markup import Markup, element
from cellstate.inspector.plot import formats, thin
from cellstate.inspector.plot.axis import Axis, number_axis, time_axis
from cellstate.tasks import sections

MOST_PANELS = 24
MANY_DAYS = 1100  # a span of more is told in years


def forecasts(section: sections.Forecasts, ident: str, detail: Detail) -> Markup:
    """One panel a series, side by side where there is room, under one key."""
    panels = section.panels[:MOST_PANELS]
    share = max(1, len(panels))
    detail = Detail(max(24, 3 * detail.points // (2 + share)), max(8, detail.rows // share))
    alone = len(panels) == 1
    drawn = [
        _panel(panel, f"{ident}-{place}", detail, height=330 if alone else 240)
        for place, panel in enumerate(panels)
    ]
    hidden = len(section.panels) - len(panels)
    more = element("p", f"{hidden:,} more series are not drawn.", class_="note")
    return stack(
        [
            legend(_key(panels)),
            stack(drawn, "panels alone" if alone else "panels"),
            more if hidden else None,
        ],
        "figure",
    )


def _panel(panel: sections.ForecastPanel, ident: str, detail: Detail, height: int) -> Markup:
    outlook = Outlook.of(panel)
    x, y = outlook.axes()
    cut = outlook.cutoff(x)
    title = f"Forecast of {outlook.name}"
    drawing = Drawing(
        ident=ident,
        title=title,
        description=_describe(outlook),
        shapes=_shapes(outlook, x, y, cut, detail),
        axes=Axes.of(x, y, height),
        height=height,
        data=_reading(outlook, x, y, detail).data(),
        over=[] if cut is None else [mark_label(cut, "forecast →", before=True)],
    )
    return element(
        "figure",
        element(
            "figcaption",
            element("h3", outlook.name),
            element("p", outlook.caption) if outlook.caption else None,
        ),
        draw(drawing),
        _history(panel, outlook.first) if outlook.first else None,
        _table(outlook, title, detail),
        class_="panel",
    )


def _opacity(count: int) -> float:
    """Of each of so many bands; they lie over each other, so that the middle is the darkest."""
    return min(0.2, 0.6 / max(1, count))


def _cumulated(count: int) -> list[str]:
    """What each band looks like over the wider ones, as a style for its swatch."""
    return [f"opacity:{1 - (1 - _opacity(count)) ** (place + 1):.2f}" for place in range(count)]


def _key(panels: tuple[sections.ForecastPanel, ...]) -> list[tuple[str, str, str]]:
    levels = sorted({level for panel in panels for level in panel.bands}, reverse=True)
    shades = zip(_cumulated(len(levels)), levels, strict=True)
    return [
        *([("past", "", "past")] if any(len(panel.past) for panel in panels) else []),
        *([("truth", "", "truth")] if any(p.truth is not None for p in panels) else []),
        ("point", "", "forecast"),
        *(("band", shade, f"{formats.number(level)} %") for shade, level in shades),
    ]


def _shapes(outlook: Outlook, x: Axis, y: Axis, cut: float | None, detail: Detail) -> list[Markup]:
    before = thin.keep_extremes([outlook.past], detail.points)
    ahead = [outlook.point, *outlook.edges]
    ahead += [] if outlook.truth is None else [outlook.truth]
    near = thin.keep_extremes(ahead, detail.points)
    at, past_at = x.place(outlook.times[near]), x.place(outlook.past_times)
    style = f"opacity:{_opacity(len(outlook.bands)):.2f}"
    shapes = [
        shape.band(at, y.place(low[near]), y.place(high[near]), "band", style)
        for low, high in outlook.bands.values()
    ]
    if cut is not None:
        shapes.append(shape.upright(cut, "mark"))
    shapes.append(shape.line(past_at[before], y.place(outlook.past[before]), "past"))
    if outlook.truth is not None:
        # the truth goes on from the last value of the past: it is the same series
        times = np.concatenate([past_at[-1:], at])
        values = np.concatenate([outlook.past[-1:], outlook.truth[near]])
        shapes.append(shape.line(times, y.place(values), "truth"))
    shapes.append(shape.line(at, y.place(outlook.point[near]), "point"))
    return shapes


def _reading(outlook: Outlook, x: Axis, y: Axis, detail: Detail) -> Reading:
    """The crosshair runs over the past and the forecast as one axis."""
    steps = len(outlook.past)
    whole = np.concatenate([outlook.past, outlook.point])
    kept = thin.keep_extremes([whole], detail.points)

    def ahead(values: np.ndarray) -> np.ndarray:
        return np.concatenate([np.full(steps, np.nan), values])[kept]

    drawn = {"past": np.where(kept < steps, whole[kept], np.nan)}
    if outlook.truth is not None:
        drawn["truth"] = ahead(outlook.truth)
    drawn["forecast"] = ahead(outlook.point)
    edges = [ahead(edge) for edge in outlook.edges]
    cells = formats.column(np.concatenate([*drawn.values(), *edges]).tolist())
    texts = [cells[i : i + len(kept)] for i in range(0, len(cells), len(kept) or 1)]
    curves = [
        Curve(name, "point" if name == "forecast" else name, words, y.place(values))
        for (name, values), words in zip(drawn.items(), texts, strict=False)
    ]
    spans = texts[len(drawn) :]
    shades = _cumulated(len(outlook.bands))
    for level, low, high, style in zip(
        outlook.bands, spans[::2], spans[1::2], shades, strict=False
    ):
        words = [
            a if a == formats.MISSING else f"{a} to {b}" for a, b in zip(low, high, strict=True)
        ]
        curves.append(Curve(f"{formats.number(level)} %", "band", words, style=style))
    parts = [part for part in (outlook.past_times, outlook.times) if part.size]
    times = np.concatenate(parts)[kept] if parts else np.zeros(0)
    return Reading(x.place(times), formats.stamps(times), curves)


def _history(panel: sections.ForecastPanel, first: int) -> Markup:
    """The whole past, small, with the stretch that is drawn above."""
    times, values = np.asarray(panel.past_times), np.asarray(panel.past, np.float64)
    kept = thin.keep_extremes([values], 300)
    x, y = time_axis(times, panel.times), number_axis(values)
    start = np.nan_to_num(x.place(times[first : first + 1])[0])
    drawn = element(
        "svg",
        shape.stretch(float(start), 1.0, "window"),
        shape.line(x.place(times)[kept], y.place(values[kept]), "past thin"),
        viewBox=f"0 0 {shape.CANVAS} {shape.CANVAS}",
        preserveAspectRatio="none",
        aria_hidden="true",
    )
    labels = _ends(times[[0, -1]])
    words = f"The whole past, {labels[0]} to {labels[1]}: {len(values):,} steps"
    return stack([drawn, element("p", words)], "history")


def _ends(times: np.ndarray) -> list[str]:
    """The first and the last time, in years where there are many."""
    if times.dtype.kind == "M":
        days = times.astype("datetime64[D]")
        if days[1] - days[0] > np.timedelta64(MANY_DAYS, "D"):
            times = days.astype("datetime64[Y]")
    return formats.stamps(times)


def _table(outlook: Outlook, caption: str, detail: Detail) -> Markup:
    named = {} if outlook.truth is None else {"truth": outlook.truth}
    named["forecast"] = outlook.point
    for level, (low, high) in outlook.bands.items():
        named[f"{formats.number(level)} % low"] = low
        named[f"{formats.number(level)} % high"] = high
    columns = [formats.column(values[: detail.rows].tolist()) for values in named.values()]
    times = formats.stamps(outlook.times[: detail.rows])
    count = len(outlook.times)
    return values_table(caption, ["time", *named], [times, *columns], count)


def _describe(outlook: Outlook) -> str:
    point, truth = outlook.point, outlook.truth
    parts = [f"{len(outlook.past):,} past steps, {len(point):,} forecast"]
    known = point[np.isfinite(point)]
    if known.size:
        ends = formats.column([float(known.min()), float(known.max())])
        parts.append(f"forecast between {ends[0]} and {ends[1]}")
    if truth is not None and (both := np.isfinite(truth) & np.isfinite(point)).any():
        error = float(np.abs(truth[both] - point[both]).mean())
        parts.append(f"mean absolute error {formats.number(error)}")
    if outlook.bands:
        levels = ", ".join(f"{formats.number(level)} %" for level in outlook.bands)
        parts.append(f"intervals at {levels}")
    return "; ".join(parts) + "."
