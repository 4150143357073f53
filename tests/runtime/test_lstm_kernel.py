"""The LSTM kernel, for every instruction set that this CPU runs."""

import numpy as np
import pytest

from cellstate import _native
from tests.runtime.networks import exact_lstm, native_step

RUNS_HERE = [name for name, runs_here in _native.isas() if runs_here]
SIZES = [(1, 1, 1), (2, 3, 7), (3, 1, 32), (5, 7, 33), (7, 100, 40), (13, 64, 64), (33, 4, 17)]

pytestmark = pytest.mark.parametrize("isa", RUNS_HERE)


def problem(B, I, H, seed=0, T=None):
    """Draw weights, inputs and outputs filled with NaN."""
    rng = np.random.default_rng(seed)
    bound = 1 / np.sqrt(H)
    weights = [
        rng.uniform(-bound, bound, shape).astype(np.float32)
        for shape in ((4 * H, I), (4 * H, H), (4 * H,))
    ]
    x, h, c = (
        rng.standard_normal(shape).astype(np.float32)
        for shape in ((B, I) if T is None else (T, B, I), (B, H), (B, H))
    )
    h_out = np.full((B, H) if T is None else (T, B, H), np.nan, np.float32)
    return weights, x, h, c, h_out, np.full((B, H), np.nan, np.float32)


@pytest.mark.parametrize(("B", "I", "H"), SIZES)
def test_step_gives_the_exact_answer(isa, B, I, H):
    weights, x, h, c, h_out, c_out = problem(B, I, H)
    native_step(_native.PackedLSTM(*weights, isa=isa), x, h, c, h_out, c_out)
    y, c_exact = exact_lstm(*weights, x[np.newaxis], h, c)
    np.testing.assert_allclose(h_out, y[0], rtol=0, atol=4e-7)
    np.testing.assert_allclose(c_out, c_exact, rtol=0, atol=8e-7)


def test_hand_computed_step(isa):
    """All weights zero: i = f = o = 1/2 and g = 0, so c halves and h = tanh(c) / 2."""
    zeros = [np.zeros(shape, np.float32) for shape in ((4, 1), (4, 1), (4,))]
    one = np.ones((1, 1), np.float32)
    h_out, c_out = np.empty_like(one), np.empty_like(one)
    native_step(_native.PackedLSTM(*zeros, isa=isa), one, one, one, h_out, c_out)
    assert c_out == 0.5
    np.testing.assert_allclose(h_out, np.tanh(0.5) / 2, rtol=2e-7)


@pytest.mark.parametrize(("B", "I", "H"), SIZES)
def test_row_of_a_batch_has_the_bits_of_that_row_alone(isa, B, I, H):
    weights, x, h, c, h_out, c_out = problem(B, I, H)
    packed = _native.PackedLSTM(*weights, isa=isa)
    native_step(packed, x, h, c, h_out, c_out)
    for row in range(B):
        only = slice(row, row + 1)
        h_alone, c_alone = (np.full((1, H), np.nan, np.float32) for _ in "hc")
        native_step(packed, x[only], h[only], c[only], h_alone, c_alone)
        np.testing.assert_array_equal(h_alone[0], h_out[row])
        np.testing.assert_array_equal(c_alone[0], c_out[row])


@pytest.mark.parametrize(("B", "I", "H"), SIZES)
def test_sequence_has_the_bits_of_its_steps(isa, B, I, H):
    weights, x, h, c, h_out, c_out = problem(B, I, H, T=5)
    packed = _native.PackedLSTM(*weights, isa=isa)
    _native.lstm_forward(packed, x, h, c, h_out, None, c_out)
    for t in range(5):
        h_next, c_next = np.empty_like(h), np.empty_like(c)
        native_step(packed, x[t], h, c, h_next, c_next)
        h, c = h_next, c_next
        np.testing.assert_array_equal(h, h_out[t])
    np.testing.assert_array_equal(c, c_out)


@pytest.mark.parametrize("threads", [2, 3, 64])
def test_threads_do_not_change_a_bit(isa, threads):
    weights, x, h, c, h_out, c_out = problem(13, 5, 33, T=3)
    packed = _native.PackedLSTM(*weights, isa=isa)
    _native.lstm_forward(packed, x, h, c, h_out, None, c_out)
    h_again, c_again = np.full_like(h_out, np.nan), np.full_like(c_out, np.nan)
    _native.lstm_forward(packed, x, h, c, h_again, None, c_again, threads=threads)
    np.testing.assert_array_equal(h_again, h_out)
    np.testing.assert_array_equal(c_again, c_out)


def test_cell_state_may_be_updated_in_place(isa):
    weights, x, h, c, h_out, c_out = problem(5, 3, 9, T=4)
    packed = _native.PackedLSTM(*weights, isa=isa)
    _native.lstm_forward(packed, x, h, c, h_out, None, c_out)
    _native.lstm_forward(packed, x, h, c, h_out, None, c)
    np.testing.assert_array_equal(c, c_out)


def test_nan_stays_in_its_row(isa):
    weights, x, h, c, h_out, c_out = problem(8, 5, 33)
    packed = _native.PackedLSTM(*weights, isa=isa)
    native_step(packed, x, h, c, h_out, c_out)
    clean_h, clean_c = h_out.copy(), c_out.copy()
    x[2, 0], h[4, 1], c[6, 2] = np.nan, np.nan, np.inf
    native_step(packed, x, h, c, h_out, c_out)
    untouched = [0, 1, 3, 5, 7]
    np.testing.assert_array_equal(h_out[untouched], clean_h[untouched])
    np.testing.assert_array_equal(c_out[untouched], clean_c[untouched])
    assert np.isnan(h_out[2]).all()
    assert np.isnan(c_out[4]).all()
    assert np.isinf(c_out[6, 2])


@pytest.mark.parametrize("H", [1, 7, 17, 33])
def test_nothing_is_written_outside_the_outputs(isa, H):
    weights, x, h, c, _, _ = problem(3, 2, H)
    around_h, around_c = (np.full(3 * H + 64, 123.0, np.float32) for _ in "hc")
    h_out, c_out = (array[32:-32].reshape(3, H) for array in (around_h, around_c))
    native_step(_native.PackedLSTM(*weights, isa=isa), x, h, c, h_out, c_out)
    for around in (around_h, around_c):
        assert (around[:32] == 123).all()
        assert (around[-32:] == 123).all()


def test_extreme_gates_open_and_shut(isa):
    """Gates far beyond the range of exp: shut is (almost) zero, open is one."""
    bias = np.array([-1e30, 1e30, 1e30, 1e30], np.float32)  # i shut, f and o open
    zeros = np.zeros((4, 1), np.float32)
    x = h = np.zeros((1, 1), np.float32)
    c = np.full((1, 1), 3.0, np.float32)
    h_out, c_out = np.empty_like(h), np.empty_like(c)
    native_step(_native.PackedLSTM(zeros, zeros, bias, isa=isa), x, h, c, h_out, c_out)
    assert c_out == 3.0
    np.testing.assert_allclose(h_out, np.tanh(3.0), rtol=3e-7)


def test_no_rows_and_no_steps_are_answers(isa):
    weights, x, h, c, h_out, c_out = problem(4, 3, 5, T=0)
    packed = _native.PackedLSTM(*weights, isa=isa)
    _native.lstm_forward(packed, x, h, c, h_out, None, c_out)
    np.testing.assert_array_equal(c_out, c)
    weights, x, h, c, h_out, c_out = problem(0, 3, 5)
    native_step(packed, x, h, c, h_out, c_out)
