"""The memory of a chain between two calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cellstate import network
from cellstate.errors import InputError, ShapeError, did_you_mean, explain

Floats = NDArray[np.float32]
FLOAT32 = np.dtype(np.float32)


class LSTMState(NamedTuple):
    """State of one stack of LSTM layers.

    Attributes
    ----------
    h, c : numpy.ndarray
        Hidden and cell state, (L, B, P) and (L, B, H) float32.
    """

    h: Floats
    c: Floats


class FrameState(NamedTuple):
    """State of a frame stack.

    Attributes
    ----------
    frames : numpy.ndarray
        The inputs before, the oldest first, (frames - 1, B, I) float32.
    """

    frames: Floats


# By layer: `LSTMState` or `FrameState`. Whoever made the chain knows which.
State = dict[str, Any]
Given = Mapping[str, tuple[Floats, ...]]


class Part(NamedTuple):
    """One array of a layer's state, (number, B, width), and where its rows are when packed."""

    number: int
    width: int
    starts: range  # of each of `count` in the packed state


class Memory:
    """Which state a chain's layers have, in arrays of their own and packed.

    Packed, a row's state is S numbers: layer by layer, of each LSTM cell h and then c, of a frame
    stack the inputs, the oldest first.

    Parameters
    ----------
    layers : sequence of network.Layer
        Of a chain; those without a state are passed over.
    start : mapping of str to LSTMState
        Learned states before the first step, (L, P) and (L, H), by layer; zero where none is.
    """

    def __init__(
        self, layers: Sequence[network.Layer], start: Mapping[str, LSTMState] | None = None
    ) -> None:
        self._kinds: dict[str, type[LSTMState] | type[FrameState]] = {}
        self.parts: dict[str, tuple[Part, ...]] = {}
        self._start = dict(start or {})
        at = 0
        for layer in layers:
            if isinstance(layer, network.LSTM):
                L, P, H = layer.num_layers, layer.output_size, layer.hidden_size
                both = P + H
                h = Part(L, P, range(at, at + L * both, both))
                c = Part(L, H, range(at + P, at + P + L * both, both))
                self._kinds[layer.name], self.parts[layer.name] = LSTMState, (h, c)
                at += L * both
            elif isinstance(layer, network.FrameStack):
                kept, I = layer.frames - 1, layer.inputs
                self._kinds[layer.name] = FrameState
                self.parts[layer.name] = (Part(kept, I, range(at, at + kept * I, I)),)
                at += kept * I
        self.size = at

    def start(self, batch: int) -> State:
        """Make the state before the first step of `batch` rows."""
        if not isinstance(batch, int | np.integer) or isinstance(batch, bool) or batch < 0:
            raise ShapeError(
                explain(
                    "runtime.Chain",
                    "batch must be a whole number, zero or more",
                    repr(batch),
                    "Pass the number of rows that will share a call",
                )
            )
        return {name: self._start_of(name, int(batch)) for name in self.parts}

    def _start_of(self, name: str, batch: int) -> tuple[Floats, ...]:
        learned = self._start.get(name)
        if learned is None:
            made = (
                np.zeros((part.number, batch, part.width), FLOAT32) for part in self.parts[name]
            )
        else:
            made = (np.repeat(values[:, np.newaxis], batch, axis=1) for values in learned)
        return self._kinds[name](*made)

    def held_to(self, batch: int, state: Given | None) -> State:
        """Complete a caller's state with the start's and hold it to the layers' shapes.

        Raises
        ------
        InputError
            A name is not one of the chain's layers with a state.
        ShapeError
            An array does not fit its layer or the batch.
        """
        if not state:
            return self.start(batch)
        if type(state) is not dict and not isinstance(state, Mapping):
            raise InputError(
                explain(
                    "runtime.Chain",
                    "state must hold the chain's LSTM layers by name",
                    type(state).__name__,
                    "Pass the state that the last call returned, or {name: (h, c)}",
                )
            )
        held = {
            name: self._held(name, batch, state[name])
            if name in state
            else self._start_of(name, batch)
            for name in self.parts
        }
        if not state.keys() <= held.keys():
            name = next(name for name in state if name not in held)
            raise InputError(
                explain(
                    "runtime.Chain",
                    "state must hold the chain's LSTM layers by name",
                    repr(name),
                    did_you_mean(name, held) if held else "Leave it out",
                )
            )
        return held

    def _held(self, name: str, batch: int, given: tuple[Floats, ...]) -> tuple[Floats, ...]:
        parts, kind = self.parts[name], self._kinds[name]
        shapes = [(part.number, batch, part.width) for part in parts]
        has_form = isinstance(given, tuple) and len(given) == len(parts)
        if has_form and all(map(is_dense, given, shapes)):  # the common case, in few operations
            return given if type(given) is kind else kind(*given)
        try:
            arrays = [np.asarray(part) for part in given]
        except (TypeError, ValueError):
            arrays = []
        if len(arrays) != len(parts):
            raise self._unlike(name, shapes, f"{type(given).__name__} of another form")
        for array, shape in zip(arrays, shapes, strict=True):
            if array.shape != shape or array.dtype.kind not in "fiu":
                raise self._unlike(name, shapes, f"{array.shape} {array.dtype}")
        return kind(*(np.ascontiguousarray(array, np.float32) for array in arrays))

    def _unlike(self, name: str, shapes: list[tuple[int, ...]], given: str) -> ShapeError:
        axes, each = "(layers, batch, hidden)", " and ".join(map(str, shapes))
        if self._kinds[name] is FrameState:
            must = f"the state of {name!r} must be the inputs before, (frames - 1, batch, inputs)"
        elif shapes[0] == shapes[1]:
            must, each = f"the state of {name!r} must be h and c, each {axes}", str(shapes[0])
        else:
            must = f"the state of {name!r} must be h and c, {axes}"
        do = "Pass the state that the last call returned for the same rows, or zero_state(batch)"
        return ShapeError(explain("runtime.Chain", f"{must} = {each}", given, do))

    def pack(self, state: State, batch: int) -> Floats:
        """Bring a state that fits into packed rows, (B, S)."""
        packed = np.empty((batch, self.size), FLOAT32)
        for name, parts in self.parts.items():
            for part, array in zip(parts, state[name], strict=True):
                for at, values in zip(part.starts, array, strict=True):
                    packed[:, at : at + part.width] = values
        return packed

    def unpack(self, packed: Floats) -> State:
        """Cut packed rows up into arrays of their own."""
        return {
            name: self._kinds[name](*(_cut(packed, part) for part in parts))
            for name, parts in self.parts.items()
        }


def _cut(packed: Floats, part: Part) -> Floats:
    array = np.empty((part.number, len(packed), part.width), FLOAT32)
    for to, at in zip(array, part.starts, strict=True):
        to[:] = packed[:, at : at + part.width]
    return array


def is_dense(array: object, shape: tuple[int, ...]) -> bool:
    """Whether it is a dense float32 array of a shape already, as kernels take it."""
    return (
        type(array) is np.ndarray
        and array.shape == shape
        and array.dtype is FLOAT32
        and array.flags.c_contiguous
    )
