"""How the parameters of an LSTM start: torch's distribution, then what was asked of the gates."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor

from cellstate.ops.problem import CellWeights

ForgetBias = float | Literal["chrono"] | None


@torch.no_grad()
def fill_uniform(parameters: Iterable[Tensor], hidden_size: int) -> None:
    """Draw from U(-1/√H, 1/√H), in the order and from the random numbers of `torch.nn.LSTM`."""
    bound = 1.0 / math.sqrt(hidden_size)
    for parameter in parameters:
        parameter.uniform_(-bound, bound)


@torch.no_grad()
def fill_gate_biases(
    weights: CellWeights, forget_bias: float | Literal["chrono"], max_steps: int
) -> None:
    r"""Set the bias of the forget gate, and for ``"chrono"`` of the input gate too.

    The two bias vectors are added, so one carries the value and the other is zero. Chrono
    initialisation [1]_ spreads the units' time scales up to :math:`T_{max}`:
    :math:`b_f \sim \log U(1, T_{max} - 1)`, :math:`b_i = -b_f`.

    References
    ----------
    .. [1] Tallec, Ollivier: Can recurrent neural networks warp time? ICLR 2018.
    """
    bias_ih, bias_hh = weights.bias_ih, weights.bias_hh
    assert bias_ih is not None
    assert bias_hh is not None
    hidden = weights.hidden_size
    coupled = len(bias_ih) == 3 * hidden  # f, g, o: the input gate is what the forget gate leaves
    first = 0 if coupled else hidden
    forget = slice(first, first + hidden)
    bias_hh[forget] = 0
    if forget_bias != "chrono":
        bias_ih[forget] = forget_bias
        return
    bias_ih[forget] = torch.empty_like(bias_ih[forget]).uniform_(1, max_steps - 1).log_()
    if not coupled:
        bias_ih[:hidden] = -bias_ih[forget]
        bias_hh[:hidden] = 0


@torch.no_grad()
def fill_norms(weights: CellWeights) -> None:
    """Let layer norm change nothing but scale and level at the start: gains one, bias zero."""
    for gain in (weights.norm_ih, weights.norm_hh, weights.norm_c):
        if gain is not None:
            gain.fill_(1)
    if weights.norm_c_bias is not None:
        weights.norm_c_bias.zero_()
