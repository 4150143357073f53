"""Covariates on a common scale."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl

from cellstate.data import Columns, to_panel
from cellstate.tasks.forecast.covariates import CovariateScale
from tests.tasks.forecast.samples import waves

COLUMNS = Columns(past="p", future=("f", "constant"), static="s")


def frame() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    rows = waves(30, 20)
    p = 1e4 + 300 * rng.normal(size=50)
    p[3] = np.nan
    return rows.with_columns(
        p=p, f=rng.normal(size=50) - 5, constant=pl.lit(3.0), s=pl.col("unique_id").str.len_bytes()
    ).with_columns(s=pl.when(pl.col("unique_id") == "s0").then(10).otherwise(30))


def test_scaled_covariates_have_mean_0_and_deviation_1() -> None:
    panel = to_panel(frame(), COLUMNS)
    scaled = CovariateScale.of(panel).apply(panel)
    seen = np.isfinite(panel.past[:, 0])
    np.testing.assert_allclose(scaled.past[seen].mean(), 0, atol=1e-4)
    np.testing.assert_allclose(scaled.past[seen].std(), 1, rtol=1e-4)
    np.testing.assert_allclose(scaled.future[:, 0].std(), 1, rtol=1e-4)
    assert scaled.static.ravel().tolist() == [-1, 1]
    assert scaled.past.dtype == scaled.future.dtype == np.float32


def test_a_missing_value_counts_as_the_mean_and_a_constant_one_divides_by_nothing() -> None:
    panel = to_panel(frame(), COLUMNS)
    scaled = CovariateScale.of(panel).apply(panel)
    assert scaled.past[3, 0] == 0
    assert (scaled.future[:, 1] == 0).all()


def test_the_target_has_no_part_in_it() -> None:
    panel = to_panel(frame(), COLUMNS)
    other = to_panel(frame().with_columns(y=pl.col("y") * 1e6), COLUMNS)
    assert CovariateScale.of(panel).as_dict() == CovariateScale.of(other).as_dict()
    applied = CovariateScale.of(panel).apply(panel)
    assert np.array_equal(applied.target, panel.target)


def test_it_comes_back_from_plain_data() -> None:
    scale = CovariateScale.of(to_panel(frame(), COLUMNS))
    again = CovariateScale.from_dict(json.loads(json.dumps(scale.as_dict())))
    values = np.random.default_rng(1).normal(size=(5, 2)).astype(np.float32)
    assert np.array_equal(again.scale(values, "future"), scale.scale(values, "future"))


def test_columns_that_are_all_missing_or_absent_do_no_harm() -> None:
    empty = frame().with_columns(p=pl.lit(None, pl.Float64))
    panel = to_panel(empty, Columns(past="p"))
    scale = CovariateScale.of(panel)
    assert (scale.apply(panel).past == 0).all()
    assert scale.scale(np.zeros((4, 0), np.float32), "static").shape == (4, 0)


def test_named_series_have_an_indicator_and_strangers_the_mean() -> None:
    panel = to_panel(frame(), COLUMNS)
    scale = CovariateScale.of(panel, panel.ids)
    again = CovariateScale.from_dict(json.loads(json.dumps(scale.as_dict())))
    assert again.static(panel).tolist() == [[-1, 1, -1], [1, -1, 1]]
    other = replace(panel, ids=("stranger", panel.ids[0]))
    assert again.apply(other).static[:, 1:].tolist() == [[0, 0], [1, -1]]
