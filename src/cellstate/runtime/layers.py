"""What `runtime.Chain` is made of: one class for each kind of layer, run over a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellstate import _native, network
from cellstate.errors import InputError, ShapeError, explain
from cellstate.runtime.state import FLOAT32, Floats, LSTMState

Tensors = Mapping[str, NDArray[Any]]


class LSTMStack:
    """LSTM layers one above the other: (T, B, I) and a state in, (T, B, H) and the next one out."""

    def __init__(self, layer: network.LSTM, tensors: Tensors, threads: int, stored: str) -> None:
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
            if stored == "int8":
                _check_finite(f"{layer.name}.weight_ih_l{k}", weight_ih)
                _check_finite(f"{layer.name}.weight_hh_l{k}", weight_hh)
            bias = bias_ih + bias_hh
            self._packed.append(_native.PackedLSTM(weight_ih, weight_hh, bias, stored=stored))

    def run(self, x_TBI: Floats, state: LSTMState) -> tuple[Floats, LSTMState]:
        """Advance by T steps; the given state is left as it is."""
        T, B, _ = x_TBI.shape
        after = LSTMState(np.empty(state.h.shape, FLOAT32), np.empty(state.c.shape, FLOAT32))
        for k, packed in enumerate(self._packed):
            y_TBH = np.empty((T, B, self._hidden_size), FLOAT32)
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

    def step(self, x: Floats, state: LSTMState) -> tuple[Floats, LSTMState]:
        """Advance by one step, (B, I) to (B, H): each layer's output is its new state."""
        h, c = state
        h_after, c_after = np.empty(h.shape, FLOAT32), np.empty(h.shape, FLOAT32)
        if len(self._packed) == 1:  # cutting arrays takes longer than the step of a small layer
            _native.lstm_step(self._packed[0], x, h, c, h_after, c_after, self._threads)
            return h_after[0].copy(), LSTMState(h_after, c_after)
        for k, packed in enumerate(self._packed):
            after = h_after[k]
            _native.lstm_step(packed, x, h[k], c[k], after, c_after[k], self._threads)
            x = after
        return x.copy(), LSTMState(h_after, c_after)


class Linear:
    """A linear layer and its activation: (T, B, I) in, (T, B, O) out."""

    def __init__(self, layer: network.Linear, tensors: Tensors, threads: int) -> None:
        weight = _take(tensors, f"{layer.name}.weight", (layer.outputs, layer.inputs))
        bias = _take(tensors, f"{layer.name}.bias", (layer.outputs,))
        self._packed = _native.PackedLinear(weight, bias, layer.activation)
        self._outputs = layer.outputs
        self._threads = threads

    def run(self, x_TBI: Floats) -> Floats:
        """Map every row."""
        T, B, I = x_TBI.shape
        return self.step(x_TBI.reshape(T * B, I)).reshape(T, B, self._outputs)

    def step(self, x_BI: Floats) -> Floats:
        """Map every row, (B, I) to (B, O)."""
        # Not NumPy's product: BLAS picks its order of summation by the number of rows.
        y_BO = np.empty((len(x_BI), self._outputs), FLOAT32)
        _native.linear(self._packed, x_BI, y_BO, self._threads)
        return y_BO


class LayerNorm:
    """Normalisation over the last axis: (T, B, I) or (B, I) in and out."""

    def __init__(self, layer: network.LayerNorm, tensors: Tensors) -> None:
        self._weight = _take(tensors, f"{layer.name}.weight", (layer.size,)).copy()
        self._bias = _take(tensors, f"{layer.name}.bias", (layer.size,)).copy()
        self._eps = np.float32(layer.eps)

    def run(self, x: Floats) -> Floats:
        """Normalise every row."""
        # Infinite entries make NaN, as they do in torch: an answer for that row, not an accident.
        with np.errstate(invalid="ignore", over="ignore"):
            centred = x - x.mean(axis=-1, keepdims=True)
            variance = np.square(centred).mean(axis=-1, keepdims=True)
            return centred / np.sqrt(variance + self._eps) * self._weight + self._bias

    step = run


class Embedding:
    """A table of vectors: integers (T, B) or (B,) in, (T, B, size) or (B, size) out."""

    def __init__(self, layer: network.Embedding, tensors: Tensors) -> None:
        self._name = layer.name
        self._weight = _take(tensors, f"{layer.name}.weight", (layer.count, layer.size)).copy()

    def run(self, x: NDArray[Any]) -> Floats:
        """Look up every index."""
        count = len(self._weight)
        if x.size and (x.min() < 0 or x.max() >= count):
            raise InputError(
                explain(
                    "runtime.Chain",
                    f"x must hold indices from 0 to {count - 1} for {self._name!r}",
                    f"values from {x.min()} to {x.max()}",
                    "Encode the input with the vocabulary that the model was trained with",
                )
            )
        return self._weight[x]

    step = run


def build(
    layers: tuple[network.Layer, ...], tensors: Tensors, threads: int, stored: str
) -> list[LSTMStack | Linear | LayerNorm | Embedding]:
    """Build what each layer runs as; dropout, which is for training alone, runs as nothing."""
    built: list[LSTMStack | Linear | LayerNorm | Embedding] = []
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


def _check_finite(name: str, tensor: Floats) -> None:
    if not np.isfinite(tensor).all():
        raise InputError(
            explain(
                "runtime.Chain",
                f"{name!r} must be finite to be stored as int8",
                f"{np.count_nonzero(~np.isfinite(tensor))} infinite or NaN entries",
                "Look into the training that made them",
            )
        )
