"""The linear kernel, for every instruction set that this CPU runs."""

import numpy as np
import pytest

from cellstate import _native

RUNS_HERE = [name for name, runs_here in _native.isas() if runs_here]
SIZES = [(1, 1, 1), (3, 5, 7), (13, 64, 65), (33, 100, 130)]

pytestmark = pytest.mark.parametrize("isa", RUNS_HERE)


def problem(B, I, O):
    rng = np.random.default_rng(0)
    weight, bias, x = (
        rng.standard_normal(shape).astype(np.float32) for shape in ((O, I), (O,), (B, I))
    )
    return weight / np.float32(np.sqrt(I)), bias, x, np.full((B, O), np.nan, np.float32)


@pytest.mark.parametrize(("B", "I", "O"), SIZES)
@pytest.mark.parametrize("activation", ["identity", "relu", "tanh"])
def test_linear_gives_the_exact_answer(isa, B, I, O, activation):
    weight, bias, x, y = problem(B, I, O)
    _native.linear(_native.PackedLinear(weight, bias, activation, isa=isa), x, y)
    exact = x.astype(np.float64) @ weight.T + bias
    exact = {"identity": exact, "relu": exact.clip(0), "tanh": np.tanh(exact)}[activation]
    np.testing.assert_allclose(y, exact, rtol=0, atol=2e-6)


@pytest.mark.parametrize(("B", "I", "O"), SIZES)
@pytest.mark.parametrize("threads", [1, 3])
def test_row_of_a_batch_has_the_bits_of_that_row_alone(isa, B, I, O, threads):
    weight, bias, x, y = problem(B, I, O)
    packed = _native.PackedLinear(weight, bias, "tanh", isa=isa)
    _native.linear(packed, x, y, threads=threads)
    for row in range(B):
        alone = np.full((1, O), np.nan, np.float32)
        _native.linear(packed, x[row : row + 1], alone)
        np.testing.assert_array_equal(alone[0], y[row])


@pytest.mark.parametrize("activation", ["identity", "relu", "tanh"])
def test_nan_stays_in_its_row(isa, activation):
    weight, bias, x, y = problem(7, 5, 9)
    packed = _native.PackedLinear(weight, bias, activation, isa=isa)
    _native.linear(packed, x, y)
    clean = y.copy()
    x[3, 2] = np.nan
    _native.linear(packed, x, y)
    assert np.isnan(y[3]).all()
    np.testing.assert_array_equal(np.delete(y, 3, axis=0), np.delete(clean, 3, axis=0))


def test_nothing_is_written_outside_the_output(isa):
    weight, bias, x, _ = problem(3, 5, 19)
    around = np.full(3 * 19 + 64, 123.0, np.float32)
    _native.linear(_native.PackedLinear(weight, bias, isa=isa), x, around[32:-32].reshape(3, 19))
    assert (around[:32] == 123).all()
    assert (around[-32:] == 123).all()
