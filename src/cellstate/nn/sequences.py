"""The forms in which sequences come to a recurrent layer, and go: batched, unbatched, packed.

A layer computes on time-major (T, B, I) with lengths; everything here is about that layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from torch.utils import _pytree

from cellstate.errors import ArgumentTypeError, InputError, ShapeError, explain
from cellstate.ops import checks
from cellstate.ops.problem import LSTMResult, LSTMState, LSTMTrace


class Sequences(NamedTuple):
    """Sequences in the layout of the ops, and what is needed to go back."""

    x: Tensor  # (T, B, I)
    lengths: Tensor | None  # (B,) int64 on the CPU
    reset: Tensor | None  # (T, B)
    batch_axis: int | None  # in the user's layout; None where there is none
    packed: PackedSequence | None


def read(
    where: str,
    given: Tensor | PackedSequence,
    *,
    features: int,
    batch_first: bool,
    lengths: Tensor | Sequence[int] | int | None,
    reset: Tensor | None,
) -> Sequences:
    """Bring sequences of any form into the layout of the ops.

    Raises
    ------
    ShapeError, ArgumentTypeError, InputError
        The input, the lengths or the mask has the wrong shape, dtype, device or values.
    """
    if isinstance(given, PackedSequence):
        return _read_packed(where, given, features, lengths, reset)
    axes = "batch, time" if batch_first else "time, batch"
    x = checks.check_tensor(where, "x", given, f"({axes}, input={features})")
    if x.dim() not in (2, 3) or x.shape[-1] != features:
        raise ShapeError(
            explain(
                where,
                f"x must be ({axes}, input={features}), or (time, input={features}) unbatched",
                checks.describe(x),
                f"Build the layer with input_size={x.shape[-1]} or project x to {features} features"
                if x.dim() in (2, 3)
                else "Bring x to three axes, or to two for a single sequence",
            )
        )
    batch_axis = None if x.dim() == 2 else 0 if batch_first else 1
    if reset is not None:
        names = axes if x.dim() == 3 else "time"
        reset = checks.check_reset(where, reset, names, x.shape[:-1], x)
    if batch_axis is None:
        x = x.unsqueeze(1)
        reset = None if reset is None else reset.unsqueeze(1)
        lengths = [lengths] if isinstance(lengths, int) else lengths
    elif batch_axis == 0:
        x = x.transpose(0, 1)
        reset = None if reset is None else reset.transpose(0, 1)
    if lengths is not None:
        lengths = checks.check_lengths(where, lengths, x.shape[1], x.shape[0])
    return Sequences(x, lengths, reset, batch_axis, None)


def _read_packed(
    where: str, given: PackedSequence, features: int, lengths: object, reset: object
) -> Sequences:
    """Pad a packed sequence, rows in its own order: from the longest to the shortest."""
    if lengths is not None or reset is not None:
        raise InputError(
            explain(
                where,
                "a PackedSequence must come without lengths and reset, since it has its own order",
                "lengths" if lengths is not None else "reset",
                "Give the padded tensor with lengths and reset instead",
            )
        )
    data = checks.check_tensor(where, "x.data", given.data, f"(steps, input={features})")
    if data.dim() != 2 or data.shape[-1] != features:
        raise ShapeError(
            explain(
                where,
                f"x.data must be (steps, input={features})",
                checks.describe(data),
                f"Build the layer with input_size={data.shape[-1]} or project x before packing it",
            )
        )
    x, counts = pad_packed_sequence(PackedSequence(data, given.batch_sizes))
    return Sequences(x, counts, None, 1, given)


def read_state(
    where: str,
    hx: tuple[Tensor, Tensor] | None,
    sequences: Sequences,
    cells: int,
    sizes: tuple[int, int],
) -> LSTMState | None:
    """Bring a given state (h, c) into the layout of the ops; None stays None."""
    if hx is None:
        return None
    if not isinstance(hx, tuple | list) or len(hx) != 2:  # pyright: ignore[reportUnnecessaryIsInstance, reportUnnecessaryComparison]
        raise ArgumentTypeError(
            explain(
                where, "hx must be a pair (h_0, c_0)", checks.describe(hx), "Give both, or neither"
            )
        )
    x, unbatched = sequences.x, sequences.batch_axis is None
    rows = (cells,) if unbatched else (cells, x.shape[1])
    axes = "layers·directions, size" if unbatched else "layers·directions, batch, size"
    parts: list[Tensor] = []
    for name, value, size in zip(("hx[0]", "hx[1]"), hx, sizes, strict=True):
        part = checks.check_tensor(where, name, value, f"({axes})")
        checks.check_shape(where, name, part, axes, (*rows, size))
        checks.check_like(where, name, part, x)
        parts.append(part.unsqueeze(1) if unbatched else part)
    if sequences.packed is not None and sequences.packed.sorted_indices is not None:
        order = sequences.packed.sorted_indices
        parts = [part.index_select(1, order) for part in parts]
    return LSTMState(*parts)


class Answer(NamedTuple):
    """A result in the user's layout."""

    y: Tensor | PackedSequence
    state: LSTMState
    trace: LSTMTrace | None


# So that an exported layer that shows its trace can be saved.
_pytree._register_namedtuple(  # pyright: ignore[reportPrivateUsage]
    Answer, serialized_type_name="cellstate.nn.Answer"
)


def write(result: LSTMResult, sequences: Sequences, *, batch_first: bool) -> Answer:
    """Bring a result back into the form in which the sequences came."""
    y, state, trace = result
    packed = sequences.packed
    if packed is not None:
        return _write_packed(result, packed, cast("Tensor", sequences.lengths), batch_first)
    if sequences.batch_axis is None:
        state = LSTMState(state.h.squeeze(1), state.c.squeeze(1))
        trace = None if trace is None else LSTMTrace(*(t.squeeze(3) for t in trace))
        return Answer(y.squeeze(1), state, trace)
    if sequences.batch_axis == 0:
        trace = None if trace is None else LSTMTrace(*(t.transpose(2, 3) for t in trace))
        return Answer(y.transpose(0, 1), state, trace)
    return Answer(y, state, trace)


def _write_packed(
    result: LSTMResult, packed: PackedSequence, lengths: Tensor, batch_first: bool
) -> Answer:
    """Pack the outputs as the input was; states and trace return to the order before packing."""
    y, state, trace = result
    data = pack_padded_sequence(y, lengths).data
    inverse = packed.unsorted_indices
    if inverse is not None:
        state = LSTMState(*(s.index_select(1, inverse) for s in state))
        trace = None if trace is None else LSTMTrace(*(t.index_select(3, inverse) for t in trace))
    if trace is not None and batch_first:
        trace = LSTMTrace(*(t.transpose(2, 3) for t in trace))
    y = PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
    return Answer(y, state, trace)
