"""The streaming contract of forecasters, for series, splits and company that hypothesis picks."""

from __future__ import annotations

import pickle
from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellstate.tasks.forecast.forecaster import Forecaster
from cellstate.train import TrainConfig

DECODERS = {
    "direct": {"decoder": "direct"},
    "student_t": {"decoder": "recursive", "distribution": "student_t"},
    "negative_binomial": {"decoder": "recursive", "distribution": "negative_binomial"},
    "quantiles": {"decoder": "recursive", "distribution": "quantiles"},
}

value = st.one_of(st.integers(0, 30).map(float), st.just(float("nan")))
series = st.lists(value, min_size=1, max_size=25)


def rows(name: str, values: list[float], first: int) -> pl.DataFrame:
    steps = np.arange(first, first + len(values))
    return pl.DataFrame({"unique_id": [name] * len(values), "ds": steps, "y": values})


@cache
def fitted(decoder: str, logarithm: bool) -> bytes:
    """Fit on positive values whose swing grows, or on others, which rules logarithms out."""
    steps = np.arange(60)
    y = np.round(1.03**steps * (20 + 8 * np.sin(steps))) - (0 if logarithm else 10)
    config = TrainConfig(epochs=1, sanity=False)
    model = Forecaster(3, context=10, frequency=1, train=config, **DECODERS[decoder])
    return pickle.dumps(model.fit(rows("learnt", np.maximum(y, 0).tolist(), 0)))


@pytest.mark.parametrize("decoder", DECODERS)
@settings(max_examples=12)
@given(
    every=st.lists(series, min_size=1, max_size=3),
    counts=st.lists(st.tuples(*[st.integers(0, 6)] * 3), max_size=6),
    logarithm=st.booleans(),
)
def test_any_split_of_any_series_in_any_company_equals_one_reading_bitwise(
    decoder: str, every: list[list[float]], counts: list[tuple[int, ...]], logarithm: bool
) -> None:
    model: Forecaster = pickle.loads(fitted(decoder, logarithm))
    frames = [rows(f"s{k}", values, 3 * k) for k, values in enumerate(every)]
    rest = list(frames)
    for sizes in (*counts, (100,) * 3):
        pushed = [frame.head(size) for frame, size in zip(rest, sizes, strict=False) if size]
        if any(map(len, pushed)):
            model.update(pl.concat(pushed))
        rest = [frame[size:] for frame, size in zip(rest, sizes, strict=False)]
    streamed = model.predict().filter(pl.col("unique_id") != "learnt").sort("unique_id", "ds")
    assert streamed.equals(model.predict(pl.concat(frames)))
    alone = pl.concat([model.predict(frame) for frame in frames])
    assert streamed.equals(alone)
    assert np.isfinite(streamed.select(pl.selectors.starts_with("LSTM")).to_numpy()).all()
