"""Stays as steps: what lies in a window and a step, and what may not be seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cellstate.data.health import timelines as module
from cellstate.data.health.events import Events
from cellstate.data.health.timelines import Layout, Timelines, lay_out
from cellstate.data.health.windows import windows_of
from cellstate.errors import InputError


def events_of(rows: list[tuple[str, float, str, float]]) -> Events:
    names = sorted({row[0] for row in rows})
    codes = sorted({row[2] for row in rows})
    return Events.from_parts(
        [names.index(row[0]) for row in rows],
        [row[1] for row in rows],
        [codes.index(row[2]) for row in rows],
        [row[3] for row in rows],
        subjects=names,
        codes=codes,
        ranges={},
    )


def random_events(seed: int, stays: int = 7) -> Events:
    rng = np.random.default_rng(seed)
    rows = [
        (f"s{stay}", float(hour), rng.choice(["HR", "K", "note"]), float(rng.normal(80, 9)))
        for stay in range(stays)
        for hour in rng.uniform(0, 30, rng.integers(1, 20)).round(2)
    ]
    rows = [(s, h, c, np.nan if c == "note" else v) for s, h, c, v in rows]
    return events_of(rows + [(f"s{stay}", -np.inf, "Age", 50.0 + stay) for stay in range(stays)])


def slowly(events: Events, layout: Layout, length_h: float) -> list[dict[tuple[float, str], float]]:
    """Lay out by the definition, event by event."""
    laid = []
    for place in range(len(events)):
        rows = [
            (events.hours[k], events.codes[events.code[k]], events.value[k])
            for k in range(int(events.offsets[place]), int(events.offsets[place + 1]))
        ]
        timed = [row for row in rows if np.isfinite(row[0])]
        start = min(hour for hour, _, _ in timed)
        cells: dict[tuple[float, str], list[float]] = {}
        for hour, code, value in timed:
            since = hour - start
            if since > length_h:
                continue
            end = since
            if layout.every_h is not None:
                end = min(length_h, max(1.0, np.ceil(since / layout.every_h)) * layout.every_h)
            told = value if code in layout.valued else 1.0
            cells.setdefault((round(end, 6), code), []).append(told)
        laid.append({key: float(np.mean(values)) for key, values in cells.items()})
    return laid


def cells(laid: Timelines, stay: int) -> dict[tuple[float, str], float]:
    places = laid.places(np.array([stay]))
    return {
        (round(float(hour), 6), name): float(value)
        for hour, row in zip(laid.hours[places], laid.values[places], strict=True)
        for name, value in zip(laid.variables, row, strict=True)
        if not np.isnan(value)
    }


@pytest.mark.parametrize("every_h", [None, 1.0, 2.5])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_steps_hold_what_the_definition_says(every_h: float | None, seed: int) -> None:
    events = random_events(seed)
    layout = Layout.of(events, every_h)
    laid = lay_out(events, windows_of(events, events.subjects, length_h=20.0), layout)
    for stay, expected in enumerate(slowly(events, layout, 20.0)):
        found = cells(laid, stay)
        assert found.keys() == expected.keys()
        assert all(found[key] == pytest.approx(expected[key], rel=1e-6) for key in expected)
    assert laid.static[:, 0].tolist() == [50.0 + stay for stay in range(len(events))]


def test_nothing_after_the_prediction_time_changes_anything() -> None:
    events = random_events(3)
    rows = windows_of(events, events.subjects, end=np.full(len(events), 12.0), start=np.zeros(7))
    layout = Layout.of(events, 5.0)
    laid = lay_out(events, rows, layout)
    value = np.where(events.hours > 12.0, 1e6, events.value)
    later = Events(
        events.subjects, events.offsets, events.hours, events.code, value, events.codes,
    )  # fmt: skip
    again = lay_out(later, rows, layout)
    np.testing.assert_array_equal(laid.values, again.values)
    assert laid.hours.max() <= 12.0


def test_chunks_and_files_hold_what_one_array_does(monkeypatch: pytest.MonkeyPatch) -> None:
    events = random_events(4, stays=9)
    windows, layout = windows_of(events, events.subjects), Layout.of(events, 1.0)
    whole = lay_out(events, windows, layout)
    monkeypatch.setattr(module, "CHUNK", 2)
    monkeypatch.setattr(module, "IN_MEMORY", 10)
    parts = lay_out(events, windows, layout)
    assert isinstance(parts.values, np.memmap)
    np.testing.assert_array_equal(whole.values, parts.values)
    np.testing.assert_array_equal(whole.hours, parts.hours)
    np.testing.assert_array_equal(whole.offsets, parts.offsets)


def test_steps_that_are_asked_for_are_there_without_measurements() -> None:
    events = events_of([("a", 0.0, "HR", 80.0), ("b", 1.0, "HR", 70.0)])
    windows = windows_of(events, ["a", "b"], start=[0.0, 0.0], end=[3.0, 3.0])
    asked = (np.array([0, 0, 1]), np.array([0.0, 2.0, 1.0]))
    laid = lay_out(events, windows, Layout.of(events, None), asked=asked)
    assert laid.hours.tolist() == [0.0, 2.0, 1.0]
    np.testing.assert_array_equal(laid.values[:, 0], [80.0, np.nan, 70.0])


def test_a_stay_without_events_has_no_steps() -> None:
    events = events_of([("a", 5.0, "HR", 80.0), ("b", 1.0, "HR", 70.0)])
    laid = lay_out(
        events, windows_of(events, ["a", "z"], end=[2.0, 2.0], start=[0, 0]), Layout.of(events, 1.0)
    )
    assert laid.steps.tolist() == [0, 0]
    assert laid.take(np.array([1])).values.shape == (0, 1)


def test_taking_stays_keeps_their_steps() -> None:
    events = random_events(5)
    laid = lay_out(events, windows_of(events, events.subjects), Layout.of(events, 1.0))
    taken = laid.take(np.array([4, 1]))
    assert [cells(taken, 0), cells(taken, 1)] == [cells(laid, 4), cells(laid, 1)]


def test_rare_codes_become_no_columns() -> None:
    rows = [(f"s{k}", 0.0, "HR", 80.0) for k in range(300)] + [("s0", 1.0, "rare", 1.0)]
    assert Layout.of(events_of(rows), 1.0).variables == ("HR",)


def test_a_layout_is_read_back() -> None:
    layout = Layout.of(random_events(0), 2.0)
    assert Layout.from_dict(layout.as_dict()) == layout


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"end": [-1.0, 4.0], "start": [0.0, 0.0]}, "must be known and not lie before"),
        ({"end": [np.nan, 4.0], "start": [0.0, 0.0]}, "contrary in row 1"),
    ],
)
def test_bad_windows_are_refused_by_row(given: dict[str, Any], message: str) -> None:
    events = events_of([("a", 0.0, "HR", 80.0), ("b", 1.0, "HR", 70.0)])
    with pytest.raises(InputError, match=message):
        windows_of(events, ["a", "b"], **given)
