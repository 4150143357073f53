"""The settings that are derived from the data: within their bounds for data of any shape."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cellstate.data import Panel, to_panel
from cellstate.errors import InputError
from cellstate.tasks.forecast.plan import SIZES, Plan, make_plan


def panel_of(lengths: list[int], every: str = "D", values: np.ndarray | None = None) -> Panel:
    parts = []
    for number, length in enumerate(lengths):
        y = np.sin(np.arange(length)) if values is None else values[:length]
        ds = np.arange(length) if every == "1" else pd.date_range("2020-01-01", None, length, every)
        parts.append(pd.DataFrame({"unique_id": number, "ds": ds, "y": y}))
    return to_panel(pd.concat(parts), frequency=1 if every == "1" else every)


def plan_of(panel: Panel, **options: object) -> Plan:
    given = {
        "horizon": 12,
        "context": None,
        "size": "small",
        "levels": (80, 95),
        "decoder": "direct",
        "distribution": "student_t",
    }
    return make_plan(panel, **{**given, **options})  # type: ignore[arg-type]


@given(
    lengths=st.lists(st.integers(2, 1500), min_size=1, max_size=3),
    every=st.sampled_from(["D", "h", "15min", "MS", "QS", "7D", "B", "1", "YS"]),
    horizon=st.integers(1, 400),
    context=st.none() | st.integers(1, 600),
    size=st.sampled_from(sorted(SIZES)),
    decoder=st.sampled_from(["direct", "recursive"]),
)
@example(lengths=[2], every="h", horizon=1, context=None, size="small", decoder="direct")
def test_settings_fit_one_another(
    lengths: list[int], every: str, horizon: int, context: int | None, size: str, decoder: str
) -> None:
    if every in ("MS", "QS", "YS"):  # pandas ends in 2262
        lengths = [min(length, 200) for length in lengths]
    plan = plan_of(
        panel_of(lengths, every), horizon=horizon, context=context, size=size, decoder=decoder
    )
    assert plan.horizon == horizon
    assert 1 <= plan.segment <= plan.context
    assert plan.context % plan.segment == 0
    assert 1 <= plan.season <= plan.context
    assert 1 <= plan.recent <= plan.context
    assert (plan.answers - 1) * plan.segment < horizon <= plan.answers * plan.segment
    if context is not None:
        assert context - plan.segment < plan.context <= context
    assert plan.width >= 8
    assert plan.layers >= 1
    assert plan.known == plan.past == 0
    assert plan.static == plan.named * len(lengths)
    assert Plan.from_dict(json.loads(json.dumps(asdict(plan)))) == plan


def test_larger_sizes_are_wider_or_deeper() -> None:
    panel = panel_of([300])
    plans = [plan_of(panel, size=size) for size in ("small", "medium", "large")]
    sizes = [plan.width * plan.layers for plan in plans]
    assert sizes == sorted(set(sizes))
    with pytest.raises(InputError, match="Did you mean 'medium'"):
        plan_of(panel, size="medum")


def test_long_series_are_read_over_two_seasons() -> None:
    plan = plan_of(panel_of([400], "h"), horizon=24)
    assert plan.season >= 24
    assert plan.context >= 2 * 24
    assert plan.season % plan.segment == 0


MONTHS = np.arange(120)
SWING = np.sin(2 * np.pi * MONTHS / 12)


def test_the_logarithm_is_taken_where_the_swing_grows_with_the_level() -> None:
    growing = 100 * 1.01**MONTHS * (1 + 0.2 * SWING)
    assert plan_of(panel_of([120], "MS", growing)).log
    assert not plan_of(panel_of([120], "MS", 100 + MONTHS + 20 * SWING)).log
    assert not plan_of(panel_of([120], "MS", growing - growing.min())).log  # holds a zero
    assert not plan_of(panel_of([120], "MS", -growing)).log
    holed = np.where(MONTHS % 17 == 3, np.nan, growing)
    assert plan_of(panel_of([120], "MS", holed)).log
    assert not plan_of(panel_of([120], "MS", np.full(120, 7.0))).log
    assert not plan_of(panel_of([24], "MS", growing)).log  # too short to tell
