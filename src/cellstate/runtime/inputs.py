"""What a chain's caller gives, held to what the kernels take."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cellstate import network
from cellstate.errors import InputError, ShapeError, did_you_mean, explain
from cellstate.runtime.state import FLOAT32, Floats, Given

WHERE = "runtime.Chain"
FORMS = {"float32": "full", "bf16": "bf16", "int8": "int8"}  # and how the kernels call them


def held_input(first: network.Layer, x: ArrayLike, axes: tuple[str, ...]) -> NDArray[Any]:
    """Hold the input to what the first layer takes; real numbers become dense float32.

    Raises
    ------
    ShapeError
        It has another form.
    """
    array = np.asarray(x)
    if isinstance(first, network.Embedding):
        kinds, form = "iu", f"({', '.join(axes)}) integers"
        fits = array.ndim == len(axes)
    else:
        features = network.features_in(first)
        kinds, form = "fiu", f"({', '.join(axes)}, input={features or 'any'}) real numbers"
        fits = array.ndim == len(axes) + 1 and features in (None, array.shape[-1])
    if not fits or array.dtype.kind not in kinds:
        raise ShapeError(
            explain(
                WHERE,
                f"x must be {form}",
                f"{array.shape} {array.dtype}",
                f"Bring x into the form that the layer {first.name!r} takes",
            )
        )
    return array if kinds == "iu" else np.ascontiguousarray(array, np.float32)


def check_states(states: object, size: int, batch: int | None) -> None:
    """Require packed states that can be changed in place: (N, S) float32, of at least B rows.

    Raises
    ------
    ShapeError
        They have another form.
    """
    must = f"states must be a writable float32 array of shape (N, {size}) with dense rows"
    do = "Pass the array that holds every entity's state, such as chain.start_packed(n)"
    if not isinstance(states, np.ndarray):
        raise ShapeError(explain(WHERE, must, type(states).__name__, do))
    if states.dtype != FLOAT32 or states.ndim != 2 or states.shape[1] != size:
        raise ShapeError(explain(WHERE, must, f"{states.shape} {states.dtype}", do))
    if batch is not None and len(states) < batch:
        raise ShapeError(
            explain(
                WHERE,
                f"states must have a row for each of the {batch} rows of x",
                f"{len(states)} rows",
                "Pass rows to say which states take part",
            )
        )
    apart, within = states.strides
    if not states.flags.writeable:
        raise ShapeError(explain(WHERE, must, "a read-only array", do))
    if (size > 1 and within != 4) or (len(states) > 1 and apart < 4 * size):
        raise ShapeError(explain(WHERE, must, f"rows {apart} and numbers {within} bytes apart", do))
    if apart % 4 or not states.flags.aligned:
        do = "Make the records' dtype with align=True"
        raise ShapeError(
            explain(WHERE, "states must be aligned to 4 bytes", f"rows {apart} bytes apart", do)
        )


def batch_of(state: Given) -> int:
    """Read the number of rows off a state.

    Raises
    ------
    InputError
        It has no array of three axes to tell.
    """
    parts = (part for held in state.values() for part in held)
    shape = np.shape(next(parts, ()))
    if len(shape) != 3:
        must, do = "a state without arrays must come with its batch", "Pass batch=…"
        raise InputError(explain(WHERE, must, f"an array of shape {shape}", do))
    return shape[1]


def held_rows(rows: ArrayLike, batch: int, count: int) -> NDArray[np.int64]:
    """Hold the numbers of the states that take part to B different ones of N.

    Raises
    ------
    ShapeError
        They are no (B,) integers.
    InputError
        One is out of range, or given twice.
    """
    array = np.asarray(rows)
    if array.shape != (batch,) or array.dtype.kind not in "iu":
        raise ShapeError(
            explain(
                WHERE,
                f"rows must be ({batch},) integers, one for each row of x",
                f"{array.shape} {array.dtype}",
                "Give the number of the state of each row",
            )
        )
    numbers = np.ascontiguousarray(array, np.int64)
    if batch == 0:
        return numbers
    ordered = numbers if batch == 1 else np.sort(numbers)
    if ordered[0] < 0 or ordered[-1] >= count:
        raise InputError(
            explain(
                WHERE,
                f"rows must be in 0 … {count - 1}",
                f"numbers from {ordered[0]} to {ordered[-1]}",
                "Number the rows of states from zero",
            )
        )
    if batch > 1 and (twice := ordered[1:] == ordered[:-1]).any():
        raise InputError(
            explain(
                WHERE,
                "rows must all differ: a state takes one step in a call",
                f"{ordered[:-1][twice][0]} more than once",
                "Let the second event of an entity wait for the next call",
            )
        )
    return numbers


def stored_as(weights: str) -> str:
    """Name a form of weights as the kernels call it.

    Raises
    ------
    InputError
        There is no such form.
    """
    if weights not in FORMS:
        raise InputError(
            explain(
                WHERE,
                "weights must be " + " or ".join(map(repr, FORMS)),
                repr(weights),
                did_you_mean(str(weights), FORMS),
            )
        )
    return FORMS[weights]


def check_threads(threads: int) -> None:
    """Require a number of threads.

    Raises
    ------
    InputError
        It is none.
    """
    if not isinstance(threads, int) or threads < 1:
        raise InputError(
            explain(
                WHERE,
                "threads must be a whole number, 1 or more",
                repr(threads),
                "Pass threads=1, or the number of cores to share a large batch",
            )
        )


def dense_copy_if_shared(x: NDArray[Any], states: Floats) -> NDArray[Any]:
    """Copy an input that lies in the same memory as states, which a step changes."""
    return x.copy() if np.may_share_memory(x, states) else x
