"""Layers written down and read back, and what makes no chain."""

import contextlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellstate import network
from cellstate.errors import InputError

VARIED = network.LSTM(
    "body", 3, 8, 2, 0.1, 5, True, True, True, True, 3.0, 0.5, 0.05, learn_initial_state=True
)
CHAIN = (
    network.Embedding("letters", 9, 3),
    network.Dropout("drop", 0.5),
    VARIED,
    network.FrameStack("last", 5, 3),
    network.LayerNorm("norm", 15),
    network.Linear("head", 15, 2, "tanh"),
)


def test_layers_read_back_are_those_written():
    network.check(CHAIN)
    assert network.from_json(json.loads(json.dumps(network.to_json(CHAIN)))) == CHAIN


def test_options_that_are_not_set_are_not_written():
    plain = network.LSTM("body", 3, 8)
    described = {"kind": "lstm", "name": "body", "input_size": 3, "hidden_size": 8}
    assert network.to_json((plain,)) == [{**described, "num_layers": 1, "dropout": 0.0}]
    assert network.from_json([described]) == (plain,)
    clipped = network.LSTM("body", 3, 8, cell_clip=2.0)
    assert network.to_json((clipped,))[0]["cell_clip"] == 2.0


def test_tensors_of_a_layer_are_those_of_its_torch_module():
    from cellstate import nn

    for layer in (VARIED, network.LSTM("body", 3, 8, 2), network.LSTM("body", 3, 8, peephole=True)):
        chain = nn.Chain((layer,))
        shapes = {name: values.shape for name, values in chain.tensors().items()}
        own = {}
        for k in range(layer.num_layers):
            own |= {f"body.{name}": shape for name, shape in layer.tensors(k).items()}
        if layer.learn_initial_state:
            own |= {"body.initial_h": (2, 5), "body.initial_c": (2, 8)}
        assert shapes == own


def test_sizes_that_a_layer_takes_and_gives():
    sizes = [(network.features_in(one), network.features_out(one)) for one in CHAIN]
    assert sizes == [(None, 3), (None, None), (3, 5), (5, 15), (15, 15), (15, 2)]


def lstm(**options):
    return (network.LSTM("body", 3, 8, **options),)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((), "unique names without dots; got no layers"),
        ((network.Linear("a", 2, 2, "tahn"),), "Did you mean 'tanh'?"),
        ((network.FrameStack("last", 3, 0),), "'last': frames must be in 1 … 1000; got 0"),
        ((network.FrameStack("last", 3, 1001),), "frames must be in 1 … 1000; got 1001"),
        ((network.FrameStack("last", 0, 2),), "inputs must be at least 1; got 0"),
        ((*lstm(proj_size=5), network.Linear("head", 8, 1)), "got 5 features for 8"),
        (lstm(num_layers=0), "num_layers must be at least 1; got 0"),
        ((network.LSTM("body", 3, 0),), "hidden_size must be at least 1; got 0"),
        (lstm(proj_size=8), "proj_size must be smaller than hidden_size, or 0 for none; got 8"),
        (lstm(proj_size=-1), "got -1"),
        (lstm(cell_clip=0.0), "cell_clip must be greater than zero, or None; got 0.0"),
        (lstm(cell_clip=np.nan), "got nan"),
        (lstm(zoneout_h=1.0), "zoneout must be in 0 … 1, 1 excluded; got 1.0"),
        (lstm(zoneout_c=-0.1), "got -0.1"),
    ],
)
def test_layers_that_make_no_chain_are_refused(layers, message):
    with pytest.raises(InputError) as caught:
        network.check(layers)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({}, "kind must be one of linear, lstm"),
        ([], "kind must be one of linear"),
        ({"kind": "lstn"}, "Did you mean 'lstm'?"),
        ({"kind": ["lstm"]}, "got ['lstm']"),
        ({"kind": "linear", "name": "a", "inputs": 1}, "needs all its options"),
        ({"kind": "dropout", "name": "a", "rate": 0.1, "size": 3}, "got size"),
        ({"kind": "dropout", "name": 3, "rate": 0.1}, "'name' of a dropout layer must be of type"),
        ({"kind": "dropout", "name": "a", "rate": "0.1"}, "of type float; got '0.1'"),
        ({"kind": "dropout", "name": "a", "rate": float("nan")}, "of type float; got nan"),
        ({"kind": "frame_stack", "name": "a", "inputs": 2, "frames": 2.0}, "of type int; got 2.0"),
        ({"kind": "frame_stack", "name": "a", "inputs": -2, "frames": 2}, "of type int; got -2"),
        (
            {"kind": "frame_stack", "name": "a", "inputs": 10**400, "frames": 2},
            "of type int; got 1",
        ),
        (
            {"kind": "lstm", "name": "a", "input_size": 1, "hidden_size": 1, "peephole": 1},
            "of type bool; got 1",
        ),
        (
            {"kind": "lstm", "name": "a", "input_size": 1, "hidden_size": 1, "cell_clip": True},
            "of type float | None; got True",
        ),
    ],
)
def test_descriptions_that_cannot_be_read_are_refused(item, message):
    with pytest.raises(InputError) as caught:
        network.from_json([item])
    assert message in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
OPTIONS = ["name", "inputs", "outputs", "input_size", "hidden_size", "frames", "proj_size", "rate"]


@given(
    st.lists(
        st.fixed_dictionaries(
            {"kind": st.sampled_from([*network.KINDS]) | JSON},
            optional=dict.fromkeys([*OPTIONS, "cell_clip", "zoneout_c"], JSON),
        )
        | JSON
    )
)
def test_whatever_is_written_there_the_answer_is_layers_or_a_refusal(items):
    with contextlib.suppress(InputError):
        layers = network.from_json(items)
        network.check(layers)
        assert network.from_json(network.to_json(layers)) == layers
