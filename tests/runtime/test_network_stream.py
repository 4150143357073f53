"""A bare chain event by event: the numbers of the chain in torch, and nothing it cannot read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import cellstate
from cellstate import artifact, network, nn
from cellstate.errors import ArtifactError, EventError, InputError
from cellstate.runtime import Chain, Field, NetworkStream, Session
from cellstate.tasks.streams import load_stream
from tests.runtime.networks import STACK, TEXT, random_tensors

RNG = np.random.default_rng(0)
NETWORKS = {"numbers": STACK, "letters": TEXT}
NO_TIME = np.zeros(3, np.int64)


def stream_of(layers: tuple[network.Layer, ...], **settings: Any) -> NetworkStream:
    return NetworkStream(layers, random_tensors(layers, np.random.default_rng(1)), **settings)


def inputs_of(layers: tuple[network.Layer, ...]) -> np.ndarray:
    if layers is TEXT:
        return RNG.integers(0, 11, (6, 3))
    return RNG.normal(size=(6, 3, 5)).astype(np.float32)


@pytest.mark.parametrize("layers", NETWORKS.values(), ids=NETWORKS)
def test_events_give_the_numbers_of_torch(layers: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module, x = nn.Chain(layers).eval(), inputs_of(layers)
    module.save(tmp_path / "model")
    stream = load_stream(tmp_path / "model")
    with torch.inference_mode():
        expected = module(torch.from_numpy(x))[0].numpy()
    states = stream.start(["a", "b", "c"])
    for t in range(len(x)):
        rows = [stream.read({"x": value}) for value in x[t].tolist()]
        states, answers = stream.step(states, rows, NO_TIME)
        told = np.array([answer["y"] for answer in answers if not isinstance(answer, EventError)])
        np.testing.assert_allclose(told, expected[t], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("weights", ["float32", "bf16", "int8"])
@pytest.mark.parametrize("layers", NETWORKS.values(), ids=NETWORKS)
def test_events_give_the_bits_of_one_sequence(layers: Any, weights: str) -> None:
    stream, x = stream_of(layers, weights=weights), inputs_of(layers)
    chain = Chain(layers, random_tensors(layers, np.random.default_rng(1)), weights=weights)
    expected, _ = chain.sequence(x)
    sessions = [Session(stream, name) for name in "abc"]
    for t in range(len(x)):
        for row, session in enumerate(sessions):
            assert session.push({"x": x[t, row].tolist()})["y"] == expected[t, row].tolist()


def test_fields_say_what_the_first_layer_takes() -> None:
    assert stream_of(STACK).inputs == (
        Field("x", "number", "Input of one step.", size=5, required=True),
    )
    [letter] = stream_of(TEXT).inputs
    assert (letter.kind, letter.size) == ("integer", None)
    assert "From 0 to 10" in letter.about
    assert stream_of(STACK).outputs[0].size == 3
    only_memory = (network.Dropout("drop", 0.1), network.LSTM("body", 2, 4))
    stream = stream_of(only_memory)
    assert (stream.inputs[0].size, stream.outputs[0].size) == (2, 4)
    assert stream.state_dtype.itemsize == 4 * 8


@pytest.mark.parametrize(
    "x",
    [
        [1e6, -1e6, 0, 1, 2],
        (1.0, 2.0, 3.0, 4.0, 5.0),
        np.arange(5.0),
        np.arange(5, dtype=np.float32),
        np.arange(5),
    ],
)
def test_lists_and_arrays_of_real_numbers_are_read(x: Any) -> None:
    stream = stream_of(STACK)
    _, [answer] = stream.step(stream.start(["a"]), [stream.read({"x": x})], NO_TIME[:1])
    expected, _ = Chain(STACK, random_tensors(STACK, np.random.default_rng(1))).step(
        np.array([x], np.float32)
    )
    assert answer == {"y": expected[0].tolist()}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"x": [0.0] * 4}, "must be a list of 5 numbers; got a list of 4"),
        ({"x": 1.0}, "must be a list of 5 numbers; got a float"),
        ({"x": "12345"}, "must be a list of 5 numbers; got a str"),
        ({"x": [0.0, 1, 2, 3, True]}, "must hold numbers alone"),
        ({"x": [0.0, 1, 2, 3, None]}, "must hold numbers alone"),
        ({"x": [0.0, 1, 2, 3, [4]]}, "must hold numbers alone"),
        ({"x": np.array([0j] * 5)}, "must hold numbers alone"),
        ({"x": np.zeros((5, 1))}, "must hold numbers alone"),
        ({"x": [0.0, 1, 2, 3, 1000001]}, "must be finite and at most 1e.06 in size"),
        ({"x": [0.0, 1, 2, 3, -1000001.0]}, "must be finite"),
        ({"x": [1e308, 1e308, 0, 0, 0]}, "must be finite"),
        ({"x": [np.inf, -np.inf, 0, 0, 0]}, "must be finite"),
        ({"x": [0, np.nan, 0, 0, 0]}, "must be finite"),
        ({"x": [10**400, 0.0, 0, 0, 0]}, "must be finite"),
        ({"y": [0.0] * 5}, "must hold x and nothing else"),
        ({"x": [0.0] * 5, "id": 1}, "must hold x and nothing else"),
        ([0.0] * 5, "must hold x and nothing else"),
    ],
)
def test_what_is_no_input_is_refused(data: Any, message: str) -> None:
    with pytest.raises(EventError, match=message):
        stream_of(STACK).read(data)


@pytest.mark.parametrize("x", [-1, 11, 10**30, 1.0, True, None, "1", [1], np.float32(1)])
def test_what_is_no_index_is_refused(x: Any) -> None:
    with pytest.raises(EventError, match=r"x must (be an integer|lie between 0 and 10)"):
        stream_of(TEXT).read({"x": x})
    assert stream_of(TEXT).read({"x": np.int64(10)}) == 10


def test_a_network_without_memory_reads_no_events() -> None:
    with pytest.raises(
        InputError, match=r"must have an LSTM layer or a frame stack; got linear. Call it"
    ):
        stream_of((network.Linear("head", 2, 1),))


def test_a_saved_chain_has_no_estimator(tmp_path: Path) -> None:
    chain = nn.Chain(TEXT)
    chain.save(tmp_path / "model")
    chain.save(tmp_path / "model")  # replaces the older one
    with pytest.raises(InputError, match=r"a bare network, which has none\. Step it with"):
        cellstate.load(str(tmp_path / "model"))
    manifest, tensors = artifact.load(tmp_path / "model")
    assert manifest.task == "network"
    assert tensors.keys() == chain.tensors().keys()
    with pytest.raises(ArtifactError, match="directory above the model must exist"):
        chain.save(tmp_path / "nowhere" / "model")
