"""Risks of single subjects in the terminal."""

from __future__ import annotations

import numpy as np

from cellstate.inspector.judgement import (
    alarm_risks,
    risk_axis,
    strongest_movers,
    token_shares,
)
from cellstate.inspector.plot import characters, formats
from cellstate.inspector.plot.axis import Axis, number_axis
from cellstate.inspector.terminal import STYLES, Terminal
from cellstate.tasks import sections

MOST_PANELS = 6
MOST_ALARMS = 12
BAR = 16
RISK, THRESHOLD, EVENT = STYLES[0], STYLES[1], STYLES[3]


def print_risks(out: Terminal, section: sections.Risks) -> None:
    """Draw a panel for each subject, all on one scale, with its alarms in words."""
    threshold = np.array([] if section.threshold is None else [section.threshold], np.float64)
    y = risk_axis(section)
    out.key(
        [
            (section.y_label, RISK),
            *[("alarm threshold", THRESHOLD)] * len(threshold),
            (section.event, EVENT),
        ]
    )
    for panel in section.panels[:MOST_PANELS]:
        out.say(" ".join(filter(None, (panel.name, panel.caption))), "italic", 2)
        _draw(out, panel, y, y.place(threshold))
        out.say(f"{section.x_label}; {_alarms(panel)}", "dim", 2)
        _print_movers(out, panel)
    if len(section.panels) > MOST_PANELS:
        out.say(f"{len(section.panels) - MOST_PANELS:,} more are not drawn.", "dim", 2)


def _draw(out: Terminal, panel: sections.RiskPanel, y: Axis, levels: np.ndarray) -> None:
    event = np.full(2, np.nan if panel.event is None else panel.event)
    x = number_axis(panel.times, event, panel.alarms, margin=0)
    canvas, ends = out.canvas(8), np.array([0.0, 1.0])
    canvas.line(x.place(event), ends, EVENT)
    for level in levels:
        canvas.line(ends, np.full(2, level), THRESHOLD)
    canvas.line(x.place(panel.times), y.place(panel.risk), RISK)
    out.chart(canvas, x, y)


def _alarms(panel: sections.RiskPanel) -> str:
    if not len(panel.alarms):
        return "no alarm"
    told = zip(formats.stamps(panel.alarms), alarm_risks(panel), strict=True)
    words = [f"{time} ({formats.number(risk, 3)})" for time, risk in told]
    more = " …" if len(words) > MOST_ALARMS else ""
    return f"alarms: {', '.join(words[:MOST_ALARMS])}{more}"


def _print_movers(out: Terminal, panel: sections.RiskPanel) -> None:
    """What moved the risk most; the sign says which way."""
    movers = strongest_movers(panel)
    shares = token_shares(np.array([mover.effect for mover in movers]))
    out.grid(
        [
            (
                out.text(formats.number(mover.time), "dim"),
                out.text(mover.name),
                out.text(formats.signed(mover.effect)),
                out.text(
                    characters.bar(share, BAR, plain=out.plain),
                    RISK if mover.effect < 0 else THRESHOLD,
                ),
            )
            for mover, share in zip(movers, shares.tolist(), strict=True)
        ],
        numbers=(0, 2),
    )
