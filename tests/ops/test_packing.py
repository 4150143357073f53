"""Packed weights are those of the moment, whichever way the parameters were changed."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable

import pytest
import torch

from cellstate.nn import LSTM
from cellstate.ops import packing

CHANGES: dict[str, Callable[[LSTM], object]] = {
    "in place": lambda layer: layer.weight_hh_l0.detach().mul_(1.1),
    "through .data": lambda layer: layer.weight_ih_l0.data.mul_(1.1),
    "the bias through .data": lambda layer: layer.bias_hh_l0.data.add_(0.1),
    "other memory": lambda layer: setattr(
        layer.weight_hh_l0, "data", layer.weight_hh_l0.data * 1.1
    ),
    "another parameter": lambda layer: setattr(
        layer, "weight_hh_l0", torch.nn.Parameter(layer.weight_hh_l0.detach() * 1.1)
    ),
    "loaded": lambda layer: layer.load_state_dict(LSTM(3, 8).state_dict()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_weights_is_seen(change: str) -> None:
    torch.manual_seed(0)
    layer, x = LSTM(3, 8, backend="cpu"), torch.randn(5, 2, 3)
    before, _ = layer(x)
    CHANGES[change](layer)
    after, _ = layer(x)
    layer.backend = "reference"
    assert not torch.allclose(before, after)
    torch.testing.assert_close(after, layer(x)[0])


def test_packed_weights_die_with_their_layer() -> None:
    gc.collect()
    count = len(packing._CELLS)
    layer = LSTM(3, 8, 2, backend="cpu")
    layer(torch.randn(5, 2, 3))
    assert len(packing._CELLS) == count + 2
    del layer
    gc.collect()
    assert len(packing._CELLS) == count


def test_threads_of_the_caller_get_the_same_bits() -> None:
    layer, x = LSTM(3, 33, 2, bidirectional=True, backend="cpu"), torch.randn(9, 8, 3)
    expected = layer(x)[0].detach()
    found: list[bool] = []

    def run() -> None:
        for _ in range(20):
            y, _ = layer(x)
            y.sum().backward()
            found.append(torch.equal(y.detach(), expected))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 80
