"""The memory of a chain between two calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

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
        Hidden and cell state, each (L, B, H) float32.
    """

    h: Floats
    c: Floats


State = dict[str, LSTMState]


def zero_state(layers: Sequence[network.LSTM], batch: int) -> State:
    """Make the state before the first step of `batch` rows."""
    if not isinstance(batch, int | np.integer) or batch < 0:
        raise ShapeError(
            explain(
                "runtime.Chain",
                "batch must be a whole number, zero or more",
                repr(batch),
                "Pass the number of rows that will share a call",
            )
        )
    return {
        layer.name: LSTMState(
            *(np.zeros((layer.num_layers, batch, layer.hidden_size), np.float32) for _ in "hc")
        )
        for layer in layers
    }


def is_dense(array: object, shape: tuple[int, ...]) -> bool:
    """Whether it is a dense float32 array of a shape already, as kernels take it."""
    return (
        type(array) is np.ndarray
        and array.shape == shape
        and array.dtype is FLOAT32
        and array.flags.c_contiguous
    )


def checked_state(
    layers: Sequence[network.LSTM],
    batch: int,
    state: Mapping[str, tuple[Floats, Floats]] | None,
) -> State:
    """Complete a caller's state with zeros and hold it to the layers' shapes.

    Raises
    ------
    InputError
        A name is not one of the chain's LSTM layers.
    ShapeError
        An array does not fit its layer or the batch.
    """
    if not state:
        return zero_state(layers, batch)
    if type(state) is not dict and not isinstance(state, Mapping):
        raise InputError(
            explain(
                "runtime.Chain",
                "state must hold the chain's LSTM layers by name",
                type(state).__name__,
                "Pass the state that the last call returned, or {name: (h, c)}",
            )
        )
    held: State = {}
    for layer in layers:
        if layer.name in state:
            held[layer.name] = _held_to(layer, batch, state[layer.name])
        else:
            held |= zero_state((layer,), batch)
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


def _held_to(layer: network.LSTM, batch: int, given: tuple[Floats, Floats]) -> LSTMState:
    shape = (layer.num_layers, batch, layer.hidden_size)
    if isinstance(given, tuple) and len(given) == 2:  # the common case, in few operations
        h, c = given
        if is_dense(h, shape) and is_dense(c, shape):
            return given if type(given) is LSTMState else LSTMState(h, c)
    try:
        h, c = (np.asarray(part) for part in given)
    except (TypeError, ValueError) as problem:
        raise _unlike(layer.name, shape, f"{type(given).__name__} of another form") from problem
    for part in (h, c):
        if part.shape != shape or part.dtype.kind not in "fiu":
            raise _unlike(layer.name, shape, f"{part.shape} {part.dtype}")
    return LSTMState(np.ascontiguousarray(h, np.float32), np.ascontiguousarray(c, np.float32))


def _unlike(name: str, shape: tuple[int, ...], given: str) -> ShapeError:
    return ShapeError(
        explain(
            "runtime.Chain",
            f"the state of {name!r} must be h and c, each (layers, batch, hidden) = {shape}",
            given,
            "Pass the state that the last call returned for the same rows, or zero_state(batch)",
        )
    )
