"""A chain's ONNX form gives the chain's numbers in ONNX Runtime, or nobody gets it."""

import json

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from cellstate import network, onnx_graph
from cellstate.errors import ExportError, InputError
from cellstate.onnx_graph import run, session_of
from cellstate.runtime import Chain
from cellstate.runtime.onnx_export import chain_to_onnx
from tests.runtime.networks import STACK, STACKED, TEXT, random_input, random_state, varied
from tests.runtime.networks import random_tensors as draw

TWO_MEMORIES = (
    network.Dropout("drop", 0.5),
    network.LSTM("fast", 3, 5),
    network.Linear("between", 5, 4, "relu"),
    network.LSTM("slow", 4, 6, num_layers=2),
)
VARIANTS = ("peephole", "coupled", "coupled with peepholes", "hard sigmoid", "learned start")
NETWORKS = {name: varied(name) for name in VARIANTS}
NETWORKS["frames"] = STACKED
NETWORKS |= {"stack": STACK, "text": TEXT, "two memories": TWO_MEMORIES, "linear": STACK[:1]}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def given(layers, rng, steps, batch):
    """Draw input and states, both as the chain and as the graph take them."""
    computing = tuple(one for one in layers if not isinstance(one, network.Dropout))
    x, state = random_input(computing, steps, batch, rng), random_state(layers, batch, rng)
    return x, state, {f"{name}_0": part for name, part in named(state).items()}


def named(state):
    parts = {1: ("frames",), 2: ("h", "c")}
    return {
        f"{name}.{part}": array
        for name, held in state.items()
        for part, array in zip(parts[len(held)], held, strict=True)
        if array.size
    }


@pytest.mark.parametrize("name", NETWORKS)
def test_a_sequence_gives_the_chains_answer(name, rng):
    layers = NETWORKS[name]
    tensors = draw(layers, rng)
    session = session_of(chain_to_onnx(layers, tensors))
    chain = Chain(layers, tensors)
    for steps, batch in [(1, 1), (4, 2), (33, 7)]:
        x, state, feeds = given(layers, rng, steps, batch)
        y, after = chain.sequence(x, state)
        found = run(session, {"x": x, **feeds})
        np.testing.assert_allclose(found["y"], y, atol=2e-5)
        for part, array in named(after).items():
            np.testing.assert_allclose(found[f"{part}_n"], array, atol=2e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_steps_with_carried_states_are_the_sequence(name, rng):
    layers = NETWORKS[name]
    tensors = draw(layers, rng)
    model = chain_to_onnx(layers, tensors, single_step=True)
    session = session_of(model)
    returned = {one.key: one.value for one in model.metadata_props}
    next_of = json.loads(returned["states"])
    x, state, feeds = given(layers, rng, 9, 3)
    expected, _ = Chain(layers, tensors).sequence(x, state)
    for t in range(9):
        found = run(session, {"x": x[t], **feeds})
        np.testing.assert_allclose(found["y"], expected[t], atol=2e-5)
        feeds = {before: found[after] for before, after in next_of.items()}


def test_the_nodes_are_standard_operators_and_their_gates_in_onnx_s_order(rng):
    layers = (network.LSTM("body", 2, 3),)
    tensors = draw(layers, rng)
    graph = chain_to_onnx(layers, tensors).graph
    assert {node.domain for node in graph.node} == {""}
    W = next(numpy_helper.to_array(one) for one in graph.initializer if one.name == "body.W_layer0")
    i, f, g, o = np.split(tensors["body.weight_ih_l0"], 4)
    assert np.array_equal(W[0], np.concatenate([i, o, f, g]))


def test_double_precision_weights_are_rounded(rng):
    model = chain_to_onnx(STACK, draw(STACK, rng, np.float64))
    kinds = {one.data_type for one in model.graph.initializer}
    assert kinds == {onnx.TensorProto.FLOAT, onnx.TensorProto.INT64}


def test_metadata_says_how_to_call_it(rng):
    layers = (network.LSTM("memory", 2, 3), network.Linear("head", 3, 1))
    model = chain_to_onnx(layers, draw(layers, rng), single_step=True, metadata={"task": "none"})
    found = {one.key: one.value for one in model.metadata_props}
    assert found == {
        "task": "none",
        "form": "step",
        "inputs": '["x", "memory.h_0", "memory.c_0"]',
        "outputs": '["y", "memory.h_n", "memory.c_n"]',
        "states": '{"memory.h_0": "memory.h_n", "memory.c_0": "memory.c_n"}',
    }


@pytest.mark.parametrize("single_step", [False, True])
def test_a_graph_of_other_numbers_is_refused(rng, monkeypatch, single_step):
    monkeypatch.setattr(onnx_graph, "TO_ONNX", (0, 1, 2, 3))
    with pytest.raises(ExportError, match=r"^export: (y|body.._n) of x .* a difference of"):
        chain_to_onnx(STACK, draw(STACK, rng), single_step=single_step)


def test_weights_that_are_no_numbers_are_refused(rng):
    tensors = draw(STACK, rng)
    tensors["head.bias"][0] = np.nan
    with pytest.raises(ExportError, match="a difference of nan"):
        chain_to_onnx(STACK, tensors)


@pytest.mark.parametrize(
    ("layers", "drop", "message"),
    [
        ((network.Dropout("drop", 0.1),), "", "must have a layer that computes; got 1 layers of"),
        (STACK, "head.bias", "tensors must hold 'head.bias'"),
        (varied("projection"), "", "'body' must be those .* operator has; got a projection. Serve"),
        (varied("layer norm"), "", "got layer norm. Serve the model with cellstate"),
        (varied("cell clip"), "", r"got a bound of the cell state \(its clip bounds the gates"),
        (varied("zoneout"), "", "got zoneout"),
        (varied("all"), "", "got a projection, layer norm, a bound .*, zoneout"),
        ((*STACK, network.Linear("head", 3, 1)), "", "unique names"),
    ],
)
def test_bad_call_is_explained(rng, layers, drop, message):
    tensors = draw(layers, rng)
    tensors.pop(drop, None)
    with pytest.raises(InputError, match=message):
        chain_to_onnx(layers, tensors)
