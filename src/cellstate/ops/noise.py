"""Masks from a seeded counter generator: the same on every device, with any number of threads.

Each number is a function of a key and of its place (which stream, which step, which row and
column): Philox2x32-10 of Salmon et al., Parallel random numbers: as easy as 1, 2, 3. SC 2011.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cellstate import _native
from cellstate.ops.problem import is_transformed

_WORD = 0xFFFFFFFF
_MULTIPLIER, _WEYL, _ROUNDS = 0xD256D193, 0x9E3779B9, 10

# Streams: what a mask is for.
ZONEOUT, HIDDEN, CANDIDATE, WEIGHT, ZONEOUT_PROJECTED = range(5)
_STEP_BITS = 28


def draw_keys(cells: int) -> Tensor:
    """Draw one key for each cell, (L·D,) int64 on the CPU, from torch's own generator."""
    return torch.randint(0, 2**32, (cells,), dtype=torch.int64)


def words(
    key: Tensor | int, stream: int, step: int, rows: int, columns: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Give two numbers in 0 … 2³² - 1 for each row and column, int64 (rows, columns).

    Examples
    --------
    The generator's published answer for a counter and a key of zero:

    >>> first, second = words(0, 0, 0, rows=1, columns=1, device=torch.device("cpu"))
    >>> hex(int(first)), hex(int(second))
    ('0xff1dae59', '0x6cd10df2')
    """
    place = torch.arange(rows * columns, device=device).view(rows, columns) & _WORD
    low = torch.full_like(place, step | stream << _STEP_BITS)
    for _ in range(_ROUNDS):
        product = place * _MULTIPLIER  # its low 64 bits are right, sign or no sign
        place, low = (product >> 32 & _WORD) ^ key ^ low, product & _WORD
        key = (key + _WEYL) & _WORD
    return place, low


def is_kept(word: Tensor, dropped: float) -> Tensor:
    """Say which of some numbers fall among those that are not dropped."""
    return word >= int(dropped * 2**32)


def mask(key: Tensor, stream: int, rate: float, rows: int, columns: int, like: Tensor) -> Tensor:
    """Give a dropout mask (rows, columns) of zeros and of 1 / (1 - rate)."""
    scale = 1.0 / (1.0 - rate)
    real = like.dtype in (torch.float32, torch.float64)
    plain = type(like) in (Tensor, torch.nn.Parameter)
    plain = plain and not torch.compiler.is_compiling() and not is_transformed()
    if like.device.type == "cpu" and real and plain:
        out = torch.empty((rows, columns), dtype=like.dtype)
        _native.dropout_mask(int(key), stream, rate, out.numpy())
        return out
    kept = is_kept(words(key.to(like.device), stream, 0, rows, columns, like.device)[0], rate)
    return kept.to(like.dtype) * scale
