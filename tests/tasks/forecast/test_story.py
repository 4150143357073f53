"""What a fitted forecaster has to show: every section, with numbers that can be drawn."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from cellstate.errors import InputError
from cellstate.tasks import sections
from cellstate.tasks.forecast.forecaster import Forecaster
from cellstate.tasks.sections import Story
from cellstate.train import TrainConfig
from tests.tasks.forecast.samples import HORIZON, KINDS, forecaster, wave, waves

Give = Callable[[str], Forecaster]


def find(story: Story, kind: type[Any], title: str = "") -> Any:
    [found] = [s for s in story.sections if isinstance(s, kind) and title in s.title]
    return found


def arrays_of(value: Any) -> list[np.ndarray]:
    """Collect every array of numbers in a section."""
    if isinstance(value, np.ndarray):
        return [value] if value.dtype.kind == "f" else []
    if dataclasses.is_dataclass(value):
        return [a for f in dataclasses.fields(value) for a in arrays_of(getattr(value, f.name))]
    if isinstance(value, dict):
        value = tuple(value.values())
    return [a for item in value for a in arrays_of(item)] if isinstance(value, tuple) else []


@pytest.mark.parametrize("kind", KINDS)
def test_a_story_shows_all_that_a_report_promises(kind: str, shopkeeper: Give) -> None:
    model = shopkeeper(kind)
    story = model.story()
    assert story.title == "Forecast of y"
    assert "3 series" in story.summary
    assert f"{HORIZON} periods ahead" in story.summary

    verdict = find(story, sections.Text, "Verdict")
    evaluation = model.evaluate()
    assert verdict.body == evaluation.verdict
    assert verdict.tone == ("good" if evaluation.winner == "LSTM" else "warning")

    table = find(story, sections.Table)
    assert table.columns == ("system", *evaluation.columns)
    assert [row[0] for row in table.rows] == list(evaluation.rows)
    assert table.best["MAE"] == "min"
    assert table.best["coverage 80"] == 80

    panels = find(story, sections.Forecasts).panels
    assert [panel.name.split("(")[1] for panel in panels] == ["best)", "median)", "worst)"]
    for panel in panels:
        assert panel.times.shape == panel.point.shape == panel.truth.shape == (HORIZON,)
        assert panel.past.shape == panel.past_times.shape
        assert panel.past_times[-1] < panel.times[0]
        assert set(panel.bands) == {80.0, 95.0}
        for lower, upper in panel.bands.values():
            assert (lower <= panel.point).all()
            assert (panel.point <= upper).all()

    calibration = find(story, sections.Calibration)
    assert (np.diff(calibration.nominal) > 0).all()
    assert (np.diff(calibration.observed) >= 0).all()
    assert ((calibration.observed >= 0) & (calibration.observed <= 100)).all()

    residuals = find(story, sections.Histogram)
    assert residuals.counts.sum() == np.isfinite(evaluation.rolled.truth).sum()  # type: ignore[union-attr]
    assert len(residuals.edges) == len(residuals.counts) + 1

    loss = find(story, sections.Lines)
    assert set(loss.curves) == {"training", "validation"}
    assert all(len(curve) == len(loss.x) for curve in loss.curves.values())

    gates = find(story, sections.Gates)
    steps = len(gates.step_labels)
    assert set(gates.gates) == {"i", "f", "g", "o", "c"}
    assert {gate.shape for gate in gates.gates.values()} == {(steps, model.fitted_.plan.width)}
    assert all(((gates.gates[k] >= 0) & (gates.gates[k] <= 1)).all() for k in "ifo")
    assert gates.signal.shape == (steps,)

    data = dict(find(story, sections.Facts, "Data").rows)
    assert data["Series"] == "3"
    assert "promotion" in data["Covariates"]
    again = dict(find(story, sections.Facts, "reproduce").rows)
    assert again["Estimator"] == repr(model)
    assert again["Seed"] == "0"


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_finite_where_nothing_is_missing(kind: str, surfer: Give) -> None:
    story = surfer(kind).story()
    found = [values for section in story.sections for values in arrays_of(section)]
    assert len(found) > 10
    assert all(np.isfinite(values).all() for values in found)


def test_held_out_rows_may_be_told_of(surfer: Give) -> None:
    story = surfer("direct").story(waves(9, start=60))
    assert "held-out rows" in story.summary
    assert len(find(story, sections.Forecasts).panels) == 2
    with pytest.raises(InputError, match="known already"):
        surfer("direct").story(waves(60))


@pytest.mark.parametrize("kind", ["direct", "student_t"])
@pytest.mark.parametrize("length", [2, HORIZON + 1])
def test_a_fit_without_a_validation_split_has_a_story_too(kind: str, length: int) -> None:
    horizon = min(HORIZON, length - 1)
    model = forecaster(kind, horizon=horizon, context=None).fit(wave(length))
    story = model.story()
    assert "after the training data" in find(story, sections.Text, "No comparison").body
    assert find(story, sections.Lines)
    assert find(story, sections.Facts, "Data")


@pytest.mark.parametrize("value", [0.0, 5.0])
def test_a_constant_series_has_a_story(value: float) -> None:
    model = forecaster("direct").fit(wave(40).with_columns(y=pl.lit(value)))
    story = model.story()
    found = [values for section in story.sections for values in arrays_of(section)]
    assert all(np.isfinite(values).all() for values in found)
    assert "wins" in find(story, sections.Text, "Verdict").body


def test_a_story_without_intervals_or_early_validation() -> None:
    model = forecaster("direct", levels=(), train=TrainConfig(epochs=2, valid_every=20))
    story = model.fit(waves(40, 30)).story()
    assert all(panel.bands == {} for panel in find(story, sections.Forecasts).panels)
    assert len(find(story, sections.Lines).x) == 3
