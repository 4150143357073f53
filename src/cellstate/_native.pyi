"""The recurrence's kernels, compiled from csrc/; see csrc/lstm.h."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_Indices = NDArray[np.int64]
_Floats = NDArray[np.float32]
_Doubles = NDArray[np.float64]
_Real = NDArray[np.float32] | NDArray[np.float64]

def isa() -> str:
    """Name the instruction set in use: the best one that this CPU runs."""

def isas() -> list[tuple[str, bool]]:
    """List the instruction sets in this build, the simplest first, and whether they run here."""

class PackedLSTM:
    """One cell's float32 weights in the layout of one instruction set.

    `weight_ih` is (4H, I), `weight_hh` (4H, P), `bias` (4H,), gates in the order i, f, g, o, and
    `weight_hr` (P, H), or None where P = H. `stored` is "full", "bf16" or "int8": narrow weights
    are rounded, each row of whole numbers with a scale, and widened on their way into a product.
    """

    def __init__(
        self,
        weight_ih: _Floats,
        weight_hh: _Floats,
        bias: _Floats,
        weight_hr: _Floats | None = None,
        *,
        isa: str | None = None,
        stored: str = "full",
    ) -> None: ...
    @property
    def isa(self) -> str: ...
    @property
    def bytes(self) -> int: ...
    @property
    def input_size(self) -> int: ...
    @property
    def hidden_size(self) -> int: ...
    @property
    def output_size(self) -> int: ...

class PackedLSTM64:
    """One cell's float64 weights in the layout of one instruction set.

    `weight_ih` is (4H, I), `weight_hh` (4H, P), `bias` (4H,), gates in the order i, f, g, o, and
    `weight_hr` (P, H), or None where P = H.
    """

    def __init__(
        self,
        weight_ih: _Doubles,
        weight_hh: _Doubles,
        bias: _Doubles,
        weight_hr: _Doubles | None = None,
        *,
        isa: str | None = None,
        stored: str = "full",
    ) -> None: ...
    @property
    def isa(self) -> str: ...
    @property
    def bytes(self) -> int: ...
    @property
    def input_size(self) -> int: ...
    @property
    def hidden_size(self) -> int: ...
    @property
    def output_size(self) -> int: ...

class PackedGradient:
    """The same weights, transposed, for the backward pass."""

    def __init__(
        self,
        weight_ih: _Floats,
        weight_hh: _Floats,
        weight_hr: _Floats | None = None,
        *,
        isa: str | None = None,
    ) -> None: ...
    @property
    def isa(self) -> str: ...

class PackedGradient64:
    """The same weights, transposed, for the backward pass."""

    def __init__(
        self,
        weight_ih: _Doubles,
        weight_hh: _Doubles,
        weight_hr: _Doubles | None = None,
        *,
        isa: str | None = None,
    ) -> None: ...
    @property
    def isa(self) -> str: ...

class Variant:
    """How a cell departs from the plain one; equations in cellstate.ops.variant.

    `cell_clip` 0 is none; without a key zoneout takes its expectation. `peephole` is (3H,),
    `keep_h` (B, P), `keep_g` (B, H), `norm_ih` and `norm_hh` (4H,), `norm_c` and `norm_c_bias`
    (H,).
    """

    def __init__(
        self,
        *,
        coupled: bool = False,
        hard_sigmoid: bool = False,
        cell_clip: float = 0.0,
        zoneout_c: float = 0.0,
        zoneout_h: float = 0.0,
        key: int | None = None,
        first_step: int = 0,
        peephole: _Real | None = None,
        keep_h: _Real | None = None,
        keep_g: _Real | None = None,
        norm_ih: _Real | None = None,
        norm_hh: _Real | None = None,
        norm_c: _Real | None = None,
        norm_c_bias: _Real | None = None,
    ) -> None: ...

def dropout_mask(key: int, stream: int, rate: float, out: _Real) -> None:
    """Fill `out` (rows, columns) with zeros and 1 / (1 - rate), as cellstate.ops.noise does."""

def lstm_forward(
    packed: PackedLSTM | PackedLSTM64,
    x: _Real,
    h0: _Real,
    c0: _Real,
    y: _Real,
    h: _Real | None,
    c: _Real,
    *,
    reverse: bool = False,
    lengths: NDArray[np.int64] | None = None,
    reset: NDArray[np.bool_] | None = None,
    start_h: _Real | None = None,
    start_c: _Real | None = None,
    gates: _Real | None = None,
    cells: _Real | None = None,
    variant: Variant | None = None,
    normed: _Real | None = None,
    stats: _Real | None = None,
    threads: int = 1,
) -> None:
    """Run T steps of B rows: `x` (T, B, I) to `y` (T, B, P), which may be columns of a wider array.

    States are (B, P) and (B, H), `start_h` (P,), `start_c` (H,). `gates` (T, B, 4H) and `cells`
    (T, B, H) are filled where they are given, with layer norm `normed` (T, B, 2, 4H) and `stats`
    (T, B, 4) too.
    """

def lstm_backward(
    packed: PackedGradient | PackedGradient64,
    c0: _Real,
    gates: _Real,
    cells: _Real,
    dy: _Real,
    dh_n: _Real,
    dc_n: _Real,
    dsums: _Real,
    dh0: _Real,
    dc0: _Real,
    dh: _Real | None = None,
    *,
    reverse: bool = False,
    lengths: NDArray[np.int64] | None = None,
    reset: NDArray[np.bool_] | None = None,
    start_c: _Real | None = None,
    dstart_h: _Real | None = None,
    dstart_c: _Real | None = None,
    dgates: _Real | None = None,
    dcells: _Real | None = None,
    variant: Variant | None = None,
    inner: _Real | None = None,
    dpeephole: _Real | None = None,
    normed: _Real | None = None,
    stats: _Real | None = None,
    dinputs: _Real | None = None,
    dgates_norm: _Real | None = None,
    dcells_norm: _Real | None = None,
    threads: int = 1,
) -> None:
    """Differentiate the same steps; csrc/lstm.h says what each array is."""

def lstm_gradient(
    packed: PackedGradient | PackedGradient64,
    x: _Real,
    y: _Real,
    h0: _Real,
    c0: _Real,
    gates: _Real,
    cells: _Real,
    dy: _Real,
    dh_n: _Real,
    dc_n: _Real,
    dh0: _Real,
    dc0: _Real,
    dx: _Real | None,
    dweight_ih: _Real,
    dweight_hh: _Real,
    dbias: _Real | None,
    reverse: bool,
    threads: int,
) -> None:
    """Differentiate a plain cell, without lengths and resets, with respect to all that is given.

    `y` and `dy` (T, B, H) may be columns of wider arrays; the gradients from `dh0` on are written.
    """

def input_gradient(
    packed: PackedGradient | PackedGradient64, dsums: _Real, dx: _Real, threads: int = 1
) -> None:
    """Write dsums W_ih to `dx`: (rows, 4H) to (rows, I)."""

def accumulate(a: _Real, b: _Real, c: _Real, sums: _Real | None = None, threads: int = 1) -> None:
    """Add aᵀ b to `c`, and the sum of a's rows to `sums`: `a` (K, M), `b` (K, N), `c` (M, N)."""

