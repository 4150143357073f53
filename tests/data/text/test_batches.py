"""Rows of like length together."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cellstate.data.text.batches import length_batches, pad


@given(
    st.lists(st.integers(0, 30), max_size=40),
    st.integers(1, 7),
    st.none() | st.integers(1, 60),
    st.none() | st.integers(0, 9),
)
def test_each_row_is_in_one_batch_within_the_limits(lengths, rows, tokens, seed) -> None:
    rng = None if seed is None else np.random.default_rng(seed)
    array = np.array(lengths, dtype=np.int64)
    batches = length_batches(array, rows=rows, tokens=tokens, rng=rng)
    assert sorted(k for batch in batches for k in batch) == list(range(len(lengths)))
    for batch in batches:
        assert 0 < len(batch) <= rows
        if tokens is not None and len(batch) > 1:
            assert len(batch) * array[batch].max() <= tokens


def test_padding_is_small_where_lengths_differ_much() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 5000)
    batches = length_batches(lengths, rows=32, rng=np.random.default_rng(1))
    padded = sum(len(b) * lengths[b].max() for b in batches)
    assert padded < 1.05 * lengths.sum()


def test_equal_seeds_give_equal_batches() -> None:
    lengths = np.arange(50) % 7
    first, second = (
        length_batches(lengths, rows=8, rng=np.random.default_rng(3)) for _ in range(2)
    )
    assert [b.tolist() for b in first] == [b.tolist() for b in second]


def test_padding_stands_behind() -> None:
    assert pad([np.array([1]), np.array([], dtype=int)], value=-1).tolist() == [[1], [-1]]
    assert pad([]).shape == (0, 0)
