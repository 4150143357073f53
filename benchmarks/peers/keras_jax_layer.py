"""Keras' layer on its JAX backend, compiled by `jax.jit` as Keras' own `fit` and `predict` do."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras
import numpy as np

from benchmarks.peers.keras_weights import keras_weights
from benchmarks.peers.layer_server import Prepared


def set_threads(threads: int) -> None:
    """Check that the threads that NPROC has given XLA are those: it has no call for it."""
    assert os.environ["NPROC"] == str(threads)


def versions() -> str:
    """Name what is measured."""
    return f"keras {keras.__version__}, jax {jax.__version__}"


def prepare(arrays: dict[str, np.ndarray], training: bool) -> Prepared:
    """Build and jit the layer; inputs become JAX's, with the batch first, as Keras has it."""
    x, dy = (jax.numpy.asarray(arrays[name].swapaxes(0, 1)) for name in ("x", "dy"))
    layer = keras.layers.LSTM(
        arrays["weight_hh"].shape[1], return_sequences=True, return_state=True
    )
    layer.build(x.shape)
    layer.set_weights(keras_weights(arrays))
    weights = [one.value for one in layer.trainable_variables]
    fixed = [one.value for one in layer.non_trainable_variables]

    def forward(weights, x):
        (y, *_), _ = layer.stateless_call(weights, fixed, x)
        return y

    if training:

        @jax.jit
        def both(weights, x, dy):
            _, back = jax.vjp(forward, weights, x)
            return back(dy)

        return Prepared(lambda: jax.block_until_ready(both(weights, x, dy)), _gradient)
    jitted = jax.jit(forward)
    return Prepared(lambda: jax.block_until_ready(jitted(weights, x)), _array)


def _gradient(gradients: object) -> np.ndarray:
    assert isinstance(gradients, tuple)
    return _array(gradients[1])


def _array(array: object) -> np.ndarray:
    return np.asarray(array).swapaxes(0, 1)
