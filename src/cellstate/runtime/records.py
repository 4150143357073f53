"""A chain's memory as one row of numbers per entity: (N, S) float32, as it lies in a state."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellstate import network
from cellstate.runtime.chain import Chain
from cellstate.runtime.state import Floats, LSTMState, State


class Records:
    """Steps a chain on packed rows: of each LSTM layer h, then c, each layer by layer (L, H).

    Parameters
    ----------
    chain : Chain

    Attributes
    ----------
    size : int
        S, the numbers of one row.
    """

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._places: list[tuple[str, int, int, int]] = []
        self.size = 0
        for layer in chain.layers:
            if isinstance(layer, network.LSTM):
                L, H = layer.num_layers, layer.hidden_size
                self._places.append((layer.name, self.size, L, H))
                self.size += 2 * L * H

    def step(self, x: NDArray[Any], memory: Floats) -> tuple[Floats, Floats]:
        """Advance every row by one step.

        Parameters
        ----------
        x : numpy.ndarray
            (N, I) float32, or (N,) integers where the first layer is an embedding.
        memory : numpy.ndarray
            (N, S) float32, left as it is.

        Returns
        -------
        y : numpy.ndarray
            (N, outputs) float32.
        memory : numpy.ndarray
            (N, S) float32, after the step.
        """
        y, held = self._chain.step(x, self.unpacked(memory))
        return y, self.packed(held, len(memory))

    def unpacked(self, memory: Floats) -> State:
        """Give the state that `Chain` takes."""
        state: State = {}
        for name, first, L, H in self._places:
            N = len(memory)
            both = memory[:, first : first + 2 * L * H].reshape(N, 2, L, H)
            h, c = np.ascontiguousarray(both.transpose(1, 2, 0, 3))
            state[name] = LSTMState(h, c)
        return state

    def packed(self, state: State, rows: int) -> Floats:
        """Give the rows of a state that `Chain` gave."""
        memory = np.empty((rows, self.size), np.float32)
        for name, first, L, H in self._places:
            both = memory[:, first : first + 2 * L * H].reshape(rows, 2, L, H)
            h, c = state[name]
            both[:, 0], both[:, 1] = h.swapaxes(0, 1), c.swapaxes(0, 1)
        return memory
