"""Keras' layer on its torch backend, called as it is: eagerly."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import torch

from benchmarks.peers.keras_weights import keras_weights
from benchmarks.peers.layer_server import Prepared


def set_threads(threads: int) -> None:
    """Let torch use so many threads."""
    torch.set_num_threads(threads)


def versions() -> str:
    """Name what is measured."""
    return f"keras {keras.__version__}, torch {torch.__version__}"


def prepare(arrays: dict[str, np.ndarray], training: bool) -> Prepared:
    """Build the layer; inputs become torch's, with the batch first, as Keras has it."""
    x = torch.from_numpy(np.ascontiguousarray(arrays["x"].swapaxes(0, 1)))
    layer = keras.layers.LSTM(
        arrays["weight_hh"].shape[1], return_sequences=True, return_state=True
    )
    layer.build(x.shape)
    layer.set_weights(keras_weights(arrays))
    if not training:

        def infer() -> object:
            with torch.inference_mode():
                return layer(x)[0]

        return Prepared(infer, _array)
    dy = torch.from_numpy(np.ascontiguousarray(arrays["dy"].swapaxes(0, 1)))
    x.requires_grad_()

    def train() -> object:
        layer.zero_grad()
        x.grad = None
        layer(x)[0].backward(dy)
        return x.grad

    return Prepared(train, _array)


def _array(tensor: object) -> np.ndarray:
    assert isinstance(tensor, torch.Tensor)
    return tensor.detach().numpy().swapaxes(0, 1)
