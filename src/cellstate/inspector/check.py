"""Whether a story's arrays fit together, said once before anything is drawn."""

from __future__ import annotations

from collections.abc import Sized
from typing import get_args

import numpy as np

from cellstate.errors import InputError, explain
from cellstate.tasks import sections


def check_story(where: str, story: object) -> sections.Story:
    """Return the story, or say which section cannot be drawn and why.

    Raises
    ------
    InputError
        It is no story, holds something that is no section, or arrays of different lengths.
    """
    if not isinstance(story, sections.Story):
        raise InputError(
            explain(
                where,
                "story must be a Story",
                type(story).__name__,
                "Pass what the estimator's story() returns",
            )
        )
    for section in story.sections:
        if not isinstance(section, get_args(sections.Section)):
            kinds = ", ".join(kind.__name__ for kind in get_args(sections.Section))
            raise InputError(
                explain(
                    where,
                    "every section must be of a known kind",
                    type(section).__name__,
                    f"Use one of {kinds}",
                )
            )
        _check_section(where, section)
    return story


def _check_section(where: str, section: sections.Section) -> None:
    place = f"{where}: {type(section).__name__} {section.title!r}"
    match section:
        case sections.Table():
            for row in section.rows:
                _same(place, "cells of a row", row, "columns", section.columns)
        case sections.Lines():
            for name, curve in section.curves.items():
                _same(place, f"values of {name!r}", curve, "places along x", section.x)
        case sections.Forecasts():
            for panel in section.panels:
                _check_panel(f"{place}, panel {panel.name!r}", panel)
        case sections.Histogram():
            _same(place, "counts", section.counts, "spaces between edges", section.edges[1:])
        case sections.Calibration():
            _same(place, "observed", section.observed, "nominal", section.nominal)
        case sections.Gates():
            _check_gates(place, section)
        case sections.Matrix():
            shape = (len(section.row_names), len(section.column_names))
            if np.shape(section.values) != shape:
                _refuse(place, f"values must have shape {shape}", f"{np.shape(section.values)}")
        case sections.Tokens():
            for passage in section.passages:
                _same(place, "values", passage.values, "pieces", passage.pieces)
                if passage.labels:
                    _same(place, "labels", passage.labels, "pieces", passage.pieces)
        case sections.Risks():
            for panel in section.panels:
                _same(f"{place}, panel {panel.name!r}", "risk", panel.risk, "times", panel.times)
        case _:
            pass


def _check_panel(place: str, panel: sections.ForecastPanel) -> None:
    _same(place, "past", panel.past, "past_times", panel.past_times)
    _same(place, "point", panel.point, "times", panel.times)
    if panel.truth is not None:
        _same(place, "truth", panel.truth, "times", panel.times)
    for level, (low, high) in panel.bands.items():
        _same(place, f"the low edge at {level}", low, "times", panel.times)
        _same(place, f"the high edge at {level}", high, "times", panel.times)


def _check_gates(place: str, section: sections.Gates) -> None:
    steps = len(section.step_labels)
    shapes = {np.shape(values) for values in section.gates.values()}
    if len(shapes) > 1 or any(len(shape) != 2 or shape[0] != steps for shape in shapes):
        _refuse(place, f"every gate must have shape ({steps}, units)", f"{sorted(shapes)}")
    if section.signal is not None:
        _same(place, "signal", section.signal, "step_labels", section.step_labels)


def _same(place: str, name: str, values: Sized, other_name: str, other: Sized) -> None:
    if len(values) != len(other):
        _refuse(
            place, f"{name} and {other_name} must be as many", f"{len(values)} and {len(other)}"
        )


def _refuse(place: str, must: str, given: str) -> None:
    raise InputError(explain(place, must, given, "Give arrays of one length"))
