"""A streamable network, run without torch: the same numbers as `cellstate.nn.Chain`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cellstate import network
from cellstate.errors import InputError, ShapeError, did_you_mean, explain
from cellstate.runtime.layers import LSTMStack, build
from cellstate.runtime.state import Floats, State, checked_state, is_dense, zero_state


class Chain:
    """Layers one after the other, with weights packed once for this CPU's instructions.

    Parameters
    ----------
    layers : tuple of network.Layer
        The description. Names are unique and each layer takes what the one before it gives.
    tensors : mapping of str to numpy.ndarray
        Weights by name, as `nn.Chain.tensors` and `artifact.load` give them. Others are ignored,
        so two chains may share one mapping. Copied: later changes have no effect.
    threads : int, default 1
        Threads that share the rows of a call. More than one pays from some hundred rows on.
    weights : {"float32", "bf16", "int8"}
        How the matrices of LSTM layers are stored: as they are, rounded to bfloat16, or to whole
        numbers with a scale for each row. All else stays float32. A step of few rows takes the time
        in which its weights are read, and narrow ones are half or a quarter of the bytes.

    Raises
    ------
    InputError
        The layers do not fit one another, a tensor is missing, or one is not finite where weights
        are stored as int8.
    ShapeError
        A tensor has another shape than its layer, or is not floating point.

    Notes
    -----
    A row's numbers are the same bits whatever other rows share the call, and any split of a
    sequence with carried state gives the bits of one call. A NaN stays in its row. All arithmetic
    is float32; float64 input is rounded first.

    Examples
    --------
    An accumulator: the gates are held open by large biases, so that c counts the steps.

    >>> import numpy as np
    >>> from cellstate import network
    >>> body = network.LSTM("body", input_size=1, hidden_size=1)
    >>> gates = np.array([20.0, 20.0, 20.0, 20.0])  # i, f, g, o
    >>> chain = Chain((body,), {
    ...     "body.weight_ih_l0": np.zeros((4, 1)), "body.weight_hh_l0": np.zeros((4, 1)),
    ...     "body.bias_ih_l0": gates, "body.bias_hh_l0": np.zeros(4),
    ... })
    >>> state = chain.zero_state(batch=1)
    >>> for _ in range(3):
    ...     y, state = chain.step(np.zeros((1, 1)), state)
    >>> state["body"].c.round(3)
    array([[[3.]]], dtype=float32)

    The same in one call:

    >>> y_all, state = chain.sequence(np.zeros((3, 1, 1)))
    >>> bool(y_all[-1] == y)
    True
    """

    def __init__(
        self,
        layers: tuple[network.Layer, ...],
        tensors: Mapping[str, NDArray[Any]],
        *,
        threads: int = 1,
        weights: str = "float32",
    ) -> None:
        self.layers = tuple(layers)
        network.check(self.layers)
        _check_threads(threads)
        self._recurrent = tuple(one for one in self.layers if isinstance(one, network.LSTM))
        self._width = network.features_in(self.layers[0])
        self._built = build(self.layers, tensors, threads, _stored(weights))

    def zero_state(self, batch: int) -> State:
        """Make the state before the first step.

        Parameters
        ----------
        batch : int
            How many rows will share a call.

        Returns
        -------
        dict of str to LSTMState
            For each LSTM layer `h` and `c`, each (L, B, H) float32.

        Raises
        ------
        ShapeError
            `batch` is no whole number, or negative.
        """
        return zero_state(self._recurrent, batch)

    def step(
        self, x: ArrayLike, state: Mapping[str, tuple[Floats, Floats]] | None = None
    ) -> tuple[Floats, State]:
        """Advance every row by one step.

        Parameters
        ----------
        x : array_like
            Input (B, inputs); integers (B,) where the first layer is an embedding.
        state : mapping of str to (h, c), optional
            What the last call returned; zero where a layer is missing. It is left as it is.

        Returns
        -------
        y : numpy.ndarray
            Output (B, outputs) float32.
        state : dict of str to LSTMState
            State after the step, in arrays of its own.

        Raises
        ------
        ShapeError, InputError
            `x` or `state` does not fit the layers.
        """
        if not (type(x) is np.ndarray and x.ndim == 2 and is_dense(x, (len(x), self._width))):
            x = _sequence(self.layers[0], x, ("batch",))
        before = checked_state(self._recurrent, len(x), state)
        after: State = {}
        for layer in self._built:
            if isinstance(layer, LSTMStack):
                x, after[layer.name] = layer.step(x, before[layer.name])
            else:
                x = layer.step(x)
        return x, after

    def sequence(
        self, x: ArrayLike, state: Mapping[str, tuple[Floats, Floats]] | None = None
    ) -> tuple[Floats, State]:
        """Advance every row by T steps, as T calls of `step` would.

        Parameters
        ----------
        x : array_like
            Input (T, B, inputs); integers (T, B) where the first layer is an embedding. T may be 0.
        state : mapping of str to (h, c), optional
            As for `step`.

        Returns
        -------
        y : numpy.ndarray
            Output (T, B, outputs) float32.
        state : dict of str to LSTMState
            State after the last step, in arrays of its own.

        Raises
        ------
        ShapeError, InputError
            `x` or `state` does not fit the layers.
        """
        x = _sequence(self.layers[0], x, ("time", "batch"))
        before = checked_state(self._recurrent, x.shape[1], state)
        after: State = {}
        for layer in self._built:
            if isinstance(layer, LSTMStack):
                x, after[layer.name] = layer.run(x, before[layer.name])
            else:
                x = layer.run(x)
        return x, after


def _sequence(first: network.Layer, x: ArrayLike, axes: tuple[str, ...]) -> NDArray[Any]:
    """Hold the input to what the first layer takes; real numbers become float32."""
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
                "runtime.Chain",
                f"x must be {form}",
                f"{array.shape} {array.dtype}",
                f"Bring x into the form that the layer {first.name!r} takes",
            )
        )
    return array if kinds == "iu" else np.ascontiguousarray(array, np.float32)


def _stored(weights: str) -> str:
    """Name how the kernels call it."""
    names = {"float32": "full", "bf16": "bf16", "int8": "int8"}
    if weights not in names:
        raise InputError(
            explain(
                "runtime.Chain",
                "weights must be " + " or ".join(map(repr, names)),
                repr(weights),
                did_you_mean(str(weights), names),
            )
        )
    return names[weights]


def _check_threads(threads: int) -> None:
    if not isinstance(threads, int) or threads < 1:
        raise InputError(
            explain(
                "runtime.Chain",
                "threads must be a whole number, 1 or more",
                repr(threads),
                "Pass threads=1, or the number of cores to share a large batch",
            )
        )
