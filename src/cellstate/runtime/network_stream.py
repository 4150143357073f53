"""A bare chain of layers that reads events: numbers in, numbers out, one memory per entity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import isfinite
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from cellstate import network
from cellstate.artifact import Manifest, model_fingerprint
from cellstate.errors import EventError, InputError, explain
from cellstate.runtime.chain import Chain
from cellstate.runtime.stream import AbstractStream, Answer, Field, States

TASK = "network"
LARGEST = 1e6
"""Inputs beyond it are taken for accidents."""
_EVENT = "event"
_NUMBERS = frozenset((float, int))


class NetworkStream(AbstractStream):
    """A chain of layers, stepped event by event.

    An event brings ``x``, the input of one step: as many numbers as the first layer takes, or one
    integer for an embedding. An answer gives ``y``, what the last layer puts out.

    Parameters
    ----------
    layers : tuple of network.Layer
        With at least one LSTM layer or frame stack.
    tensors : mapping of str to numpy.ndarray
        By the names of the description.
    weights : {"float32", "bf16", "int8"}
        How the matrices of LSTM layers are stored.

    Raises
    ------
    InputError
        The layers do not fit one another or have no memory, or a tensor is missing.
    ShapeError
        A tensor has another shape than its layer.

    Examples
    --------
    >>> body = network.LSTM("body", input_size=1, hidden_size=1)
    >>> gates = np.full(4, 20.0)  # held open, so that the cell counts the steps
    >>> stream = NetworkStream((body,), {
    ...     "body.weight_ih_l0": np.zeros((4, 1)), "body.weight_hh_l0": np.zeros((4, 1)),
    ...     "body.bias_ih_l0": gates, "body.bias_hh_l0": np.zeros(4),
    ... })
    >>> states = stream.start(["a", "b"])
    >>> rows = [stream.read({"x": [0.5]})] * 2
    >>> for _ in range(2):
    ...     states, answers = stream.step(states, rows, np.zeros(2, np.int64))
    >>> round(answers[0]["y"][0], 3)  # tanh(2)
    0.964
    """

    task: ClassVar[str] = TASK
    needs_time: ClassVar[bool] = False

    def __init__(
        self,
        layers: tuple[network.Layer, ...],
        tensors: Mapping[str, NDArray[Any]],
        *,
        weights: str = "float32",
    ) -> None:
        # Dropout is the identity here; without it the first layer says what x must be.
        self.layers = tuple(one for one in layers if not isinstance(one, network.Dropout))
        if not any(isinstance(one, network.Recurrent) for one in self.layers):
            must = "a network that reads events must have an LSTM layer or a frame stack"
            given = ", ".join(one.kind for one in layers) or "no layer"
            raise InputError(explain("network", must, given, "Call it as a function instead"))
        self._chain = Chain(self.layers, tensors, weights=weights)
        self._tensors, self._weights = tensors, weights
        self.state_dtype = np.dtype([("memory", np.float32, (self._chain.state_size,))])
        first, outputs = self.layers[0], None
        self._size = network.features_in(first)
        self._count = first.count if isinstance(first, network.Embedding) else 0
        for layer in self.layers:
            outputs = network.features_out(layer)
        about = "Input of one step."
        if self._count:
            given = Field("x", "integer", f"{about} From 0 to {self._count - 1}.", required=True)
        else:
            given = Field("x", "number", about, size=self._size, required=True)
        self.inputs = (given,)
        self.outputs = (Field("y", "number", "Output of the last layer.", size=outputs),)

    @classmethod
    def from_artifact(
        cls,
        manifest: Manifest,
        tensors: Mapping[str, NDArray[Any]],
        *,
        weights: str = "float32",
    ) -> Self:
        """Build it from the parts of a model folder."""
        return cls(network.from_json(manifest.network["layers"]), tensors, weights=weights)

    @cached_property
    def fingerprint(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Of layers and weights."""
        names = tuple(f"{layer.name}." for layer in self.layers)
        own = {
            name: np.asarray(values, np.float32)
            for name, values in self._tensors.items()
            if name.startswith(names)
        }
        described = {"layers": network.to_json(self.layers), "weights": self._weights}
        return model_fingerprint({"task": self.task, **described}, own)

    def start(self, entities: Sequence[str]) -> States:
        """Make the states before the first event: zero, or what was learned."""
        states = np.empty(len(entities), self.state_dtype)
        states["memory"] = self._chain.start_packed(len(states))
        return states

    def read(self, data: Mapping[str, Any]) -> list[float] | int:
        """Take ``x`` out of an event.

        Raises
        ------
        EventError
            It is missing or not alone, of another form, not finite, or out of range.
        """
        is_mapping = type(data) is dict or isinstance(data, Mapping)  # the first is quick to tell
        if not is_mapping or len(data) != 1 or "x" not in data:
            raise _refused("its data must hold x and nothing else", "other names")
        x = data["x"]
        return self._index(x) if self._count else self._numbers(x)

    def step(
        self, states: States, rows: Sequence[Any], times: NDArray[np.int64]
    ) -> tuple[States, list[Answer | EventError]]:
        """Let each entity take in one event; times do not matter."""
        x = np.array(rows, np.int64 if self._count else np.float32)
        after = states.copy()
        memory = after["memory"]
        y = self._chain.step_packed(x, memory)
        answers: list[Answer | EventError] = [{"y": numbers} for numbers in y.tolist()]
        if not (np.isfinite(memory).all() and np.isfinite(y).all()):
            is_bad = ~(np.isfinite(memory).all(1) & np.isfinite(y).all(1))
            after[is_bad] = states[is_bad]
            for place in np.flatnonzero(is_bad):
                answers[place] = _refused("it must leave the network's numbers finite", "others")
        return after, answers

    def _numbers(self, x: Any) -> list[float]:
        if isinstance(x, np.ndarray):
            x = x.tolist()
        if not isinstance(x, list | tuple) or len(x) != self._size:
            count = f" of {len(x)}" if isinstance(x, list | tuple) else ""
            must = f"x must be a list of {self._size} numbers"
            raise _refused(must, f"a {type(x).__name__}{count}")
        if not _NUMBERS.issuperset(map(type, x)):
            raise _refused("x must hold numbers alone", "something else among them")
        try:
            # Where the sum is small, so are all: one pass instead of three for nearly every event.
            fits = sum(map(abs, x)) <= LARGEST or (
                isfinite(sum(x)) and max(x) <= LARGEST and min(x) >= -LARGEST
            )
        except OverflowError:  # integers of hundreds of digits
            fits = False
        if not fits:
            must = f"the numbers of x must be finite and at most {LARGEST:g} in size"
            raise _refused(must, "another one")
        return x  # pyright: ignore[reportReturnType]  a tuple serves as well

    def _index(self, x: Any) -> int:
        if isinstance(x, bool) or not isinstance(x, int | np.integer):
            raise _refused("x must be an integer", f"a {type(x).__name__}")
        if not 0 <= x < self._count:
            raise _refused(f"x must lie between 0 and {self._count - 1}", "one outside")
        return int(x)


def _refused(must: str, given: str) -> EventError:
    do = "See the model's description, and check what sends the events"
    return EventError(explain(_EVENT, must, given, do))
