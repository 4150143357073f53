"""What `runtime.Chain` is made of: one class for each kind of layer, run over a sequence.

Steps are the business of `_native.PackedChain`, to which each layer adds itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from cellstate import _native, network
from cellstate.errors import InputError, explain
from cellstate.runtime.cells import Tensors, pack_cell, take
from cellstate.runtime.state import FLOAT32, Floats, FrameState, LSTMState


class AbstractLayer(ABC):
    """A layer with its weights."""

    name: str

    @abstractmethod
    def add_to(self, chain: _native.PackedChain) -> None:
        """Become the next layer of a chain that is stepped in one call."""

    @abstractmethod
    def run(self, x_TBI: Any, state: Any) -> tuple[Floats, Any]:
        """Advance (T, B, ·) by T steps; the given state is left as it is, None is none."""


class LSTMStack(AbstractLayer):
    """LSTM layers one above the other: (T, B, I) and a state in, (T, B, P) and the next one out."""

    def __init__(self, layer: network.LSTM, tensors: Tensors, threads: int, stored: str) -> None:
        self.name = layer.name
        self._output_size = layer.output_size
        self._threads = threads
        self._cells = [pack_cell(layer, k, tensors, stored) for k in range(layer.num_layers)]

    def add_to(self, chain: _native.PackedChain) -> None:
        """Add every cell."""
        packed, variants = zip(*self._cells, strict=True)
        chain.add_lstm(list(packed), list(variants))

    def run(self, x_TBI: Floats, state: LSTMState) -> tuple[Floats, LSTMState]:
        """Run the whole sequence through one cell after the other."""
        T, B, _ = x_TBI.shape
        after = LSTMState(np.empty(state.h.shape, FLOAT32), np.empty(state.c.shape, FLOAT32))
        for k, (packed, variant) in enumerate(self._cells):
            y_TBP = np.empty((T, B, self._output_size), FLOAT32)
            _native.lstm_forward(
                packed,
                x_TBI,
                state.h[k],
                state.c[k],
                y_TBP,
                after.h[k],
                after.c[k],
                variant=variant,
                threads=self._threads,
            )
            x_TBI = y_TBP
        return x_TBI, after


class Linear(AbstractLayer):
    """A linear layer and its activation: (T, B, I) in, (T, B, O) out."""

    def __init__(self, layer: network.Linear, tensors: Tensors, threads: int) -> None:
        self.name = layer.name
        weight = take(tensors, f"{layer.name}.weight", (layer.outputs, layer.inputs))
        bias = take(tensors, f"{layer.name}.bias", (layer.outputs,))
        self._packed = _native.PackedLinear(weight, bias, layer.activation)
        self._outputs = layer.outputs
        self._threads = threads

    def add_to(self, chain: _native.PackedChain) -> None:
        """Add the product."""
        chain.add_linear(self._packed)

    def run(self, x_TBI: Floats, state: None) -> tuple[Floats, None]:
        """Map every row."""
        T, B, I = x_TBI.shape
        # Not NumPy's product: BLAS picks its order of summation by the number of rows.
        y = np.empty((T * B, self._outputs), FLOAT32)
        _native.linear(self._packed, x_TBI.reshape(T * B, I), y, self._threads)
        return y.reshape(T, B, self._outputs), None


class LayerNorm(AbstractLayer):
    """Normalisation over the last axis: (T, B, I) in and out."""

    def __init__(self, layer: network.LayerNorm, tensors: Tensors) -> None:
        self.name = layer.name
        weight, bias = (
            take(tensors, f"{layer.name}.{part}", (layer.size,)).copy()
            for part in ("weight", "bias")
        )
        self._packed = _native.PackedNorm(weight, bias, layer.eps)

    def add_to(self, chain: _native.PackedChain) -> None:
        """Add the norm."""
        chain.add_norm(self._packed)

    def run(self, x_TBI: Floats, state: None) -> tuple[Floats, None]:
        """Normalise every row."""
        T, B, I = x_TBI.shape
        # Not NumPy's mean: it picks its order of summation by the shape.
        y = np.empty((T * B, I), FLOAT32)
        _native.normalise(self._packed, x_TBI.reshape(T * B, I), y)
        return y.reshape(T, B, I), None


class Embedding(AbstractLayer):
    """A table of vectors: integers (T, B) in, (T, B, size) out."""

    def __init__(self, layer: network.Embedding, tensors: Tensors) -> None:
        self.name = layer.name
        self._weight = take(tensors, f"{layer.name}.weight", (layer.count, layer.size)).copy()

    def add_to(self, chain: _native.PackedChain) -> None:
        """Add the table."""
        chain.add_table(self._weight)

    def check(self, x: Any) -> None:
        """Require indices that the table has.

        Raises
        ------
        InputError
            One is too high or negative.
        """
        count = len(self._weight)
        if x.size and (x.min() < 0 or x.max() >= count):
            raise InputError(
                explain(
                    "runtime.Chain",
                    f"x must hold indices from 0 to {count - 1} for {self.name!r}",
                    f"values from {x.min()} to {x.max()}",
                    "Encode the input with the vocabulary that the model was trained with",
                )
            )

    def run(self, x_TBI: Any, state: None) -> tuple[Floats, None]:
        """Look up every index."""
        self.check(x_TBI)
        return self._weight[x_TBI], None


class FrameStack(AbstractLayer):
    """The last inputs side by side: (T, B, I) and those before in, (T, B, frames · I) out."""

    def __init__(self, layer: network.FrameStack) -> None:
        self.name = layer.name
        self._inputs, self._frames = layer.inputs, layer.frames

    def add_to(self, chain: _native.PackedChain) -> None:
        """Add the stack."""
        chain.add_frames(self._inputs, self._frames)

    def run(self, x_TBI: Floats, state: FrameState) -> tuple[Floats, FrameState]:
        """Put each step's inputs beside those before."""
        T = len(x_TBI)
        every = np.concatenate([state.frames, x_TBI])
        y = np.concatenate([every[k : k + T] for k in range(self._frames)], axis=-1)
        return y, FrameState(every[T:].copy())


def build(
    layers: tuple[network.Layer, ...], tensors: Tensors, threads: int, stored: str
) -> list[AbstractLayer]:
    """Build what each layer runs as; dropout, which is for training alone, runs as nothing."""
    built: list[AbstractLayer] = []
    for layer in layers:
        match layer:
            case network.LSTM():
                built.append(LSTMStack(layer, tensors, threads, stored))
            case network.Linear():
                built.append(Linear(layer, tensors, threads))
            case network.LayerNorm():
                built.append(LayerNorm(layer, tensors))
            case network.Embedding():
                built.append(Embedding(layer, tensors))
            case network.FrameStack():
                built.append(FrameStack(layer))
            case network.Dropout():
                pass
    return built
