"""T-LSTM: an LSTM that discounts its short-term memory by the time that has passed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from cellstate.errors import InputError, did_you_mean, explain
from cellstate.nn import initial, options
from cellstate.nn.irregular import check_time_scale
from cellstate.nn.one_cell import OneCell
from cellstate.nn.times import (
    read_sequences,
    read_state,
    read_times,
    write_state,
    write_steps,
)
from cellstate.ops import checks, elapsed

Discounting = Literal["log", "inverse"]


class TimeState(NamedTuple):
    """What a sequence hands on: h and c (1, B, H), and the time of its last step (B,), float64."""

    h: Tensor
    c: Tensor
    time: Tensor


class TimeAwareLSTM(nn.Module):
    r"""T-LSTM [B17]_: the memory is split, and its short-term part is discounted over time.

    With :math:`\Delta_t` the time since the step before, and
    :math:`g(\Delta) = 1 / \log(e + \Delta)`, before each step

    .. math::

        C^S &= \tanh(W_d C_{t-1} + b_d)     & \text{short-term memory}            \tag{16} \\
        \hat C^S &= g(\Delta_t) \, C^S      & \text{discounted} \\
        C^T &= C_{t-1} - C^S                & \text{long-term memory} \\
        C^* &= C^T + \hat C^S               & \text{adjusted memory}              \tag{17}

    and the step itself is an LSTM's from :math:`C^*`, (1) to (6). h is as the step before left it.
    Where no time has passed, g is one and the layer an LSTM.

    Parameters
    ----------
    input_size : int
        Features I.
    hidden_size : int
        Units H.
    bias : bool
        Whether the gates have biases.
    batch_first : bool
        Whether input and output are (batch, time, features) instead of (time, batch, features).
    discount : {"log", "inverse"}
        g: 1 / log(e + Δ), which the source recommends for large gaps, or 1 / Δ for small ones,
        taken as one where Δ is below one.
    time_scale : float
        The time that counts as one in Δ, in the unit of the times.
    forget_bias : float, optional
        The forget gate's bias at the start of training (the sum of both bias vectors).
    device, dtype
        Where the parameters are made, and their type.

    Attributes
    ----------
    cell : OneCell
        `weight_ih` (4H, I), `weight_hh` (4H, H), `bias_ih` and `bias_hh` (4H,).
    memory_weight, memory_bias : Parameter
        :math:`W_d` (H, H) and :math:`b_d` (H,).

    Raises
    ------
    InputError, ArgumentTypeError
        An argument is out of range or of the wrong type.

    References
    ----------
    .. [B17] Baytas, Xiao, Zhang, Wang, Jain, Zhou: Patient subtyping via time-aware LSTM networks.
       KDD 2017, section 3.2.

    Examples
    --------
    >>> layer = TimeAwareLSTM(3, 4)
    >>> x, times = torch.randn(5, 2, 3), torch.tensor([0.0, 1.0, 30.0, 31.0, 400.0])
    >>> y, state = layer(x, times[:, None].expand(5, 2))
    >>> y.shape, state.c.shape, state.time.tolist()
    (torch.Size([5, 2, 4]), torch.Size([1, 2, 4]), [400.0, 400.0])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        batch_first: bool = False,
        discount: Discounting = "log",
        time_scale: float = 1.0,
        forget_bias: float | None = None,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        options.check_sizes(input_size, hidden_size, 1, 0, "TimeAwareLSTM")
        options.check_flags("TimeAwareLSTM", bias=bias, batch_first=batch_first)
        forms = ("log", "inverse")
        if discount not in forms:
            must, do = "discount must be 'log' or 'inverse'", did_you_mean(str(discount), forms)
            raise InputError(explain("TimeAwareLSTM", must, repr(discount), do))
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.batch_first = batch_first
        self.discount: Discounting = discount
        self.time_scale = check_time_scale("TimeAwareLSTM", time_scale)
        self.cell = OneCell(
            input_size, hidden_size, bias=bias, forget_bias=forget_bias, device=device, dtype=dtype
        )
        square = (hidden_size, hidden_size)
        self.memory_weight = nn.Parameter(torch.empty(square, device=device, dtype=dtype))
        self.memory_bias = nn.Parameter(torch.empty(hidden_size, device=device, dtype=dtype))
        initial.fill_uniform((self.memory_weight, self.memory_bias), hidden_size)

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        self.cell.reset_parameters()
        initial.fill_uniform((self.memory_weight, self.memory_bias), self.hidden_size)

    def forward(
        self,
        input: Tensor,
        times: Tensor | None = None,
        state: TimeState | None = None,
        *,
        lengths: Tensor | Sequence[int] | int | None = None,
    ) -> tuple[Tensor, TimeState]:
        """Run over sequences.

        Parameters
        ----------
        input : Tensor
            (time, batch, I), (batch, time, I) with `batch_first`, or (time, I) for one sequence.
            NaN, for what was not measured, counts as zero; give the mask among the features where
            the layer shall know.
        times : Tensor, optional
            When each step was, in the layout of the input's first two axes; not decreasing. By
            default steps are one unit apart.
        state : TimeState, optional
            What the sequence's earlier part handed on.
        lengths : tensor or sequence of int, optional
            Valid steps of each row, zero allowed. Outputs beyond are zero, final states those at
            the length.

        Returns
        -------
        output : Tensor
            (time, batch, H) in the input's form.
        state : TimeState
            For the next part.

        Raises
        ------
        ShapeError, ArgumentTypeError, InputError
            An argument has the wrong shape, dtype, device, type or values; a time that cannot be is
            named by its row and step.
        """
        where, H = "TimeAwareLSTM", self.hidden_size
        form = read_sequences(
            where,
            input,
            features=self.input_size,
            batch_first=self.batch_first,
            lengths=lengths,
        )
        weights = self.cell.weights()
        checks.check_like(where, "the parameters", weights.weight_hh, form.x)
        T, B = form.x.shape[:2]
        h, c = form.x.new_zeros((2, B, H))
        before = form.x.new_full((B,), torch.nan, dtype=torch.float64)
        if state is not None:
            sizes = {"h": H, "c": H, "time": None}
            h, c, before = read_state(where, state, sizes, form)
        read = read_times(where, times, form, before)
        change = elapsed.Discount(
            self._lost(read, before).to(form.x.dtype), self.memory_weight, self.memory_bias
        )
        x = torch.nan_to_num(form.x, 0.0, torch.inf, -torch.inf)
        y, h, c = elapsed.run(x, h, c, weights, change, form.lengths)
        time = before
        if T and form.lengths is None:
            time = read[-1]
        elif T and form.lengths is not None:
            counts = form.lengths.to(read.device)
            last = read.gather(0, (counts - 1).clamp(min=0)[None])[0]
            time = torch.where(counts > 0, last, before)
        after = write_state((h, c, time), TimeState._fields, form)
        return write_steps(y, form), TimeState(*after)

    def _lost(self, times: Tensor, before: Tensor) -> Tensor:
        """Give the share 1 - g of the short-term memory that is lost before each step, (T, B)."""
        earlier = torch.cat([before[None], times[:-1]]) if len(times) else times
        # Before the first step no time has passed.
        gaps = torch.where(earlier.isnan(), 0, times - earlier) / self.time_scale
        if self.discount == "log":
            return 1 - 1 / torch.log(math.e + gaps)
        return 1 - 1 / gaps.clamp(min=1)

    def extra_repr(self) -> str:
        """Show the sizes, and what differs from the defaults."""
        defaults = {"batch_first": False, "discount": "log", "time_scale": 1.0}
        shown = [f"{n}={getattr(self, n)!r}" for n, v in defaults.items() if getattr(self, n) != v]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *shown])
