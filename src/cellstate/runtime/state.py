"""The memory of a chain between two calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cellstate import network
from cellstate.errors import InputError, ShapeError, did_you_mean, explain

Floats = NDArray[np.float32]


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
    complete = zero_state(layers, batch)
    for name, given in (state or {}).items():
        if name not in complete:
            raise InputError(
                explain(
                    "runtime.Chain",
                    "state must hold the chain's LSTM layers by name",
                    repr(name),
                    did_you_mean(name, complete) if complete else "Leave it out",
                )
            )
        shape = complete[name].h.shape
        try:
            h, c = given
        except (TypeError, ValueError) as problem:
            raise _unlike(name, shape, f"{type(given).__name__} of another form") from problem
        complete[name] = LSTMState(*(_held_to(name, shape, part) for part in (h, c)))
    return complete


def _held_to(name: str, shape: tuple[int, ...], part: Floats) -> Floats:
    array = np.asarray(part)
    if array.shape != shape or array.dtype.kind not in "fiu":
        raise _unlike(name, shape, f"{array.shape} {array.dtype}")
    return np.ascontiguousarray(array, np.float32)


def _unlike(name: str, shape: tuple[int, ...], given: str) -> ShapeError:
    return ShapeError(
        explain(
            "runtime.Chain",
            f"the state of {name!r} must be h and c, each (layers, batch, hidden) = {shape}",
            given,
            "Pass the state that the last call returned for the same rows, or zero_state(batch)",
        )
    )
