"""Cells that depart from the plain one: the numbers of their torch model, the bits of any split."""

import numpy as np
import pytest

from cellstate import network
from cellstate.runtime import Chain
from tests.runtime.networks import (
    STACKED,
    TEXT,
    VARIANTS,
    random_input,
    random_state,
    random_tensors,
    varied,
)

torch = pytest.importorskip("torch")

NETWORKS = {name: varied(name) for name in VARIANTS}
NETWORKS |= {"one wide layer": varied("all", 33, 40, 1), "one unit": varied("peephole", 1, 1, 1)}
NETWORKS |= {"stacked frames": STACKED}
BYTES = {"bf16": 2.0**-8, "int8": 1 / 127}

every_network = pytest.mark.parametrize("name", NETWORKS)


def torch_answer(layers, tensors, x, state, dtype):
    """Run `cellstate.nn.Chain`."""
    from cellstate import nn

    chain = nn.Chain(layers)
    chain.load_tensors(tensors)
    chain.eval().to(dtype)
    given = state and {
        name: tuple(torch.from_numpy(part.copy()).to(dtype) for part in held)
        for name, held in state.items()
    }
    with torch.no_grad():
        y, after = chain(torch.from_numpy(x).to(dtype), given)
    return [y.numpy(), *(part.numpy() for held in after.values() for part in held)]


def flat(answer):
    y, after = answer
    return [y, *(part for held in after.values() for part in held)]


@every_network
@pytest.mark.parametrize(("steps", "batch"), [(1, 1), (2, 3), (17, 7)])
@pytest.mark.parametrize("known", [True, False])
def test_numbers_are_those_of_the_torch_model(name, steps, batch, known):
    layers, rng = NETWORKS[name], np.random.default_rng(0)
    tensors = random_tensors(layers, rng)
    x = random_input(layers, steps, batch, rng)
    state = random_state(layers, batch, rng) if known else None
    exact = torch_answer(layers, tensors, x, state, torch.float64)
    eager = torch_answer(layers, tensors, x, state, torch.float32)
    ours = flat(Chain(layers, tensors).sequence(x, state))
    assert len(ours) == len(exact)
    for one, other, torchs in zip(ours, exact, eager, strict=True):
        error, allowed = (np.abs(part - other).max(initial=0) for part in (one, torchs))
        # Normalising brings out rounding: a bound that torch's own error stretches.
        assert one.shape == other.shape
        assert error <= max(4e-6, 2 * allowed)


@every_network
@pytest.mark.parametrize("weights", ["float32", "bf16", "int8"])
def test_steps_packed_or_not_have_the_bits_of_the_sequence(name, weights):
    layers, rng = NETWORKS[name], np.random.default_rng(1)
    chain = Chain(layers, random_tensors(layers, rng), weights=weights)
    x, state = random_input(layers, 6, 5, rng), random_state(layers, 5, rng)
    y, after = chain.sequence(x, state)
    packed = chain.pack(state)
    for t in range(6):
        y_t, state = chain.step(x[t], state)
        np.testing.assert_array_equal(y_t, y[t])
        np.testing.assert_array_equal(chain.step_packed(x[t], packed), y[t])
    np.testing.assert_array_equal(chain.pack(state), packed)
    np.testing.assert_array_equal(chain.pack(after), packed)


@every_network
def test_a_row_has_the_bits_of_that_row_alone_and_of_any_split(name):
    layers, rng = NETWORKS[name], np.random.default_rng(2)
    chain = Chain(layers, random_tensors(layers, rng))
    x, state = random_input(layers, 9, 17, rng), random_state(layers, 17, rng)
    y, after = chain.sequence(x, state)
    for row in (0, 6, 16):
        only = slice(row, row + 1)
        held = {key: tuple(part[:, only] for part in parts) for key, parts in state.items()}
        for cut in (0, 1, 4, 9):
            first, middle = chain.sequence(x[:cut, only], held)
            last, end = chain.sequence(x[cut:, only], middle)
            np.testing.assert_array_equal(np.concatenate([first, last])[:, 0], y[:, row])
            np.testing.assert_array_equal(chain.pack(end)[0], chain.pack(after)[row])


@pytest.mark.parametrize("stored", BYTES)
@pytest.mark.parametrize("name", VARIANTS)
def test_varied_cells_take_narrow_weights(name, stored):
    layers, rng = varied(name), np.random.default_rng(3)
    tensors = random_tensors(layers, rng)
    x, state = random_input(layers, 5, 3, rng), random_state(layers, 3, rng)
    y, after = Chain(layers, tensors).sequence(x, state)
    y_narrow, after_narrow = Chain(layers, tensors, weights=stored).sequence(x, state)
    gaps = (y - y_narrow, after["body"].c - after_narrow["body"].c)
    difference = max(np.abs(gap).max() for gap in gaps)
    assert 0 < difference < 10 * BYTES[stored]


def test_a_learned_start_is_where_every_row_begins():
    layers, rng = varied("learned start"), np.random.default_rng(4)
    tensors = random_tensors(layers, rng)
    chain = Chain(layers, tensors)
    start = chain.zero_state(3)["body"]
    assert start.h.shape == (2, 3, 19)
    for row in range(3):
        np.testing.assert_array_equal(start.h[:, row], tensors["body.initial_h"])
        np.testing.assert_array_equal(start.c[:, row], tensors["body.initial_c"])
    x = random_input(layers, 4, 3, rng)
    np.testing.assert_array_equal(chain.sequence(x)[0], chain.sequence(x, {"body": start})[0])
    tensors["body.initial_c"][:] = np.nan
    assert np.isfinite(chain.zero_state(1)["body"].c).all()


def test_frames_are_the_last_inputs_with_zeros_before_the_first():
    chain = Chain((network.FrameStack("last", 1, 3),), {})
    assert chain.state_size == 2
    y, after = chain.sequence(np.arange(1.0, 5.0).reshape(4, 1, 1))
    np.testing.assert_array_equal(y[:, 0], [[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4]])
    np.testing.assert_array_equal(after["last"].frames[:, 0, 0], [3, 4])
    np.testing.assert_array_equal(chain.step([[5.0]], after)[0], [[3, 4, 5]])


def test_frames_of_embedded_tokens_are_stepped_too():
    layers = (TEXT[0], network.FrameStack("last", 6, 3))
    rng = np.random.default_rng(5)
    tensors = random_tensors(layers, rng)
    chain = Chain(layers, tensors)
    tokens = random_input(layers, 5, 2, rng)
    y, _ = chain.sequence(tokens)
    vectors = tensors["letters.weight"][tokens]
    np.testing.assert_array_equal(y[4], np.concatenate([vectors[2], vectors[3], vectors[4]], -1))
    states = chain.pack(chain.zero_state(2))
    for t in range(5):
        np.testing.assert_array_equal(chain.step_packed(tokens[t], states), y[t])


@pytest.mark.parametrize("batch", [1, 2, 9])
def test_units_shared_by_the_threads_of_torch_change_no_bit(batch):
    layers = (network.LSTM("body", 512, 512), network.Linear("head", 512, 3))
    rng = np.random.default_rng(6)
    tensors = random_tensors(layers, rng)
    x, state = random_input(layers, 2, batch, rng), random_state(layers, batch, rng)
    one, two = (Chain(layers, tensors, threads=threads) for threads in (1, 2))
    states, others = one.pack(state), two.pack(state)
    for t in range(2):
        np.testing.assert_array_equal(two.step_packed(x[t], others), one.step_packed(x[t], states))
    np.testing.assert_array_equal(others, states)
