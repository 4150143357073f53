"""A streamable network, run without torch: the same numbers as `cellstate.nn.Chain`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cellstate import _native, network
from cellstate.runtime import inputs
from cellstate.runtime.cells import learned_start
from cellstate.runtime.layers import Embedding, build
from cellstate.runtime.state import FLOAT32, Floats, Given, Memory, State, is_dense


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

    And for some of many entities, whose states lie in one array and are changed in place:

    >>> states = chain.start_packed(1000)
    >>> chain.step_packed(np.zeros((2, 1)), states, rows=[7, 3]).round(2)
    array([[0.76],
           [0.76]], dtype=float32)
    >>> np.flatnonzero(states.any(axis=1))
    array([3, 7])
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
        inputs.check_threads(threads)
        computing = [one for one in self.layers if not isinstance(one, network.Dropout)]
        self._first = computing[0] if computing else self.layers[0]
        self._width = network.features_in(self._first)
        self._outputs = network.features_out(computing[-1]) if computing else None
        self._threads = threads
        self._memory = Memory(self.layers, learned_start(self.layers, tensors))
        self._built = build(self.layers, tensors, threads, inputs.stored_as(weights))
        self._native = _native.PackedChain()
        for layer in self._built:
            layer.add_to(self._native)

    @property
    def state_size(self) -> int:
        """How many numbers one row's packed state has."""
        return self._memory.size

    def zero_state(self, batch: int) -> State:
        """Make the state before the first step: zero, or what was learned.

        Parameters
        ----------
        batch : int
            How many rows will share a call.

        Returns
        -------
        dict of str to LSTMState or FrameState
            For each LSTM layer `h` and `c`, (L, B, P) and (L, B, H) float32; for each frame stack
            `frames`, (frames - 1, B, I).

        Raises
        ------
        ShapeError
            `batch` is no whole number, or negative.
        """
        return self._memory.start(batch)

    def start_packed(self, batch: int) -> Floats:
        """Make packed rows before the first step: (batch, S) float32, as `pack(zero_state(…))`.

        Raises
        ------
        ShapeError
            `batch` is no whole number, or negative.
        """
        return self._memory.pack(self._memory.start(batch), batch)

    def pack(self, state: Given, batch: int | None = None) -> Floats:
        """Bring a state into packed rows, as `step_packed` takes them.

        Parameters
        ----------
        state : mapping of str to LSTMState or FrameState
            What `zero_state`, `step` or `sequence` returned.
        batch : int, optional
            How many rows; needed where the state is empty.

        Returns
        -------
        numpy.ndarray
            (B, S) float32: layer by layer, of each LSTM cell h and then c, of a frame stack the
            inputs from the oldest on.

        Raises
        ------
        ShapeError, InputError
            `state` does not fit the layers.
        """
        rows = inputs.batch_of(state) if batch is None else batch
        return self._memory.pack(self._memory.held_to(rows, state), rows)

    def unpack(self, states: Floats) -> State:
        """Cut packed rows up into the state that `step` and `sequence` take.

        Parameters
        ----------
        states : numpy.ndarray
            (B, S) float32.

        Returns
        -------
        dict of str to LSTMState or FrameState
            Copies.

        Raises
        ------
        ShapeError
            `states` has another form.
        """
        states = np.asarray(states, FLOAT32)
        if states.ndim != 2 or states.shape[1] != self.state_size:
            inputs.check_states(states, self.state_size, None)
        return self._memory.unpack(states)

    def step_packed(self, x: ArrayLike, states: Floats, rows: ArrayLike | None = None) -> Floats:
        """Advance some of many packed states by one step, in place.

        One call of the kernels for all layers and rows: states are read where they lie and written
        back there, and other threads of Python may run meanwhile.

        Parameters
        ----------
        x : array_like
            Input (B, inputs); integers (B,) where the first layer is an embedding.
        states : numpy.ndarray
            (N, S) float32, each row dense; rows may lie apart, as in a field of a record array.
            `start_packed` and `pack` make such rows.
        rows : array_like, optional
            (B,) integers: which state belongs to each row of x, all different. By default the first
            B.

        Returns
        -------
        numpy.ndarray
            Output (B, outputs) float32, the bits that `step` gives.

        Raises
        ------
        ShapeError, InputError
            `x`, `states` or `rows` does not fit the layers, or a row is given twice. The states
            are as they were.
        """
        x = self._row_input(x)
        if rows is None:
            inputs.check_states(states, self.state_size, len(x))
        else:
            inputs.check_states(states, self.state_size, None)
            rows = inputs.held_rows(rows, len(x), len(states))
        if self._outputs is None:
            return x.copy()
        y = np.empty((len(x), self._outputs), FLOAT32)
        x = inputs.dense_copy_if_shared(x, states)
        self._native.step(x, states, rows, y, self._threads)
        return y

    def step(self, x: ArrayLike, state: Given | None = None) -> tuple[Floats, State]:
        """Advance every row by one step.

        Parameters
        ----------
        x : array_like
            Input (B, inputs); integers (B,) where the first layer is an embedding.
        state : mapping of str to LSTMState or FrameState, optional
            What the last call returned; that of `zero_state` where a layer is missing. It is left
            as it is. Plain tuples will do.

        Returns
        -------
        y : numpy.ndarray
            Output (B, outputs) float32.
        state : dict of str to LSTMState or FrameState
            State after the step, in arrays of its own.

        Raises
        ------
        ShapeError, InputError
            `x` or `state` does not fit the layers.
        """
        x = self._row_input(x)
        after = self._memory.held_to(len(x), state)
        if self._outputs is None:
            return x, after
        if state:
            after = {name: type(held)(*[a.copy() for a in held]) for name, held in after.items()}
        y = np.empty((len(x), self._outputs), FLOAT32)
        arrays = [array for held in after.values() for array in held]
        self._native.step_apart(x, arrays, y, self._threads)
        return y, after

    def sequence(self, x: ArrayLike, state: Given | None = None) -> tuple[Floats, State]:
        """Advance every row by T steps, as T calls of `step` would.

        Parameters
        ----------
        x : array_like
            Input (T, B, inputs); integers (T, B) where the first layer is an embedding. T may be 0.
        state : mapping of str to LSTMState or FrameState, optional
            As for `step`.

        Returns
        -------
        y : numpy.ndarray
            Output (T, B, outputs) float32.
        state : dict of str to LSTMState or FrameState
            State after the last step, in arrays of its own.

        Raises
        ------
        ShapeError, InputError
            `x` or `state` does not fit the layers.
        """
        x = inputs.held_input(self._first, x, ("time", "batch"))
        before = self._memory.held_to(x.shape[1], state)
        after: State = {}
        for layer in self._built:
            x, held = layer.run(x, before.get(layer.name))
            if held is not None:
                after[layer.name] = held
        return x, after

    def _row_input(self, x: ArrayLike) -> NDArray[Any]:
        """Hold the input of one step to what the kernels take."""
        if type(x) is np.ndarray and x.ndim == 2 and is_dense(x, (len(x), self._width)):
            return x  # the common case, in few operations
        x = inputs.held_input(self._first, x, ("batch",))
        if x.dtype.kind == "f":
            return x
        first = self._built[0]
        assert isinstance(first, Embedding)
        first.check(x)
        return np.ascontiguousarray(x, np.int64)
