"""Risks of single subjects: the curve, its alarms, the event, and what moved it."""

from __future__ import annotations

import math

import numpy as np

from cellstate.inspector.judgement import alarm_risks, risk_axis, strongest_movers, token_shares
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
from cellstate.inspector.plot.axis import Axis, number_axis
from cellstate.tasks import sections

MOST_PANELS = 12
MOST_ALARMS = 200
HEIGHT = 220


def risks(section: sections.Risks, ident: str, detail: Detail) -> Markup:
    """One panel a subject, all on one scale, under one key."""
    panels = section.panels[:MOST_PANELS]
    share = max(1, len(panels))
    detail = Detail(max(24, 3 * detail.points // (2 + share)), max(8, detail.rows // share))
    y = risk_axis(section)
    drawn = [
        _panel(section, panel, y, f"{ident}-{place}", detail) for place, panel in enumerate(panels)
    ]
    hidden = len(section.panels) - len(panels)
    return stack(
        [
            legend(_key(section)),
            stack(drawn, "panels alone" if len(panels) == 1 else "panels"),
            element("p", f"{hidden:,} more are not drawn.", class_="note") if hidden else None,
        ],
        "figure",
    )


def _key(section: sections.Risks) -> list[tuple[str, str, str]]:
    key = [("point", "", section.y_label)]
    if section.threshold is not None:
        key.append(("c1 dashed", "", f"alarm from {formats.number(section.threshold, 3)}"))
    if any(len(panel.alarms) for panel in section.panels):
        key.append(("alarm", "", "alarm"))
    return key


def _panel(
    section: sections.Risks, panel: sections.RiskPanel, y: Axis, ident: str, detail: Detail
) -> Markup:
    times, risk = np.asarray(panel.times, np.float64), np.asarray(panel.risk, np.float64)
    kept = thin.keep_extremes([risk], detail.points)
    event = np.array([math.nan if panel.event is None else panel.event])
    x = number_axis(times, event, panel.alarms, margin=0.0)
    at, height = x.place(times[kept]), y.place(risk[kept])
    mark = float(x.place(event)[0])
    alarms = np.asarray(panel.alarms, np.float64)[:MOST_ALARMS]
    dots = zip(x.place(alarms), y.place(alarm_risks(panel)[:MOST_ALARMS]), strict=True)
    shapes = [shape.line(at, height, "point")]
    if section.threshold is not None:
        level = float(y.place(np.array([section.threshold]))[0])
        shapes.insert(0, shape.level(level, "line c1 dashed") if 0 <= level <= 1 else Markup(""))
    if 0 <= mark <= 1:
        shapes.insert(0, shape.upright(mark, "event"))
    title = f"{section.y_label} of {panel.name}"
    stamps = formats.stamps(times[kept])
    texts = formats.column(risk[kept].tolist())
    labels = [f"{section.x_label} {stamp}" for stamp in stamps]
    drawing = Drawing(
        ident=ident,
        title=title,
        description=_describe(section, panel),
        shapes=shapes,
        axes=Axes.of(x, y, HEIGHT, section.x_label),
        height=HEIGHT,
        data=Reading(at, labels, [Curve(section.y_label, "point", texts, height)]).data(),
        over=[
            *([mark_label(mark, section.event, before=True)] if 0 <= mark <= 1 else []),
            *(_dot(a, b) for a, b in dots if 0 <= a <= 1 and 0 <= b <= 1),
        ],
    )
    table = values_table(
        title,
        [section.x_label, section.y_label],
        [stamps[: detail.rows], texts[: detail.rows]],
        len(times),
    )
    return element(
        "figure",
        element(
            "figcaption",
            element("h3", panel.name),
            element("p", panel.caption) if panel.caption else None,
        ),
        draw(drawing),
        _movers(section, panel),
        table,
        class_="panel",
    )


def _dot(x: float, y: float) -> Markup:
    style = f"left:{x * 100:.2f}%;top:{(1 - y) * 100:.2f}%"
    return element("i", class_="dot alarm", style=style, aria_hidden="true")


def _movers(section: sections.Risks, panel: sections.RiskPanel) -> Markup | None:
    """What moved the risk most, in the order of time; the sign says which way, and the hue."""
    movers = strongest_movers(panel)
    if not movers:
        return None
    shares = token_shares(np.array([mover.effect for mover in movers]))
    times = formats.stamps(np.array([mover.time for mover in movers], np.float64))
    rows = [
        element(
            "tr",
            element("th", time, scope="row"),
            element("td", mover.name),
            element(
                "td",
                formats.signed(mover.effect),
                class_=f"number barred {'raises' if mover.effect > 0 else 'lowers'}",
                style=f"--bar:{share:.3f}",
            ),
        )
        for mover, time, share in zip(movers, times, shares, strict=True)
    ]
    head = element(
        "tr",
        element("th", section.x_label, scope="col"),
        element("th", "what moved it", scope="col"),
        element("th", "by", scope="col", class_="number"),
    )
    title = f"What moved the {section.y_label} of {panel.name}"
    caption = element("caption", title)
    table = element("table", caption, element("thead", head), element("tbody", rows))
    return element(
        "div",
        table,
        class_="movers scroll",
        tabindex="0",
        role="region",
        aria_label=f"Table: {title}",
    )


def _describe(section: sections.Risks, panel: sections.RiskPanel) -> str:
    risk = np.asarray(panel.risk, np.float64)
    known = risk[np.isfinite(risk)]
    parts = [f"{len(risk):,} steps"]
    if known.size:
        ends = formats.column([float(known.min()), float(known.max())])
        parts.append(f"{section.y_label} between {ends[0]} and {ends[1]}")
    if len(panel.alarms):
        first = formats.number(float(np.min(panel.alarms)))
        parts.append(f"{len(panel.alarms):,} alarms, the first at {first}")
    else:
        parts.append("no alarm")
    if panel.event is not None:
        parts.append(f"{section.event} at {formats.number(panel.event)}")
    return "; ".join(parts) + "."
