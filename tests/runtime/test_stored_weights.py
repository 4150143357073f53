"""Weights in bf16 and int8: what they are rounded to, and that all else is as with full ones."""

import numpy as np
import pytest

from cellstate import _native
from cellstate.runtime import Chain
from tests.runtime.networks import (
    STACK,
    exact_chain,
    exact_lstm,
    native_step,
    random_input,
    random_state,
    random_tensors,
)

RUNS_HERE = [name for name, runs_here in _native.isas() if runs_here]
SIZES = [(1, 1, 1), (2, 3, 7), (3, 65, 32), (5, 7, 33), (1, 150, 70), (13, 64, 64), (33, 600, 17)]
BYTES = {"bf16": 2, "int8": 1}
WORST = {"bf16": 2.0**-8, "int8": 0.5 / 127}  # of a row's largest weight

every_isa = pytest.mark.parametrize("isa", RUNS_HERE)
every_form = pytest.mark.parametrize("stored", BYTES)


def rounded(weight, stored):
    """Round a matrix by the definition, in float64."""
    weight = weight.astype(np.float64)
    if stored == "bf16":
        _, exponent = np.frexp(weight)
        return np.ldexp(np.rint(np.ldexp(weight, 8 - exponent)), exponent - 8)
    most = np.abs(weight).max(axis=1, keepdims=True).astype(np.float32) / np.float32(127)
    fraction, exponent = np.frexp(most.astype(np.float64))
    scale = np.ldexp(np.floor(np.ldexp(fraction, 17)), exponent - 17)
    return np.rint(weight / np.where(scale > 0, scale, np.inf)) * scale


def problem(B, I, H, T=5):
    rng = np.random.default_rng(B + I + H)
    weights = [
        (rng.standard_normal(shape) / np.sqrt(H + I)).astype(np.float32)
        for shape in ((4 * H, I), (4 * H, H), (4 * H,))
    ]
    weights[0][H - 1] *= 100  # rows of other sizes
    weights[1][2 * H] = 0
    x, h, c = (
        rng.standard_normal(shape).astype(np.float32) for shape in ((T, B, I), (B, H), (B, H))
    )
    return weights, x, h, c


def run(packed, x, h, c):
    y, c_out = np.full((len(x), *h.shape), np.nan, np.float32), np.full_like(c, np.nan)
    _native.lstm_forward(packed, x, h, c, y, None, c_out)
    return y, c_out


@every_isa
@every_form
@pytest.mark.parametrize(("B", "I", "H"), SIZES)
def test_answer_is_that_of_the_rounded_weights(isa, stored, B, I, H):
    weights, x, h, c = problem(B, I, H)
    y, c_out = run(_native.PackedLSTM(*weights, isa=isa, stored=stored), x, h, c)
    near = [rounded(weight, stored) for weight in weights[:2]]
    y_exact, c_exact = exact_lstm(*near, weights[2], x, h, c)
    np.testing.assert_allclose(y, y_exact, rtol=0, atol=3e-6)
    np.testing.assert_allclose(c_out, c_exact, rtol=0, atol=6e-6)


@every_form
def test_rounding_is_as_close_as_the_form_allows(stored):
    weights, *_ = problem(1, 40, 33)
    for weight in weights[:2]:
        most = np.abs(weight).max(axis=1, keepdims=True)
        assert (np.abs(rounded(weight, stored) - weight) <= 1.001 * WORST[stored] * most).all()


@every_isa
@every_form
@pytest.mark.parametrize(("B", "I", "H"), SIZES)
def test_rounding_again_changes_no_bit(isa, stored, B, I, H):
    weights, x, h, c = problem(B, I, H)
    near = [rounded(weight, stored).astype(np.float32) for weight in weights[:2]]
    once = run(_native.PackedLSTM(*weights, isa=isa, stored=stored), x, h, c)
    again = run(_native.PackedLSTM(*near, weights[2], isa=isa, stored=stored), x, h, c)
    np.testing.assert_array_equal(once[0], again[0])
    np.testing.assert_array_equal(once[1], again[1])


