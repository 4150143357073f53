"""Weights in the layout of the CPU kernels, packed once per version of the parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from cellstate import _native
from cellstate.ops.problem import CellWeights

C = TypeVar("C", bound=tuple[Any, ...])
P = TypeVar("P")


class _Entry(NamedTuple):
    """A packed form and what it was packed from."""

    key: tuple[Any, ...]
    packed: Any


# By the recurrent weight: an entry lives as long as that tensor.
_CELLS: Any = WeakIdKeyDictionary()
_GRADIENTS: Any = WeakIdKeyDictionary()


def packed_cell(cell: CellWeights) -> _native.PackedLSTM | _native.PackedLSTM64:
    """Give the cell's weights as the forward kernel reads them."""
    return kept(_CELLS, cell, _pack_cell)


def packed_gradient(cell: CellWeights) -> _native.PackedGradient | _native.PackedGradient64:
    """Give the cell's weights as the backward kernel reads them."""
    return kept(_GRADIENTS, cell, _pack_gradient)


def kept(entries: Any, cell: C, pack: Callable[[C], P]) -> P:
    """Give the packed form of a cell, kept by its second tensor for as long as all stay alike."""
    key = _state_of(cell)
    entry = entries.get(cell[1])
    if entry is None or entry.key != key or key is None:
        entry = entries[cell[1]] = _Entry(key or (), pack(cell))
    return entry.packed


def _state_of(cell: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Tell one state of the weights from another; None where that cannot be told.

    A change through `.data` leaves torch's version as it was; a sample of the values, which costs
    less than reading them all, notices it unless it touches few of them.
    """
    tensors = [t for t in cell if t is not None]
    if not all(t.is_contiguous() for t in tensors):
        return None
    versions = [0 if t.is_inference() else t._version for t in tensors]
    pieces = [(t.data_ptr(), t.nbytes) for t in tensors]
    return _native.digest(pieces), *pieces, *versions


def _pack_cell(cell: CellWeights) -> Any:
    weight_ih, weight_hh = (in_four(t.detach(), cell) for t in (cell.weight_ih, cell.weight_hh))
    kind = _native.PackedLSTM if weight_hh.dtype == torch.float32 else _native.PackedLSTM64
    return kind(_array(weight_ih), _array(weight_hh), summed_bias(cell), _array(cell.weight_hr))


def summed_bias(cell: CellWeights) -> Any:
    """Give the sum of both biases, (4H,); zeros where there are none."""
    if cell.bias_ih is None or cell.bias_hh is None:
        return torch.zeros(4 * cell.hidden_size, dtype=cell.weight_hh.dtype).numpy()
    return _array(in_four(cell.bias_ih.detach() + cell.bias_hh.detach(), cell))


def _pack_gradient(cell: CellWeights) -> Any:
    weight_ih, weight_hh = (in_four(t.detach(), cell) for t in (cell.weight_ih, cell.weight_hh))
    kind = _native.PackedGradient if weight_hh.dtype == torch.float32 else _native.PackedGradient64
    return kind(_array(weight_ih), _array(weight_hh), _array(cell.weight_hr))


def in_four(stacked: Tensor, cell: CellWeights) -> Tensor:
    """Put zeros before what stacks f, g, o alone: the kernels know four gates."""
    gates = 4 * cell.hidden_size
    if len(cell.weight_hh) == gates:
        return stacked
    missing = stacked.new_zeros((cell.hidden_size, *stacked.shape[1:]))
    return torch.cat([missing, stacked])


def _array(tensor: Tensor | None) -> Any:
    return None if tensor is None else tensor.detach().contiguous().numpy()
