r"""What the time that passes between two steps does to a cell's state: equations, eager.

Before step t the state that the step before it left becomes what the step sees; the step itself is
equations (1) to (6) of `cellstate.ops.reference`:

.. math::

    h &\leftarrow \gamma^h_t \odot h, \quad c \leftarrow \gamma^c_t \odot c
                                    & \text{decay}                   \tag{15} \\
    s &= \tanh(W_d c + b_d)         & \text{short-term memory}  \tag{16} \\
    c &\leftarrow (c - s) + g_t s   & \text{adjusted memory}    \tag{17}

with factors :math:`\gamma_t` for each unit, and one share :math:`g_t` for each row, of the
short-term memory that is left. (17) is computed as :math:`c - (1 - g_t) s`, so that where no time
passes the memory stays bit for bit.

Che, Purushotham, Cho, Sontag, Liu: Recurrent neural networks for multivariate time series
with missing values. Scientific Reports 8:6085, 2018, where the state is a GRU's h.
Baytas, Xiao, Zhang, Wang, Jain, Zhou: Patient subtyping via time-aware LSTM networks.
KDD 2017, section 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.nn.functional import linear

from cellstate.ops import reference
from cellstate.ops.problem import CellWeights


class Decay(NamedTuple):
    """Factors of the state before each step (15): of h and of c, each (T, B, H), None for one."""

    of_h: Tensor | None
    of_c: Tensor | None

    def apply(self, t: int, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Give what step t sees of the state before it."""
        return (
            h if self.of_h is None else h * self.of_h[t],
            c if self.of_c is None else c * self.of_c[t],
        )

    def only(self, valid_TB: Tensor) -> Decay:
        """Let nothing change in the padding."""
        of_h, of_c = (
            None if t is None else torch.where(valid_TB[..., None], t, 1)
            for t in (self.of_h, self.of_c)
        )
        return Decay(of_h, of_c)


class Discount(NamedTuple):
    """What the short-term memory loses before each step, (16) and (17).

    `lost` (T, B) is the share 1 - g, `weight` (H, H) is W_d and `bias` (H,) is b_d.
    """

    lost: Tensor
    weight: Tensor
    bias: Tensor

    def apply(self, t: int, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Give what step t sees of the state before it."""
        short = torch.tanh(linear(c, self.weight, self.bias))
        return h, c - self.lost[t][:, None] * short

    def only(self, valid_TB: Tensor) -> Discount:
        """Let nothing change in the padding."""
        return self._replace(lost=torch.where(valid_TB, self.lost, 0))


Change = Decay | Discount


class Steps(NamedTuple):
    """Outputs (T, B, H), zero in the padding, and the state after each row's last step, (B, H)."""

    y: Tensor
    h: Tensor
    c: Tensor


class Given(NamedTuple):
    """The arguments of `cellstate.ops.elapsed.run`."""

    x: Tensor
    h: Tensor
    c: Tensor
    weights: CellWeights
    change: Change
    beside: Tensor | None
    lengths: Tensor | None

    def tensors(self) -> tuple[Tensor | None, ...]:
        """List what is of a floating dtype, in the order that `with_tensors` takes."""
        return (self.x, self.h, self.c, self.beside, *self.weights, *self.change)

    def with_tensors(self, tensors: Sequence[Tensor | None]) -> Given:
        """Exchange the tensors, in the order of `tensors`."""
        x, h, c, beside, *flat = cast("Sequence[Any]", tensors)
        width = len(CellWeights._fields)
        weights, change = CellWeights(*flat[:width]), type(self.change)(*flat[width:])
        return Given(x, h, c, weights, change, beside, self.lengths)


def loop(given: Given) -> Steps:
    """Run the steps on any device, for any floating dtype; the gradient is autograd's.

    The input's product is done for all steps at once.
    """
    x, h, c, weights, change, beside, lengths = given
    if beside is not None:
        x = torch.cat([x, beside], dim=-1)
    valid_TB = begun = None
    if lengths is not None:
        counts = lengths.to(x.device)
        valid_TB = torch.arange(x.shape[0], device=x.device)[:, None] < counts
        begun = (counts > 0)[:, None]
        # NaN in the padding may not meet a product over all rows, nor one in a state that no step
        # sees a product within a step.
        x, change = torch.where(valid_TB[..., None], x, 0), change.only(valid_TB)
        h, c = torch.where(begun, h, 0), torch.where(begun, c, 0)
    x_TBG = reference.input_product(x, weights)
    ys: list[Tensor] = []
    for t in range(x.shape[0]):
        new = reference.step(x_TBG[t], *change.apply(t, h, c), weights)
        if valid_TB is None:
            h, c, y = new.h, new.c, new.h
        else:
            valid = valid_TB[t][:, None]
            h, c = torch.where(valid, new.h, h), torch.where(valid, new.c, c)
            y = torch.where(valid, new.h, 0)
        ys.append(y)
    if begun is not None:
        h, c = torch.where(begun, h, given.h), torch.where(begun, c, given.c)
    return Steps(torch.stack(ys) if ys else h.new_empty((0, *h.shape)), h, c)
