"""The recurrence's kernels, compiled from csrc/. Every array is dense float32; see csrc/lstm.h."""

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float32]

def isa() -> str:
    """Name the instruction set in use: the best one that this CPU runs."""

def isas() -> list[tuple[str, bool]]:
    """List the instruction sets in this build, the simplest first, and whether they run here."""

class PackedLSTM:
    """One LSTM layer's weights in the layout of one instruction set.

    `weight_ih` is (4H, I), `weight_hh` (4H, H) and `bias` (4H,), gates in the order i, f, g, o.
    """

    def __init__(
        self,
        weight_ih: _Floats,
        weight_hh: _Floats,
        bias: _Floats,
        *,
        isa: str | None = None,
    ) -> None: ...
    @property
    def isa(self) -> str: ...
    @property
    def input_size(self) -> int: ...
    @property
    def hidden_size(self) -> int: ...

def lstm_step(
    packed: PackedLSTM,
    x: _Floats,
    h: _Floats,
    c: _Floats,
    h_out: _Floats,
    c_out: _Floats,
    threads: int = 1,
) -> None:
    """Advance B rows by one step: `x` (B, I), states (B, H); `c_out` may be `c` itself."""

def lstm_sequence(
    packed: PackedLSTM,
    x: _Floats,
    h: _Floats,
    c: _Floats,
    h_out: _Floats,
    c_out: _Floats,
    threads: int = 1,
) -> None:
    """Advance B rows by T steps: `x` (T, B, I), `h_out` (T, B, H), the other states (B, H)."""

class PackedLinear:
    """A linear layer's weights in the layout of one instruction set.

    `weight` is (O, I), `bias` (O,), `activation` "identity", "relu" or "tanh".
    """

    def __init__(
        self,
        weight: _Floats,
        bias: _Floats,
        activation: str = "identity",
        *,
        isa: str | None = None,
    ) -> None: ...
    @property
    def isa(self) -> str: ...
    @property
    def inputs(self) -> int: ...
    @property
    def outputs(self) -> int: ...

def linear(packed: PackedLinear, x: _Floats, y: _Floats, threads: int = 1) -> None:
    """Write activation(x Wᵀ + b) to `y`: `x` (B, I), `y` (B, O)."""

def elementwise(
    function: str,
    x: _Floats,
    y: _Floats,
    *,
    isa: str | None = None,
) -> None:
    """Write the kernels' own "exp", "sigmoid" or "tanh" of `x` (N,) to `y`, for tests."""
