"""What a network sees of each step, told at once or piece by piece."""

from __future__ import annotations

import numpy as np
import pytest

from cellstate.data.health.timelines import Timelines
from cellstate.tasks.health.scales import FAR, Scales
from cellstate.tasks.health.steps import FRESH_H, Padded, StepEncoder
from cellstate.tasks.health.summaries import PER_VARIABLE, summarize


def timelines(seed: int, stays: int = 6, V: int = 3) -> Timelines:
    rng = np.random.default_rng(seed)
    steps = rng.integers(0, 9, stays)
    offsets = np.concatenate([[0], np.cumsum(steps)])
    values = rng.lognormal(size=(offsets[-1], V)).astype(np.float32)
    values[rng.random(values.shape) < 0.5] = np.nan
    hours = np.concatenate([np.sort(rng.uniform(0, 20, n)) for n in steps] or [np.zeros(0)])
    static = rng.normal(size=(stays, 2)).astype(np.float32)
    static[0, 1] = np.nan
    names = tuple(f"v{k}" for k in range(V))
    ids = np.array([f"s{k}" for k in range(stays)], dtype=object)
    return Timelines(ids, offsets, hours, values, names, static, ("a", "b"), np.full(stays, 24.0))


@pytest.mark.parametrize("seed", range(4))
def test_any_split_of_a_stay_gives_the_features_of_the_whole(seed: int) -> None:
    laid = timelines(seed)
    encoder = StepEncoder.of(laid)
    padded = encoder.padded(laid, np.arange(len(laid)))
    whole, last = encoder.features(padded)
    memory, parts, at = None, [], 0
    for size in (1, 3, 2, 20):
        piece = slice(at, at + size)
        part = Padded(
            padded.values[:, piece], padded.hours[:, piece], padded.static, padded.lengths
        )
        if part.values.shape[1]:
            told, memory = encoder.features(part, memory)
            parts.append(told)
        at += size
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=1e-6)
    for mine, theirs in zip(vars(memory).values(), vars(last).values(), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-9)


def test_features_say_what_is_known_how_old_it_is_and_where_it_has_been() -> None:
    values = np.array([[[1.0], [np.nan], [3.0], [np.nan]]], dtype=np.float32)
    padded = Padded(
        values, np.array([[0.0, 2.0, 3.0, 6.0]]), np.zeros((1, 0), np.float32), np.array([4])
    )
    scales = Scales(np.linspace(-4, 4, 9)[None])
    encoder = StepEncoder(("v",), (), scales, Scales(np.zeros((0, 9))))
    x, memory = encoder.features(padded)
    last, measured, fresh, change, mean, low, high = (x[0, :, k].tolist() for k in range(7))
    assert last == [1, 1, 3, 3]
    assert measured == [1, 0, 1, 0]
    np.testing.assert_allclose(fresh, np.exp(-np.array([0, 2, 0, 3]) / FRESH_H), rtol=1e-6)
    assert change == [0, 0, 2, 2]
    assert mean == [1, 1, 2, 2]
    assert (low, high) == ([1, 1, 1, 1], [1, 1, 3, 3])
    assert (memory.last.item(), memory.before.item(), memory.at.item()) == (3.0, 1.0, 3.0)


def test_what_comes_later_changes_no_earlier_feature() -> None:
    laid = timelines(9)
    encoder = StepEncoder.of(laid)
    padded = encoder.padded(laid, np.arange(len(laid)))
    before, _ = encoder.features(padded)
    changed = padded.values.copy()
    changed[:, 4:] = 3.0
    after, _ = encoder.features(Padded(changed, padded.hours, padded.static, padded.lengths))
    np.testing.assert_array_equal(before[:, :4], after[:, :4])


def test_an_encoder_is_read_back() -> None:
    laid = timelines(2)
    encoder = StepEncoder.of(laid)
    again = StepEncoder.from_dict(encoder.as_dict())
    rows = np.arange(len(laid))
    np.testing.assert_array_equal(
        encoder.features(encoder.padded(laid, rows))[0],
        again.features(again.padded(laid, rows))[0],
    )


@pytest.mark.parametrize("values", [[5.0, 5.0, 5.0], [5.0], [0.0, 0.0, 0.0, 1.0], [1e9, 1e9 + 1]])
def test_scales_bear_constants_and_ties(values: list[float]) -> None:
    scales = Scales.of(np.array(values)[:, None])
    assert (np.diff(scales.quantiles[0]) > 0).all()
    told = scales(np.array([[values[0]], [np.nan], [1e30], [-1e30]]))[:, 0]
    assert np.isnan(told[1])
    assert told[2] == FAR
    assert told[3] == -FAR
    assert np.isfinite(told[0])


def test_a_variable_without_values_stays_unknown() -> None:
    scales = Scales.of(np.full((4, 1), np.nan))
    assert np.isnan(scales(np.ones((2, 1)))).all()
    assert np.isnan(Scales.from_list(scales.as_list()).quantiles).all()


def test_summaries_are_those_of_the_definition() -> None:
    laid = timelines(5)
    found = summarize(laid)
    columns = len(PER_VARIABLE) * len(laid.variables) + len(laid.static_names)
    assert found.shape == (len(laid), columns)
    for stay in range(len(laid)):
        rows = laid.places(np.array([stay]))
        for place, name in enumerate(laid.variables):
            column, hours = laid.values[rows, place].astype(float), laid.hours[rows]
            known = ~np.isnan(column)
            v, h = column[known], hours[known]
            told = found[stay, place * len(PER_VARIABLE) : (place + 1) * len(PER_VARIABLE)]
            if not len(v):
                assert np.isnan(np.delete(told, PER_VARIABLE.index("count"))).all(), name
                continue
            slope = np.polyfit(h, v, 1)[0] if len(v) > 1 else 0.0
            expected = [v[-1], v[0], v.mean(), v.min(), v.max(), v.std(), slope, len(v), 24 - h[-1]]
            np.testing.assert_allclose(told, expected, rtol=1e-5, atol=1e-5)
