"""Networks built from descriptions."""

from __future__ import annotations

import copy
import re

import numpy as np
import pytest
import torch

from cellstate import network
from cellstate.errors import CellstateError, InputError, ShapeError
from cellstate.nn import Chain
from cellstate.ops import LSTMState

BODY = network.LSTM("body", input_size=6, hidden_size=5, num_layers=2, dropout=0.5)
LAYERS = (
    network.Linear("enter", 3, 6, activation="relu"),
    network.LayerNorm("norm", 6),
    network.Dropout("drop", 0.5),
    BODY,
    network.Linear("head", 5, 2, activation="tanh"),
)
X = torch.randn(7, 4, 3, generator=torch.Generator().manual_seed(0))


def build(layers: tuple[network.Layer, ...] = LAYERS) -> Chain:
    torch.manual_seed(0)
    return Chain(layers).eval()


def test_a_chain_is_its_layers_one_after_the_other() -> None:
    chain = build()
    y, state = chain(X)
    t = {name: torch.from_numpy(value) for name, value in chain.tensors().items()}
    x = torch.relu(X @ t["enter.weight"].T + t["enter.bias"])
    x = torch.nn.functional.layer_norm(x, (6,), t["norm.weight"], t["norm.bias"])
    lstm = torch.nn.LSTM(6, 5, 2)
    lstm.load_state_dict({n.removeprefix("body."): v for n, v in t.items() if "body" in n})
    x, (h, c) = lstm(x)
    torch.testing.assert_close(y, torch.tanh(x @ t["head.weight"].T + t["head.bias"]))
    torch.testing.assert_close(tuple(state["body"]), (h, c))


def test_dropout_acts_in_training_only() -> None:
    chain = build()
    assert torch.equal(chain(X)[0], chain(X)[0])
    chain.train()
    assert not torch.equal(chain(X)[0], chain(X)[0])


def test_an_embedding_takes_integers() -> None:
    chain = build((network.Embedding("letters", 10, 6), BODY))
    tokens = torch.randint(0, 10, (7, 4))
    y, _ = chain(tokens)
    expected, _ = chain.get_submodule("body")(chain.get_submodule("letters").weight[tokens])
    assert torch.equal(y, expected)


@pytest.mark.parametrize("cut", [1, 3, 6])
def test_any_split_with_carried_state_equals_one_call(cut: int) -> None:
    chain = build()
    whole, last = chain(X)
    first, state = chain(X[:cut])
    rest, state = chain(X[cut:], state)
    torch.testing.assert_close(torch.cat([first, rest]), whole)
    torch.testing.assert_close(tuple(state["body"]), tuple(last["body"]))


def test_tensors_carry_the_names_of_the_description_and_are_copies() -> None:
    chain = build()
    tensors = chain.tensors()
    assert list(tensors)[:4] == ["enter.weight", "enter.bias", "norm.weight", "norm.bias"]
    assert tensors["body.weight_ih_l1"].shape == (20, 5)
    assert list(tensors) == [name for name, _ in chain.named_parameters()]
    assert all(t.dtype == np.float32 and t.flags.c_contiguous for t in tensors.values())
    tensors["head.bias"][:] = 99
    assert (chain.get_submodule("head").bias != 99).all()


def test_tensors_load_into_another_chain() -> None:
    chain = build()
    other = Chain(network.from_json(network.to_json(LAYERS))).eval()
    assert not torch.equal(other(X)[0], chain(X)[0])
    other.load_tensors(chain.tensors())
    assert torch.equal(other(X)[0], chain(X)[0])


def test_chains_share_the_layers_that_have_one_name() -> None:
    encoder = build()
    decoder = Chain((network.Linear("query", 1, 6), BODY), share=encoder)
    assert decoder.get_submodule("body") is encoder.get_submodule("body")
    both = torch.nn.ModuleList([encoder, decoder])
    assert len(list(both.parameters())) == len(list(encoder.parameters())) + 2
    twin = copy.deepcopy(both)
    assert twin[0].get_submodule("body") is twin[1].get_submodule("body")
    assert twin[0].get_submodule("body") is not encoder.get_submodule("body")


def test_a_chain_without_memory_has_an_empty_state() -> None:
    y, state = build((network.Linear("only", 3, 2),))(X)
    assert state == {}
    assert y.shape == (7, 4, 2)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((), "got no layers."),
        ((network.Linear("a", 1, 1), network.Linear("a", 1, 1)), "unique names"),
        ((network.Linear("a.b", 1, 1),), "without dots"),
        ((network.Linear("", 1, 1),), "unique names"),
        ((network.Linear("forward", 1, 1),), "no attributes of a module"),
        ((network.Linear("layers", 1, 1),), "no attributes of a module"),
        ((network.Linear("tensors", 1, 1),), "no attributes of a module"),
        ((network.Linear("a", 1, 1, activation="tahn"),), "Did you mean 'tanh'?"),
        ((network.Linear("a", 1, 2), BODY), "'body' must take what 'a' gives; got 2 features"),
        (
            (network.Linear("a", 1, 2), network.Embedding("b", 3, 4)),
            "got 2 features for integers.",
        ),
    ],
)
def test_bad_layers_are_answered_in_three_sentences(
    layers: tuple[network.Layer, ...], message: str
) -> None:
    assert_answered(lambda: Chain(layers), InputError, message)


def test_a_shared_layer_must_have_one_description() -> None:
    other = network.LSTM("body", input_size=6, hidden_size=4)
    assert_answered(
        lambda: Chain((other,), share=build()), InputError, "'body' must have one description"
    )


STATE = LSTMState(torch.zeros(2, 4, 5), torch.zeros(2, 4, 5))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((X[0],), ShapeError, "x must be (time, batch, input=3); got (4, 3), float32 on cpu."),
        ((X[..., :2],), ShapeError, "x must be (time, batch, input=3); got (7, 4, 2)"),
        ((X, {"bdoy": STATE}), InputError, "Did you mean 'body'?"),
        ((X[:, :2], {"body": STATE}), ShapeError, "hx[0] must be"),
    ],
)
def test_bad_calls_are_answered_in_three_sentences(
    arguments: tuple, error: type[Exception], message: str
) -> None:
    assert_answered(lambda: build()(*arguments), error, message)


@pytest.mark.parametrize(
    "change", [{"extra": np.zeros(1)}, {"head.bias": np.zeros(3)}], ids=["unknown", "wrong shape"]
)
def test_tensors_that_do_not_fit_are_refused(change: dict[str, np.ndarray]) -> None:
    chain = build()
    tensors = {**chain.tensors(), **change}
    assert_answered(lambda: chain.load_tensors(tensors), ShapeError, "other ones for")
    del tensors[next(iter(change))]
    del tensors["norm.bias"]
    assert_answered(lambda: chain.load_tensors(tensors), ShapeError, "norm.bias")


def assert_answered(call: object, error: type[Exception], message: str) -> None:
    assert callable(call)
    with pytest.raises(error, match=re.escape(message)) as raised:
        call()
    assert isinstance(raised.value, CellstateError)
    assert re.fullmatch(r"(Chain|LSTM): .*; got .*\. \S.*[.?]", str(raised.value), re.DOTALL)
