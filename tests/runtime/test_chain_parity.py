"""The chain without torch and the chain of torch modules: one description, the same numbers."""

import numpy as np
import pytest

from cellstate import network
from cellstate.runtime import Chain
from tests.runtime.networks import (
    STACK,
    TEXT,
    exact_chain,
    random_input,
    random_state,
    random_tensors,
)

torch = pytest.importorskip("torch")

SINGLE = {
    f"T{T} B{B} I{I} H{H}": ((network.LSTM("body", I, H),), T, B)
    for T, B, I, H in [(1, 1, 1, 1), (2, 3, 7, 33), (33, 3, 5, 32), (33, 1, 64, 128)]
}
CASES = {"stack": (STACK, 33, 3), "text": (TEXT, 12, 2)} | SINGLE


def torch_chain(layers, tensors, x, state):
    """Run `cellstate.nn.Chain` in float32."""
    from cellstate import nn
    from cellstate.ops import LSTMState

    chain = nn.Chain(layers)
    chain.load_tensors(tensors)
    chain.eval()
    with torch.no_grad():
        y, after = chain(
            torch.from_numpy(x),
            {
                name: LSTMState(torch.from_numpy(h.copy()), torch.from_numpy(c.copy()))
                for name, (h, c) in state.items()
            },
        )
    return y.numpy(), {name: (s.h.numpy(), s.c.numpy()) for name, s in after.items()}


def eager_lstm(layers, tensors, x, state):
    """Run `torch.nn.LSTM` itself in float32, for a single layer."""
    (layer,) = layers
    lstm = torch.nn.LSTM(layer.input_size, layer.hidden_size)
    lstm.load_state_dict(
        {name.removeprefix("body."): torch.from_numpy(t) for name, t in tensors.items()}
    )
    h, c = (torch.from_numpy(part.copy()) for part in state["body"])
    with torch.no_grad():
        y, (h, c) = lstm(torch.from_numpy(x), (h, c))
    return y.numpy(), {"body": (h.numpy(), c.numpy())}


def largest_errors(answer, exact):
    y, after = answer
    y_exact, after_exact = exact
    pairs = [(y, y_exact)]
    for name in after_exact:
        pairs += zip(after[name], after_exact[name], strict=True)
    return np.array([np.abs(np.asarray(a, np.float64) - b).max() for a, b in pairs])


def problem(case, seed):
    layers, T, B = CASES[case]
    rng = np.random.default_rng(seed)
    return (
        layers,
        random_tensors(layers, rng),
        random_input(layers, T, B, rng),
        random_state(layers, B, rng),
    )


@pytest.mark.parametrize("case", SINGLE)
def test_error_is_at_most_twice_that_of_eager_torch(case):
    ours, theirs = [], []
    for seed in range(5):
        layers, tensors, x, state = problem(case, seed)
        exact = exact_chain(layers, tensors, x, state)
        ours.append(largest_errors(Chain(layers, tensors).sequence(x, state), exact))
        theirs.append(largest_errors(eager_lstm(layers, tensors, x, state), exact))
    # One rounding of a number near one: a single unit may hit the exact answer by luck.
    rounding = np.finfo(np.float32).eps / 2
    assert (np.max(ours, axis=0) <= 2 * np.max(theirs, axis=0) + rounding).all()


@pytest.mark.parametrize("case", CASES)
def test_chain_of_modules_gives_the_same_numbers(case):
    layers, tensors, x, state = problem(case, seed=0)
    y, after = Chain(layers, tensors).sequence(x, state)
    y_torch, after_torch = torch_chain(layers, tensors, x, state)
    np.testing.assert_allclose(y, y_torch, rtol=0, atol=4e-6)
    for name, (h, c) in after_torch.items():
        np.testing.assert_allclose(after[name].h, h, rtol=0, atol=4e-6)
        np.testing.assert_allclose(after[name].c, c, rtol=0, atol=4e-6)
