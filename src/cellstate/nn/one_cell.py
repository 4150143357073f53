"""The parameters of one plain LSTM cell, for layers that run it in ways of their own."""

from __future__ import annotations

import torch
from torch import nn

from cellstate.nn import initial
from cellstate.nn.initial import ForgetBias
from cellstate.nn.options import check_forget_bias
from cellstate.ops.problem import CellWeights


class OneCell(nn.Module):
    """Weights and biases of one cell, gates stacked i, f, g, o, as `torch.nn.LSTMCell` names them.

    Parameters
    ----------
    input_size, hidden_size : int
        Features I of the input and units H.
    bias : bool
        Whether the gates have biases.
    forget_bias : float, optional
        The forget gate's bias at the start of training, the sum of both bias vectors.
    device, dtype
        Where the parameters are made, and their type.
    """

    weight_ih: nn.Parameter
    weight_hh: nn.Parameter
    bias_ih: nn.Parameter | None
    bias_hh: nn.Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        forget_bias: float | None = None,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.forget_bias: ForgetBias = check_forget_bias(forget_bias, None, bias=bias)
        shapes = {
            "weight_ih": (4 * hidden_size, input_size),
            "weight_hh": (4 * hidden_size, hidden_size),
            "bias_ih": (4 * hidden_size,) if bias else None,
            "bias_hh": (4 * hidden_size,) if bias else None,
        }
        for name, shape in shapes.items():
            parameter = shape and nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
            self.register_parameter(name, parameter)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew; equal seeds give those of `torch.nn.LSTMCell`."""
        initial.fill_uniform(self.parameters(recurse=False), self.hidden_size)
        if self.forget_bias is not None:
            initial.fill_gate_biases(self.weights(), self.forget_bias, 0)

    def extra_repr(self) -> str:
        """Show the sizes."""
        bias = "" if self.bias_ih is not None else ", bias=False"
        return f"{self.weight_ih.shape[1]}, {self.hidden_size}{bias}"

    def weights(self) -> CellWeights:
        """Give the parameters as the ops take them."""
        return CellWeights(self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
