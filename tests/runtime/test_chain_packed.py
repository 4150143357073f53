"""States that lie in one array: which of them step, what is left alone, and with which bits."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellstate import network
from cellstate.runtime import Chain
from tests.runtime.networks import (
    STACK,
    STACKED,
    TEXT,
    random_input,
    random_state,
    random_tensors,
    varied,
)

NETWORKS = {"stack": STACK, "text": TEXT, "frames": STACKED, "all variants": varied("all")}
# A network without memory steps all the same.
NETWORKS["no memory"] = STACK[:1]


@pytest.fixture(params=NETWORKS)
def layers(request):
    return NETWORKS[request.param]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def chain(layers, rng):
    return Chain(layers, random_tensors(layers, rng))


def packed(chain, count, rng):
    """Draw packed states, all different."""
    return rng.standard_normal((count, chain.state_size), dtype=np.float32)


def expected(chain, x, states, rows):
    """Step the same rows through states of their own."""
    state = chain.unpack(states[rows])
    y, after = chain.step(x, state)
    whole = states.copy()
    whole[rows] = chain.pack(after, len(rows))
    return y, whole


def test_packing_is_undone_by_unpacking(layers, chain, rng):
    state = random_state(layers, 4, rng)
    states = chain.pack(state, 4)
    assert states.shape == (4, chain.state_size)
    again = chain.unpack(states)
    assert again.keys() == state.keys()
    for name, held in state.items():
        for part, other in zip(held, again[name], strict=True):
            np.testing.assert_array_equal(part, other)
            assert other.flags.c_contiguous
    zero = chain.zero_state(2)
    np.testing.assert_array_equal(chain.pack(zero, 2)[1], chain.pack(chain.zero_state(1), 1)[0])


def test_a_row_is_each_cells_h_then_its_c():
    chain = Chain(STACK, random_tensors(STACK, np.random.default_rng(1)))
    state = random_state(STACK, 2, np.random.default_rng(2))
    h, c = state["body"]
    np.testing.assert_array_equal(
        chain.pack(state)[1], np.concatenate([h[0, 1], c[0, 1], h[1, 1], c[1, 1]])
    )


def test_rows_that_take_part_step_and_no_others(layers, chain, rng):
    states = packed(chain, 40, rng)
    for count in (0, 1, 2, 7, 40):
        rows = rng.permutation(40)[:count]
        x = random_input(layers, 1, count, rng)[0]
        y, after = expected(chain, x, states, rows)
        np.testing.assert_array_equal(chain.step_packed(x, states, rows), y)
        np.testing.assert_array_equal(states, after)


def test_without_rows_the_first_states_step(layers, chain, rng):
    states = packed(chain, 9, rng)
    x = random_input(layers, 1, 5, rng)[0]
    y, after = expected(chain, x, states, np.arange(5))
    np.testing.assert_array_equal(chain.step_packed(x, states), y)
    np.testing.assert_array_equal(states, after)


def test_a_field_of_records_is_changed_in_place_and_nothing_around_it(layers, chain, rng):
    dtype = np.dtype(
        [("begun", "?"), ("state", "f4", (chain.state_size,)), ("count", "i8")], align=True
    )
    memory = np.frombuffer(rng.bytes(12 * dtype.itemsize), np.uint8).copy()
    records = memory.view(dtype)
    records["state"] = packed(chain, 12, rng)
    before, states, rows = memory.copy(), records["state"].copy(), rng.permutation(12)[:6]
    x = random_input(layers, 1, 6, rng)[0]
    y, after = expected(chain, x, states, rows)
    np.testing.assert_array_equal(chain.step_packed(x, records["state"], rows), y)
    np.testing.assert_array_equal(records["state"], after)
    records["state"] = states
    np.testing.assert_array_equal(memory, before)


@pytest.mark.parametrize("weights", ["float32", "bf16", "int8"])
@given(data=st.data())
def test_company_and_place_change_no_bit(weights, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    chain = CHAINS[weights]
    states = packed(chain, 30, rng)
    rows = np.array(data.draw(st.lists(st.integers(0, 29), min_size=1, unique=True)))
    x = random_input(STACK, 1, len(rows), rng)[0]
    together = states.copy()
    y = chain.step_packed(x, together, rows)
    for k, row in enumerate(rows):
        alone = states[row : row + 1].copy()
        np.testing.assert_array_equal(chain.step_packed(x[k : k + 1], alone)[0], y[k])
        np.testing.assert_array_equal(alone[0], together[row])


CHAINS = {
    weights: Chain(STACK, random_tensors(STACK, np.random.default_rng(3)), weights=weights)
    for weights in ("float32", "bf16", "int8")
}


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("batch", [1, 5, 1100])
def test_threads_and_groups_of_rows_change_no_bit(threads, batch):
    layers = (network.LSTM("body", 40, 64, 2), network.Linear("head", 64, 3))
    rng = np.random.default_rng(4)
    tensors = random_tensors(layers, rng)
    one, many = Chain(layers, tensors), Chain(layers, tensors, threads=threads)
    states = packed(one, 1200, rng)
    rows = rng.permutation(1200)[:batch]
    x = random_input(layers, 1, batch, rng)[0]
    other = states.copy()
    np.testing.assert_array_equal(
        many.step_packed(x, other, rows), one.step_packed(x, states, rows)
    )
    np.testing.assert_array_equal(other, states)


def test_any_restart_between_steps_changes_no_bit(layers, chain, rng):
    x = random_input(layers, 8, 3, rng)
    states = packed(chain, 3, rng)
    y, after = chain.sequence(x, chain.unpack(states))
    for t in range(8):
        states = np.frombuffer(states.tobytes(), np.float32).reshape(states.shape).copy()
        np.testing.assert_array_equal(chain.step_packed(x[t], states), y[t])
    np.testing.assert_array_equal(states, chain.pack(after, 3))


def test_python_threads_may_step_one_chain_at_a_time():
    layers = (network.LSTM("body", 40, 64), network.Linear("head", 64, 3))
    rng = np.random.default_rng(5)
    chain = Chain(layers, random_tensors(layers, rng))
    start = packed(chain, 400, rng)
    x = random_input(layers, 20, 400, rng)
    alone, together = start.copy(), start.copy()
    for t in range(20):
        chain.step_packed(x[t], alone)

    def run(half):
        for t in range(20):
            chain.step_packed(x[t, half], together, half)

    workers = [threading.Thread(target=run, args=(np.arange(k, 400, 2),)) for k in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_nan_or_infinity_stays_with_its_entity(poison):
    chain, rng = CHAINS["float32"], np.random.default_rng(6)
    x, states = random_input(STACK, 1, 7, rng)[0], packed(chain, 7, rng)
    clean = states.copy()
    chain.step_packed(x, clean)
    x[3, 1] = poison
    chain.step_packed(x, states)
    others = [0, 1, 2, 4, 5, 6]
    np.testing.assert_array_equal(states[others], clean[others])
    assert np.isnan(states[3]).any()


def test_a_refused_call_leaves_the_states_as_they_were():
    chain = Chain(TEXT, random_tensors(TEXT, np.random.default_rng(7)))
    states = packed(chain, 3, np.random.default_rng(8))
    before = states.copy()
    for x, rows in (([1, 2, 11], None), ([1, 2], [0, 0]), ([1, 2], [0, 3]), ([-1], [0])):
        with pytest.raises(ValueError, match="got "):
            chain.step_packed(x, states, rows)
    np.testing.assert_array_equal(states, before)


def test_an_input_that_lies_in_the_states_is_read_before_they_change():
    layers = (network.LSTM("body", 4, 4),)
    chain = Chain(layers, random_tensors(layers, np.random.default_rng(9)))
    states = packed(chain, 2, np.random.default_rng(10))
    y, after = expected(chain, states[:1, :4].copy(), states, np.array([0]))
    np.testing.assert_array_equal(chain.step_packed(states[:1, :4], states), y)
    np.testing.assert_array_equal(states, after)


def test_dropout_alone_is_the_identity():
    chain = Chain((network.Dropout("drop", 0.5),), {})
    x = np.ones((2, 3), np.float32)
    assert chain.state_size == 0
    np.testing.assert_array_equal(chain.step_packed(x, np.zeros((2, 0), np.float32)), x)
    np.testing.assert_array_equal(chain.step(x)[0], x)


def test_a_network_may_begin_with_dropout():
    layers = (network.Dropout("drop", 0.5), network.Linear("head", 3, 2))
    chain = Chain(layers, random_tensors(layers, np.random.default_rng(11)))
    x = np.ones((2, 3), np.float32)
    y = chain.step_packed(x, np.zeros((2, 0), np.float32))
    np.testing.assert_array_equal(y, chain.step(x)[0])
    np.testing.assert_array_equal(y, chain.sequence(x[np.newaxis])[0][0])
