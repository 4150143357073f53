"""Sections of the stories of health: calibration, decisions, groups, alarms, single stays.

A page may be sent on: stays are numbered as they are shown, and no id of a patient is named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cellstate.tasks import sections
from cellstate.tasks.health.alarms import Watch, raise_alarms, read_steps
from cellstate.tasks.health.bootstrap import Interval
from cellstate.tasks.health.calibration import calibration_curve
from cellstate.tasks.health.early_warning import AlarmCurve, AlarmScores, score_alarms
from cellstate.tasks.health.net_benefit import DecisionCurves
from cellstate.tasks.health.subgroups import (
    LEAST_EVENTS,
    LEAST_ROWS,
    RATIO,
    RATIO_METRIC,
    SHOWN,
    Subgroup,
)

DEEPEST = 0.5
"""How far below 0 net benefit is drawn, as a share of the highest."""


def calibration(
    truth: Any, risks: Any, *, title: str = "Calibration", note: str = ""
) -> sections.Calibration:
    """Set the mean risk of rows of like risk against the share of events."""
    curve = calibration_curve(truth, risks)
    words = (
        "Nominal: mean risk of a tenth of the rows; observed: share of events. "
        f"{curve.rows.sum():,} rows, {curve.events.sum():,} events; mean gap "
        f"{100 * curve.error:.1f} points. {note}"
    )
    return sections.Calibration(title, 100 * curve.risks, 100 * curve.shares, words.rstrip())


def decisions(curves: DecisionCurves) -> sections.Lines:
    """Draw net benefit over thresholds, beside acting on everybody and on nobody."""
    highest = max(
        (float(np.nan_to_num(c).max(initial=0.0)) for c in curves.systems.values()),
        default=0.0,
    )
    drawn = {**curves.systems, "all treated": curves.treat_all}
    shown = {
        name: np.where(values < -DEEPEST * highest, np.nan, values)
        for name, values in drawn.items()
    }
    return sections.Lines(
        "Net benefit",
        100 * curves.thresholds,
        {**shown, "none treated": np.zeros(len(curves.thresholds))},
        x_label="risk from which one acts, %",
        y_label="net benefit",
        note=(
            "Share of true alarms, less that of false ones times t / (1 − t), where t is the risk "
            "from which one acts. A system is of use where it is above both other lines."
        ),
    )


def subgroups(groups: Sequence[Subgroup], title: str = "By group of patients") -> sections.Table:
    """Set groups side by side; figures of small ones would be chance."""
    rows: list[tuple[Any, ...]] = []
    for group in groups:
        figures: list[Any] = [group.scores.get(name) for name in (*SHOWN, RATIO)]
        if group.is_small:
            figures[0] = "too few"
        rows.append((f"{group.kind}: {group.name}", group.shown_rows, group.shown_events, *figures))
    return sections.Table(
        title,
        ("group", "rows", "events", *SHOWN, RATIO),
        tuple(rows),
        note=(
            f"{RATIO}: {RATIO_METRIC.definition}. Groups of fewer than {LEAST_ROWS} rows, or fewer "
            f"than {LEAST_EVENTS} with or without the event, are too small to judge. AUROC within "
            "a group says nothing of differences between groups."
        ),
    )


def uncertainty(
    systems: Mapping[str, Mapping[str, Interval]], names: Sequence[str], *, note: str = ""
) -> sections.Table:
    """Show scores with their intervals over patients."""
    level = next((i.level for found in systems.values() for i in found.values()), 95.0)
    return sections.Table(
        "How sure the scores are",
        ("system", *names),
        tuple((name, *(str(found[n]) for n in names)) for name, found in systems.items()),
        note=f"In brackets {level:g} % intervals, patients drawn again. {note}".rstrip(),
    )


def alarms(curve: AlarmCurve, chosen: AlarmScores | None = None) -> list[sections.Lines]:
    """Draw what more alarms bring: events found, and found how long before."""
    marks: tuple[tuple[float, str], ...] = ()
    if chosen is not None and np.isfinite(rate := chosen()["alarms per patient-day"]):
        marks = ((rate, "chosen"),)
    found = {"events found": 100 * curve.sensitivity, "alarms that are true": 100 * curve.precision}
    return [
        sections.Lines(
            "Alarms and events found",
            curve.alarms_per_day,
            found,
            x_label="alarms per patient-day",
            y_label="%",
            marks=marks,
        ),
        sections.Lines(
            "Alarms and lead time",
            curve.alarms_per_day,
            {"median lead": curve.lead_time},
            x_label="alarms per patient-day",
            y_label="hours from the first true alarm to the event",
            marks=marks,
            note="Of the events that were found.",
        ),
    ]


def telling_stays(scores: AlarmScores) -> list[tuple[int, str]]:
    """Pick a stay of each kind: found in time, missed, alarmed for nothing, rightly quiet.

    Returns
    -------
    list of (int, str)
        Place of the stay and what became of it.
    """
    leads = np.where(np.isfinite(scores.leads), scores.leads, -1.0)
    by_lead = np.argsort(leads, kind="stable")
    found = by_lead[leads[by_lead] >= 0]
    picks: list[tuple[int, str]] = []
    if len(found):
        middle = int(found[len(found) // 2])
        picks.append((middle, f"found {leads[middle]:g} hours before"))
    kinds = (
        ("missed", scores.has_event & ~np.isfinite(scores.leads)),
        ("alarmed for nothing", ~scores.has_event & (scores.alarms > 0)),
        ("rightly quiet", ~scores.has_event & (scores.alarms == 0) & (scores.days > 0)),
    )
    for words, there in kinds:
        places = np.flatnonzero(there)
        if len(places):
            longest = places[np.argsort(-scores.days[places], kind="stable")]
            picks.append((int(longest[0]), words))
    return picks


def stays(
    watch: Watch,
    risks: Any,
    threshold: float,
    *,
    silence: float = 0.0,
    window: float,
    event: str = "event",
    movers: Callable[[int], Sequence[sections.Mover]] | None = None,
) -> sections.Risks:
    """Draw the risks of telling stays, with their alarms and what moved them.

    Parameters
    ----------
    watch : Watch
    risks : array-like
        (N,)
    threshold, silence, window
        As of `score_alarms`.
    event : str, default "event"
        What the event is called.
    movers : callable, optional
        Place of a stay -> what moved its risk; hours as those of `watch`.
    """
    risk = read_steps(watch, risks)
    sounds = raise_alarms(watch, risk, threshold, silence)
    scores = score_alarms(watch, risk, threshold, silence=silence, window=window)
    panels: list[sections.RiskPanel] = []
    for number, (place, words) in enumerate(telling_stays(scores), start=1):
        steps = slice(int(watch.offsets[place]), int(watch.offsets[place + 1]))
        hours = watch.hours[steps]
        start = float(hours[0])
        moment = float(watch.events[place])
        panels.append(
            sections.RiskPanel(
                name=f"stay {number}",
                times=hours - start,
                risk=risk[steps],
                alarms=hours[sounds[steps]] - start,
                event=moment - start if np.isfinite(moment) else None,
                movers=tuple(
                    sections.Mover(mover.time - start, mover.name, mover.effect)
                    for mover in (movers(place) if movers else ())
                ),
                caption=words,
            )
        )
    silent = f" After an alarm none sounds for {silence:g} hours." if silence > 0 else ""
    return sections.Risks(
        "Risks of single stays",
        tuple(panels),
        threshold=threshold,
        event=event,
        x_label="hours",
        note=f"An alarm is true where the event follows within {window:g} hours.{silent}",
    )
