"""A chain's memory as one row of numbers per entity: (N, S) float32, as it lies in a state."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellstate import network
from cellstate.runtime.chain import Chain
from cellstate.runtime.state import Floats, LSTMState, State


class Records:
    """Steps a chain on packed rows: of each cell of each LSTM layer h, then c.

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

    def start(self, rows: int) -> Floats:
        """Make the rows before the first step: (rows, S)."""
        return np.zeros((rows, self.size), np.float32)

    def step(self, x: NDArray[Any], memory: Floats, rows: NDArray[Any] | None = None) -> Floats:
        """Advance some rows by one step, in place.

        Parameters
        ----------
        x : numpy.ndarray
            (B, I) float32, or (B,) integers where the first layer is an embedding.
        memory : numpy.ndarray
            (N, S) float32.
        rows : numpy.ndarray, optional
            (B,) places of different rows; all when not given.

        Returns
        -------
        numpy.ndarray
            (B, outputs) float32.
        """
        at: Any = slice(None) if rows is None else rows
        y, held = self._chain.step(x, self._unpacked(memory[at]))
        memory[at] = self._packed(held, len(x))
        return y

    def output(self, memory: Floats) -> Floats:
        """Give the hidden state (N, H) of the last cell: what a chain puts out where it is last."""
        _, _, _, H = self._places[-1]
        return memory[:, self.size - 2 * H : self.size - H].copy()

    def _unpacked(self, memory: Floats) -> State:
        state: State = {}
        for name, first, L, H in self._places:
            cells = memory[:, first : first + 2 * L * H].reshape(len(memory), L, 2, H)
            h, c = np.ascontiguousarray(cells.transpose(2, 1, 0, 3))
            state[name] = LSTMState(h, c)
        return state

    def _packed(self, state: State, rows: int) -> Floats:
        memory = np.empty((rows, self.size), np.float32)
        for name, first, L, H in self._places:
            cells = memory[:, first : first + 2 * L * H].reshape(rows, L, 2, H)
            h, c = state[name]
            cells[:, :, 0], cells[:, :, 1] = h.swapaxes(0, 1), c.swapaxes(0, 1)
        return memory
