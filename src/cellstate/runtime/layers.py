"""What `runtime.Chain` is made of: one class for each kind of layer, run over a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellstate import _native, network
from cellstate.errors import InputError, ShapeError, explain
from cellstate.runtime.state import Floats, LSTMState

Tensors = Mapping[str, NDArray[Any]]


class LSTMStack:
    """LSTM layers one above the other: (T, B, I) and a state in, (T, B, H) and the next one out."""

    def __init__(self, layer: network.LSTM, tensors: Tensors, threads: int) -> None:
        self.name = layer.name
        self._hidden_size = H = layer.hidden_size
        self._threads = threads
        self._packed: list[_native.PackedLSTM] = []
        for k in range(layer.num_layers):
            inputs = layer.input_size if k == 0 else H
            weight_ih = _take(tensors, f"{layer.name}.weight_ih_l{k}", (4 * H, inputs))
            weight_hh = _take(tensors, f"{layer.name}.weight_hh_l{k}", (4 * H, H))
            bias_ih = _take(tensors, f"{layer.name}.bias_ih_l{k}", (4 * H,))
            bias_hh = _take(tensors, f"{layer.name}.bias_hh_l{k}", (4 * H,))
            self._packed.append(_native.PackedLSTM(weight_ih, weight_hh, bias_ih + bias_hh))

    def run(self, x_TBI: Floats, state: LSTMState) -> tuple[Floats, LSTMState]:
        """Advance by T steps; the given state is left as it is."""
        T, B, _ = x_TBI.shape
        after = LSTMState(np.empty_like(state.h), np.empty_like(state.c))
        if T == 1:
            return self._step(x_TBI[0], state, after), after
        for k, packed in enumerate(self._packed):
            y_TBH = np.empty((T, B, self._hidden_size), np.float32)
            _native.lstm_forward(
                packed,
                x_TBI,
                state.h[k],
                state.c[k],
                y_TBH,
                after.h[k],
                after.c[k],
                threads=self._threads,
            )
            x_TBI = y_TBH
        return x_TBI, after

    def _step(self, x_BI: Floats, state: LSTMState, after: LSTMState) -> Floats:
        """Advance by one step, for which each layer's output is its new state."""
        for k, packed in enumerate(self._packed):
            h_BH = after.h[k]
            _native.lstm_step(packed, x_BI, state.h[k], state.c[k], h_BH, after.c[k], self._threads)
            x_BI = h_BH
        return x_BI[np.newaxis].copy()


class Linear:
    """A linear layer and its activation: (T, B, I) in, (T, B, O) out."""

    def __init__(self, layer: network.Linear, tensors: Tensors, threads: int) -> None:
        weight = _take(tensors, f"{layer.name}.weight", (layer.outputs, layer.inputs))
        bias = _take(tensors, f"{layer.name}.bias", (layer.outputs,))
        self._packed = _native.PackedLinear(weight, bias, layer.activation)
        self._threads = threads

    def run(self, x_TBI: Floats) -> Floats:
        """Map every row."""
        # Not NumPy's product: BLAS picks its order of summation by the number of rows.
        T, B, I = x_TBI.shape
        y = np.empty((T * B, self._packed.outputs), np.float32)
        _native.linear(self._packed, x_TBI.reshape(T * B, I), y, self._threads)
        return y.reshape(T, B, self._packed.outputs)


class LayerNorm:
    """Normalisation over the last axis: (T, B, I) in and out."""

    def __init__(self, layer: network.LayerNorm, tensors: Tensors) -> None:
        self._weight = _take(tensors, f"{layer.name}.weight", (layer.size,)).copy()
        self._bias = _take(tensors, f"{layer.name}.bias", (layer.size,)).copy()
        self._eps = np.float32(layer.eps)

    def run(self, x_TBI: Floats) -> Floats:
        """Normalise every row."""
        # Infinite entries make NaN, as they do in torch: an answer for that row, not an accident.
        with np.errstate(invalid="ignore", over="ignore"):
            centred = x_TBI - x_TBI.mean(axis=-1, keepdims=True)
            variance = np.square(centred).mean(axis=-1, keepdims=True)
            return centred / np.sqrt(variance + self._eps) * self._weight + self._bias


class Embedding:
    """A table of vectors: integers (T, B) in, (T, B, size) out."""

    def __init__(self, layer: network.Embedding, tensors: Tensors) -> None:
        self._name = layer.name
        self._weight = _take(tensors, f"{layer.name}.weight", (layer.count, layer.size)).copy()

    def run(self, x_TB: NDArray[Any]) -> Floats:
        """Look up every index."""
        count = len(self._weight)
        if x_TB.size and (x_TB.min() < 0 or x_TB.max() >= count):
            raise InputError(
                explain(
                    "runtime.Chain",
                    f"x must hold indices from 0 to {count - 1} for {self._name!r}",
                    f"values from {x_TB.min()} to {x_TB.max()}",
                    "Encode the input with the vocabulary that the model was trained with",
                )
            )
        return self._weight[x_TB]


def build(
    layers: tuple[network.Layer, ...], tensors: Tensors, threads: int
) -> list[LSTMStack | Linear | LayerNorm | Embedding]:
    """Build what each layer runs as; dropout, which is for training alone, runs as nothing."""
    built: list[LSTMStack | Linear | LayerNorm | Embedding] = []
    for layer in layers:
        match layer:
            case network.LSTM():
                built.append(LSTMStack(layer, tensors, threads))
            case network.Linear():
                built.append(Linear(layer, tensors, threads))
            case network.LayerNorm():
                built.append(LayerNorm(layer, tensors))
            case network.Embedding():
                built.append(Embedding(layer, tensors))
            case network.Dropout():
                pass
    return built


def _take(tensors: Tensors, name: str, shape: tuple[int, ...]) -> Floats:
    """Find one tensor of a layer, dense and float32."""
    advice = "Pass the tensors that were saved with this description"
    if name not in tensors:
        raise InputError(
            explain(
                "runtime.Chain", f"tensors must hold {name!r}", f"{len(tensors)} others", advice
            )
        )
    tensor = np.asarray(tensors[name])
    if tensor.shape != shape or tensor.dtype.kind != "f":
        raise ShapeError(
            explain(
                "runtime.Chain",
                f"{name!r} must hold floating point numbers of shape {shape}",
                f"{tensor.shape} {tensor.dtype}",
                advice,
            )
        )
    return np.ascontiguousarray(tensor, np.float32)
