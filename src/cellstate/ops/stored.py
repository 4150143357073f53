r"""Weights that are stored in fewer bits, and the recurrence on them: inference, in float32.

Two forms, both rounded to nearest, ties to even:

- ``"bf16"``: the upper half of a float32, so 8 significant bits.
- ``"int8"``: whole numbers :math:`q` within ±127 and a scale for each row :math:`r` (a gate's unit)
  of each matrix, :math:`W_{rk} \approx s_r q_{rk}` with :math:`s_r = \max_k |W_{rk}| / 127`, cut to
  17 significant bits. Then :math:`s_r q_{rk}` is exact in float32, and rounding a matrix that was
  rounded before changes nothing.

Nothing else is rounded: biases, states, inputs, sums and activations are float32. On a CPU the
kernels widen each weight on its way into a product, so that a step reads a half or a quarter of the
bytes; elsewhere the matrices are widened before each call.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from cellstate import _native
from cellstate.ops.packing import kept, summed_bias
from cellstate.ops.problem import CellWeights, LSTMResult, LSTMState, Operands

Stored = Literal["bf16", "int8"]
STORED: tuple[Stored, ...] = ("bf16", "int8")

# By the recurrent weight: an entry lives as long as that tensor.
_PACKED: Any = WeakIdKeyDictionary()


class StoredWeights(NamedTuple):
    """The parameters of one cell as they are stored; scales (rows,) with int8 alone.

    The rest is as in `CellWeights`, biases in float32.
    """

    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor | None = None
    bias_hh: Tensor | None = None
    weight_hr: Tensor | None = None
    scale_ih: Tensor | None = None
    scale_hh: Tensor | None = None
    scale_hr: Tensor | None = None

    def widened(self) -> CellWeights:
        """Give the parameters in float32, as the kernels compute with them."""
        return CellWeights(
            widen(self.weight_ih, self.scale_ih),
            widen(self.weight_hh, self.scale_hh),
            self.bias_ih,
            self.bias_hh,
            None if self.weight_hr is None else widen(self.weight_hr, self.scale_hr),
        )


def store(weight: Tensor, stored: Stored) -> tuple[Tensor, Tensor | None]:
    """Round a float32 matrix (rows, columns).

    Returns
    -------
    rounded : Tensor
        (rows, columns) bfloat16 or int8.
    scales : Tensor or None
        (rows,) float32 for int8.

    Examples
    --------
    >>> rounded, scales = store(torch.tensor([[1.0, -0.25], [0.0, 0.0]]), "int8")
    >>> rounded.tolist()
    [[127, -32], [0, 0]]
    >>> widen(rounded, scales)[0].numpy().round(3)
    array([ 1.   , -0.252], dtype=float32)
    """
    weight = weight.detach()
    if stored == "bf16":
        return weight.to(torch.bfloat16), None
    most = weight.abs().amax(1) / 127
    scales = (most.view(torch.int32) & ~0x7F).view(torch.float32)
    divisors = torch.where(scales > 0, scales, torch.inf)
    return (weight / divisors[:, None]).round().clamp(-127, 127).to(torch.int8), scales


def widen(rounded: Tensor, scales: Tensor | None) -> Tensor:
    """Give what `store` rounded in float32 again."""
    return rounded.float() if scales is None else rounded.float() * scales[:, None]


def run_stored(
    operands: Operands, weights: tuple[StoredWeights, ...], stored: Stored, directions: int
) -> LSTMResult:
    """Run a stack on the CPU kernels; `operands.weights` is not read.

    Operands are float32 on the CPU and checked.
    """
    D = directions
    x = operands.x.detach().contiguous()
    before = LSTMState(*(s.detach().contiguous() for s in operands.state))
    after = LSTMState(torch.empty_like(before.h), torch.empty_like(before.c))
    start = operands.start and LSTMState(*(s.contiguous() for s in operands.start))
    options: dict[str, Any] = {
        "lengths": _array(operands.lengths),
        "reset": _array(operands.reset),
        "threads": torch.get_num_threads(),
    }
    P = before.h.shape[-1]
    for layer in range(len(weights) // D):
        y = x.new_empty((*x.shape[:2], D * P))
        for direction in range(D):
            k = layer * D + direction
            _native.lstm_forward(
                kept(_PACKED, weights[k], lambda cell: _pack(cell, stored)),
                x.numpy(),
                before.h[k].numpy(),
                before.c[k].numpy(),
                y[..., direction * P : (direction + 1) * P].numpy(),
                after.h[k].numpy(),
                after.c[k].numpy(),
                reverse=direction == 1,
                start_h=None if start is None else start.h[k].numpy(),
                start_c=None if start is None else start.c[k].numpy(),
                **options,
            )
        x = y
    return LSTMResult(x, after, None)


def _pack(cell: StoredWeights, stored: Stored) -> _native.PackedLSTM:
    wide = cell.widened()
    weight_ih, weight_hh, weight_hr = (
        _array(t) for t in (wide.weight_ih, wide.weight_hh, wide.weight_hr)
    )
    return _native.PackedLSTM(weight_ih, weight_hh, summed_bias(wide), weight_hr, stored=stored)


def _array(tensor: Tensor | None) -> Any:
    return None if tensor is None else tensor.contiguous().numpy()
