"""A chain keeps its promises: the exact answer, any split, any company."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellstate import network
from cellstate.runtime import Chain, LSTMState
from tests.runtime.networks import (
    STACK,
    TEXT,
    exact_chain,
    random_input,
    random_state,
    random_tensors,
)

NETWORKS = {"stack": STACK, "text": TEXT}


@pytest.fixture(params=NETWORKS)
def layers(request):
    return NETWORKS[request.param]


@pytest.fixture
def chain(layers):
    return Chain(layers, random_tensors(layers, np.random.default_rng(0)))


def assert_same_state(a, b):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name].h, b[name].h)
        np.testing.assert_array_equal(a[name].c, b[name].c)


@pytest.mark.parametrize("steps", [1, 2, 33])
@pytest.mark.parametrize("batch", [1, 3])
def test_sequence_gives_the_exact_answer(layers, steps, batch):
    rng = np.random.default_rng(1)
    tensors = random_tensors(layers, rng)
    x, state = random_input(layers, steps, batch, rng), random_state(layers, batch, rng)
    y, after = Chain(layers, tensors).sequence(x, state)
    y_exact, after_exact = exact_chain(layers, tensors, x, state)
    np.testing.assert_allclose(y, y_exact, rtol=0, atol=3e-6)
    for name, (h, c) in after_exact.items():
        np.testing.assert_allclose(after[name].h, h, rtol=0, atol=3e-6)
        np.testing.assert_allclose(after[name].c, c, rtol=0, atol=3e-6)


def test_step_equals_sequence(layers, chain):
    rng = np.random.default_rng(2)
    x, state = random_input(layers, 9, 4, rng), random_state(layers, 4, rng)
    y, after = chain.sequence(x, state)
    for t in range(9):
        y_t, state = chain.step(x[t], state)
        np.testing.assert_array_equal(y_t, y[t])
    assert_same_state(state, after)


@given(cuts=st.lists(st.integers(0, 12), max_size=5), batch=st.integers(1, 5))
def test_any_split_equals_one_call(cuts, batch):
    rng = np.random.default_rng(3)
    chain = Chain(STACK, random_tensors(STACK, rng))
    x, state = random_input(STACK, 12, batch, rng), random_state(STACK, batch, rng)
    y, after = chain.sequence(x, state)
    pieces = []
    for part in np.split(x, sorted(cuts)):
        piece, state = chain.sequence(part, state)
        pieces.append(piece)
    np.testing.assert_array_equal(np.concatenate(pieces), y)
    assert_same_state(state, after)


@pytest.mark.parametrize("threads", [1, 3])
def test_row_of_a_batch_has_the_bits_of_that_row_alone(layers, threads):
    rng = np.random.default_rng(4)
    tensors = random_tensors(layers, rng)
    x, state = random_input(layers, 6, 17, rng), random_state(layers, 17, rng)
    y, after = Chain(layers, tensors, threads=threads).sequence(x, state)
    alone = Chain(layers, tensors)
    for row in range(17):
        only = slice(row, row + 1)
        own_state = {name: (h[:, only], c[:, only]) for name, (h, c) in state.items()}
        y_row, after_row = alone.sequence(x[:, only], own_state)
        np.testing.assert_array_equal(y_row[:, 0], y[:, row])
        for name in after:
            np.testing.assert_array_equal(after_row[name].h[:, 0], after[name].h[:, row])
            np.testing.assert_array_equal(after_row[name].c[:, 0], after[name].c[:, row])


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_nan_or_infinity_in_one_row_never_reaches_another(poison):
    rng = np.random.default_rng(5)
    chain = Chain(STACK, random_tensors(STACK, rng))
    x, state = random_input(STACK, 5, 7, rng), random_state(STACK, 7, rng)
    y, after = chain.sequence(x, state)
    x[2, 3, 1] = poison
    y_poisoned, after_poisoned = chain.sequence(x, state)
    assert np.isnan(y_poisoned[2:, 3]).all()
    others = [0, 1, 2, 4, 5, 6]
    np.testing.assert_array_equal(y_poisoned[:, others], y[:, others])
    np.testing.assert_array_equal(after_poisoned["body"].c[:, others], after["body"].c[:, others])


def test_missing_state_is_zero(layers, chain):
    x = random_input(layers, 3, 2, np.random.default_rng(6))
    y, _ = chain.sequence(x)
    for zeros in (chain.zero_state(2), {}, None):
        np.testing.assert_array_equal(chain.sequence(x, zeros)[0], y)
    for name, (h, c) in chain.zero_state(2).items():
        assert name == "body"
        assert h.shape == c.shape == (2 if layers is STACK else 1, 2, h.shape[-1])
        assert not h.any()
        assert not c.any()


def test_given_arrays_are_left_as_they_are(layers, chain):
    rng = np.random.default_rng(7)
    x, state = random_input(layers, 4, 3, rng), random_state(layers, 3, rng)
    x_before, state_before = x.copy(), copy.deepcopy(state)
    _, after = chain.sequence(x, state)
    for h, c in after.values():
        h[:], c[:] = np.nan, np.nan
    np.testing.assert_array_equal(x, x_before)
    for name in state:
        np.testing.assert_array_equal(state[name], state_before[name])


def test_weights_are_copied():
    tensors = random_tensors(STACK, np.random.default_rng(8))
    chain = Chain(STACK, tensors)
    x = random_input(STACK, 4, 3, np.random.default_rng(9))
    y, _ = chain.sequence(x)
    for tensor in tensors.values():
        tensor[:] = np.nan
    np.testing.assert_array_equal(chain.sequence(x)[0], y)


def test_any_real_dtype_and_layout_is_taken():
    rng = np.random.default_rng(10)
    chain = Chain(STACK, random_tensors(STACK, rng, dtype=np.float64))
    x = rng.integers(-3, 3, (4, 3, 5))
    y, _ = chain.sequence(x.astype(np.float32))
    for other in (x, x.astype(np.float64), x.tolist(), np.asfortranarray(x), x[::-1][::-1]):
        np.testing.assert_array_equal(chain.sequence(other)[0], y)


def test_no_steps_keep_the_state(layers, chain):
    rng = np.random.default_rng(11)
    state = random_state(layers, 3, rng)
    y, after = chain.sequence(random_input(layers, 0, 3, rng), state)
    assert y.shape == (0, 3, layers[-1].outputs)
    assert_same_state(after, {name: LSTMState(*pair) for name, pair in state.items()})


def test_no_rows_are_no_error(layers, chain):
    y, after = chain.sequence(random_input(layers, 4, 0, np.random.default_rng(12)))
    assert y.shape == (4, 0, layers[-1].outputs)
    assert after["body"].h.shape[1] == 0


def test_chains_share_one_mapping_of_tensors():
    encoder = (network.LSTM("encoder", 3, 8),)
    decoder = (network.LSTM("decoder", 2, 8), network.Linear("head", 8, 1))
    tensors = random_tensors(encoder + decoder, np.random.default_rng(13))
    _, state = Chain(encoder, tensors).sequence(np.ones((5, 2, 3)))
    y, _ = Chain(decoder, tensors).step(np.ones((2, 2)), {"decoder": state["encoder"]})
    assert y.shape == (2, 1)