def digest(pieces: list[tuple[int, int]]) -> int:
    """Tell one state of memory from another by a sample of it; pieces are address and bytes."""

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

class PackedNorm:
    """Layer normalisation: `weight` and `bias` (I,), which must not change."""

    def __init__(
        self,
        weight: _Floats,
        bias: _Floats,
        epsilon: float = 1e-5,
        *,
        isa: str | None = None,
    ) -> None: ...
    @property
    def isa(self) -> str: ...

def normalise(packed: PackedNorm, x: _Floats, y: _Floats) -> None:
    """Write (x - mean) / √(variance + epsilon) weight + bias to `y`, row by row: (B, I) each."""

class PackedChain:
    """Layers that one call steps for all rows; see csrc/chain.h.

    Each layer takes what the one before it gives. A row's state is packed: `state_size` numbers,
    layer by layer, of each cell h and then c, of frames the inputs from the oldest on.
    """

    def __init__(self) -> None: ...
    def add_table(self, vectors: _Floats) -> None:
        """Begin with vectors (count, size) by number; they must not change."""

    def add_linear(self, packed: PackedLinear) -> None: ...
    def add_norm(self, packed: PackedNorm) -> None: ...
    def add_lstm(self, cells: list[PackedLSTM], variants: list[Variant | None]) -> None: ...
    def add_frames(self, inputs: int, frames: int) -> None:
        """Put the last `frames` inputs side by side, the oldest first."""

    @property
    def state_size(self) -> int: ...
    def step(
        self,
        x: _Floats | _Indices,
        states: _Floats,
        rows: _Indices | None,
        y: _Floats,
        threads: int = 1,
    ) -> None:
        """Advance B rows by one step: `x` (B, I) or (B,), `y` (B, O).

        `states` (N, S), rows of which may lie apart, changes in place in the `rows` (B,) that take
        part, which must differ; the first B if None.
        """

    def step_apart(
        self, x: _Floats | _Indices, states: Sequence[_Floats], y: _Floats, threads: int = 1
    ) -> None:
        """Advance B rows, whose states are arrays of their own (n, B, width), changed in place.

        They are h and c of each stack of cells and the inputs of frames, in the order of layers.
        """

def elementwise(
    function: str,
    x: _Real,
    y: _Real,
    *,
    isa: str | None = None,
) -> None:
    """Write the kernels' own "exp", "sigmoid" or "tanh" of `x` (N,) to `y`, for tests."""
