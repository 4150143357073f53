"""The chain's step and the norm under it, for every instruction set that this CPU runs."""

import numpy as np
import pytest

from cellstate import _native

RUNS_HERE = [name for name, runs_here in _native.isas() if runs_here]
pytestmark = pytest.mark.parametrize("isa", RUNS_HERE)


def draw(rng, *shape):
    return (rng.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)


@pytest.mark.parametrize("size", [1, 2, 7, 16, 33, 64, 100, 257])
def test_norm_gives_the_exact_answer_and_each_row_its_own_bits(isa, size):
    rng = np.random.default_rng(size)
    weight, bias = draw(rng, size), draw(rng, size)
    packed = _native.PackedNorm(weight, bias, 1e-5, isa=isa)
    x = rng.normal(3, 2, (5, size)).astype(np.float32)
    y = np.full_like(x, np.nan)
    _native.normalise(packed, x, y)
    exact = x.astype(np.float64)
    exact = (exact - exact.mean(1, keepdims=True)) / np.sqrt(exact.var(1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(y, exact * weight + bias, rtol=0, atol=4e-6)
    for row in range(5):
        alone = np.full((1, size), np.nan, np.float32)
        _native.normalise(packed, x[row : row + 1], alone)
        np.testing.assert_array_equal(alone[0], y[row])
    _native.normalise(packed, x, x)
    np.testing.assert_array_equal(x, y)


def test_a_constant_row_has_no_variance_and_an_infinite_one_no_norm(isa):
    packed = _native.PackedNorm(np.ones(9, np.float32), np.full(9, 2, np.float32), isa=isa)
    x = np.full((2, 9), 5, np.float32)
    x[1, 4] = np.inf
    y = np.empty_like(x)
    _native.normalise(packed, x, y)
    assert (y[0] == 2).all()
    assert np.isnan(y[1]).all()


VARIANTS = {
    "plain": {},
    "pointwise": {"coupled": True, "hard_sigmoid": True, "cell_clip": 0.4, "zoneout_c": 0.2},
    "normalised": {"zoneout_h": 0.1},
}


def make_variant(name, hidden, rng):
    if name == "plain":
        return None
    arrays = {"peephole": draw(rng, 3 * hidden)}
    if name == "normalised":
        arrays |= {part: 1 + draw(rng, 4 * hidden) for part in ("norm_ih", "norm_hh")}
        arrays |= {part: draw(rng, hidden) for part in ("norm_c", "norm_c_bias")}
    return _native.Variant(**VARIANTS[name], **arrays)


@pytest.mark.parametrize("stored", ["full", "bf16", "int8"])
@pytest.mark.parametrize("projection", [None, 5])
@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize(("batch", "inputs", "hidden"), [(1, 1, 7), (7, 70, 9), (33, 17, 40)])
def test_states_anywhere_step_with_the_bits_of_dense_ones(
    isa, stored, projection, name, batch, inputs, hidden
):
    rng = np.random.default_rng(batch)
    P = projection or hidden
    weight_hr = draw(rng, P, hidden) if projection else None
    weights = draw(rng, 4 * hidden, inputs), draw(rng, 4 * hidden, P), draw(rng, 4 * hidden)
    cell = _native.PackedLSTM(*weights, weight_hr, isa=isa, stored=stored)
    variant = make_variant(name, hidden, rng)
    head = _native.PackedLinear(draw(rng, 3, P), draw(rng, 3), isa=isa)
    chain = _native.PackedChain()
    chain.add_lstm([cell], [variant])
    chain.add_linear(head)
    assert chain.state_size == P + hidden

    x, states = draw(rng, 1, batch, inputs), draw(rng, batch + 3, P + hidden + 2)
    rows = rng.permutation(batch + 3)[:batch]
    h, c = states[rows, :P].copy(), states[rows, P:-2].copy()
    h_next, c_next = np.empty((1, batch, P), np.float32), np.empty_like(c)
    _native.lstm_forward(cell, x, h, c, h_next, None, c_next, variant=variant)
    y = np.empty((batch, 3), np.float32)
    _native.linear(head, h_next[0], y)

    expected, found = states.copy(), np.full_like(y, np.nan)
    expected[rows, :P], expected[rows, P:-2] = h_next[0], c_next
    chain.step(x[0], states[:, :-2], rows, found)
    np.testing.assert_array_equal(found, y)
    np.testing.assert_array_equal(states, expected)
    chain.step_apart(x[0], [h[None], c[None]], found)
    np.testing.assert_array_equal(found, y)
    np.testing.assert_array_equal(h, h_next[0])
    np.testing.assert_array_equal(c, c_next)