@every_isa
@every_form
@pytest.mark.parametrize(("B", "I", "H"), SIZES)
def test_row_and_step_alone_have_the_bits_of_the_batch_and_the_sequence(isa, stored, B, I, H):
    weights, x, h, c = problem(B, I, H)
    packed = _native.PackedLSTM(*weights, isa=isa, stored=stored)
    y, c_out = run(packed, x, h, c)
    for row in range(B):
        only = slice(row, row + 1)
        h_row, c_row = h[only], c[only]
        for t in range(len(x)):
            h_next, c_next = np.empty_like(h_row), np.empty_like(c_row)
            native_step(packed, x[t, only], h_row, c_row, h_next, c_next)
            h_row, c_row = h_next, c_next
            np.testing.assert_array_equal(h_row[0], y[t, row])
        np.testing.assert_array_equal(c_row[0], c_out[row])


@every_isa
@every_form
def test_projection_is_rounded_too(isa, stored):
    rng = np.random.default_rng(0)
    I, H, P = 5, 40, 21
    shapes = ((4 * H, I), (4 * H, P), (4 * H,), (P, H))
    weights = [rng.standard_normal(shape).astype(np.float32) / 5 for shape in shapes]
    x, h, c = (rng.standard_normal(s).astype(np.float32) for s in ((1, 2, I), (2, P), (2, H)))
    near = [rounded(w, stored).astype(np.float32) if w.ndim == 2 else w for w in weights]
    both = (
        _native.PackedLSTM(*weights, isa=isa, stored=stored),
        _native.PackedLSTM(*near, isa=isa),
    )
    outputs = [run(packed, x, h, c) for packed in both]
    np.testing.assert_allclose(outputs[0][0], outputs[1][0], rtol=0, atol=3e-6)
    np.testing.assert_allclose(outputs[0][1], outputs[1][1], rtol=0, atol=3e-6)


@every_isa
@every_form
def test_packed_weights_are_as_small_as_the_form_says(isa, stored):
    weights, *_ = problem(1, 64, 64)
    full = _native.PackedLSTM(*weights, isa=isa).bytes
    heads = 3 * 4 * 64 * 4
    assert (
        _native.PackedLSTM(*weights, isa=isa, stored=stored).bytes
        == (full - 4 * 64 * 4) * BYTES[stored] // 4 + heads
    )


@every_isa
def test_nan_in_a_bf16_weight_stays_one(isa):
    weights, x, h, c = problem(1, 3, 7)
    weights[1][3, 2] = np.nan
    weights[0][4, 1] = np.inf
    y, _ = run(_native.PackedLSTM(*weights, isa=isa, stored="bf16"), x, h, c)
    assert np.isnan(y[0, 0, 3])
    assert not np.isnan(y[0, 0, 0])


@every_form
def test_chain_rounds_its_lstm_layers_alone(stored):
    rng = np.random.default_rng(1)
    tensors = random_tensors(STACK, rng)
    x, state = random_input(STACK, 9, 3, rng), random_state(STACK, 3, rng)
    y, after = Chain(STACK, tensors, weights=stored).sequence(x, state)
    near = {
        name: rounded(value, stored) if name.startswith("body.weight") else value
        for name, value in tensors.items()
    }
    y_exact, after_exact = exact_chain(STACK, near, x, state)
    np.testing.assert_allclose(y, y_exact, rtol=0, atol=3e-6)
    np.testing.assert_allclose(after["body"].c, after_exact["body"][1], rtol=0, atol=3e-6)


@every_form
def test_chain_gives_the_same_bits_step_by_step(stored):
    rng = np.random.default_rng(2)
    chain = Chain(STACK, random_tensors(STACK, rng), weights=stored)
    x, state = random_input(STACK, 9, 4, rng), random_state(STACK, 4, rng)
    y, _ = chain.sequence(x, state)
    for t in range(9):
        y_t, state = chain.step(x[t], state)
        np.testing.assert_array_equal(y_t, y[t])
