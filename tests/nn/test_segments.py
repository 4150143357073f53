"""The network over segments: from one state, every segment of the horizon by itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cellstate import network
from cellstate.nn import Chain
from cellstate.nn.segments import SegmentNetwork
from cellstate.ops.problem import LSTMState

SEGMENTS, ROWS, ANSWERS, FEATURES, KNOWN, WIDTH, OUTPUTS = 4, 3, 2, 6, 5, 8, 7
WINDOW, HORIZON = 12, 3


def build(layers: int = 1, dropout: float = 0.0) -> SegmentNetwork:
    torch.manual_seed(0)
    memory = network.LSTM("memory", WIDTH, WIDTH, layers)
    return SegmentNetwork(
        encoder=(network.Linear("embed", FEATURES, WIDTH, "relu"), memory),
        query=(network.Linear("query", KNOWN, WIDTH),),
        position=network.Embedding("position", ANSWERS, WIDTH),
        decoder=(memory, network.Dropout("drop", dropout), network.Linear("head", WIDTH, OUTPUTS)),
        skip=(network.Linear("skip", WINDOW, HORIZON),),
    ).eval()


def inputs(rows: int = ROWS) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    return (
        torch.randn(SEGMENTS, rows, FEATURES, generator=draw),
        torch.randn(rows, ANSWERS, KNOWN, generator=draw),
        torch.randn(rows, WINDOW, generator=draw),
    )


def test_each_answer_has_its_outputs_and_the_horizon_its_line() -> None:
    raw, line = build()(*inputs())
    assert raw.shape == (ROWS, ANSWERS, OUTPUTS)
    assert line.shape == (ROWS, HORIZON)


@pytest.mark.parametrize("layers", [1, 2])
def test_an_answer_is_one_more_step_of_the_same_memory(layers: int) -> None:
    net = build(layers)
    segments, queries, window = inputs()
    raw, _ = net(segments, queries, window)
    tensors = net.tensors()
    chain = Chain(net.encoder.layers)
    chain.load_tensors({name: tensors[name] for name in chain.tensors()})
    _, state = chain.eval()(segments)
    for answer in range(ANSWERS):
        query = queries[:, answer] @ torch.from_numpy(tensors["query.weight"]).T
        query = query + torch.from_numpy(tensors["query.bias"] + tensors["position.weight"][answer])
        out, _ = net.get_submodule("decoder.memory")(query[None], LSTMState(*state["memory"]))
        expected = out[0] @ torch.from_numpy(tensors["head.weight"]).T
        expected = expected + torch.from_numpy(tensors["head.bias"])
        torch.testing.assert_close(raw[:, answer], expected)


def test_a_row_does_not_see_its_neighbours_nor_an_answer_the_others() -> None:
    net = build()
    segments, queries, window = inputs()
    raw, line = net(segments, queries, window)
    one_raw, one_line = net(segments[:, 1:2], queries[1:2], window[1:2])
    torch.testing.assert_close(one_raw[0], raw[1])
    torch.testing.assert_close(one_line[0], line[1])
    queries[:, 1] += 1
    other, _ = net(segments, queries, window)
    torch.testing.assert_close(other[:, 0], raw[:, 0])
    assert not torch.allclose(other[:, 1], raw[:, 1])


def test_encoder_and_decoder_share_one_memory() -> None:
    net = build()
    assert net.get_submodule("encoder.memory") is net.get_submodule("decoder.memory")
    names = [name for name, _ in net.named_parameters()]
    assert sum("weight_ih_l0" in name for name in names) == 1


def test_tensors_bear_the_descriptions_names_and_are_copies() -> None:
    net = build()
    tensors = net.tensors()
    linear = ("embed", "query", "head", "skip")
    assert set(tensors) == {
        *(f"{name}.{part}" for name in linear for part in ("weight", "bias")),
        *(f"memory.{part}_{which}_l0" for part in ("weight", "bias") for which in ("ih", "hh")),
        "position.weight",
    }
    assert tensors["position.weight"].shape == (ANSWERS, WIDTH)
    assert all(values.dtype == np.float32 for values in tensors.values())
    tensors["position.weight"][:] = 9
    assert (net.positions != 9).all()


def test_every_parameter_learns() -> None:
    net = build().train()
    raw, line = net(*inputs())
    (raw.square().sum() + (line - 1).square().sum()).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_the_linear_part_starts_at_zero() -> None:
    _, line = build()(*inputs())
    assert (line == 0).all()


def test_dropout_acts_in_training_only() -> None:
    net = build(dropout=0.5)
    assert torch.equal(net(*inputs())[0], net(*inputs())[0])
    net.train()
    assert not torch.equal(net(*inputs())[0], net(*inputs())[0])
