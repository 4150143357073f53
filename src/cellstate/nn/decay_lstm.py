"""The LSTM with GRU-D's decays: of what was measured last, and of the state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from cellstate.errors import InputError, did_you_mean, explain
from cellstate.nn import options
from cellstate.nn.irregular import InputDecay, decay
from cellstate.nn.observations import InputState
from cellstate.nn.one_cell import OneCell
from cellstate.nn.times import read_sequences, read_state, write_state, write_steps
from cellstate.ops import checks, elapsed

Decayed = Literal["hidden", "cell", "both"]


class DecayState(NamedTuple):
    """What a sequence hands on: h and c (1, B, H), and the input's `last`, `since` and `time`.

    The latter three are those of `InputState`.
    """

    h: Tensor
    c: Tensor
    last: Tensor
    since: Tensor
    time: Tensor


class DecayLSTM(nn.Module):
    r"""An LSTM layer for irregular, gappy sequences: GRU-D's ideas [C18]_ in an LSTM's terms.

    The cell's input is the filled input of `InputDecay`, (18) and (19), beside the mask of what was
    measured: :math:`[\hat x_t, m_t]`. Before each step the state decays (15) by

    .. math:: \gamma^h_t = \exp(-\max(0, W_\gamma \delta_t + b_\gamma))                \tag{20}

    where :math:`\delta_t` (I,) is the time since each variable's last measurement.

    GRU-D decays the h of a GRU, at once its memory and its output. An LSTM has one of each:
    c, which remembers, and h, which the gates see. By default h decays and c is kept, so that after
    a gap the gates rely less on what was said last, while forgetting remains the forget gate's
    matter. ``decay="cell"`` lets the memory itself fade and keeps h; ``"both"`` lets both fade, by
    the same factors. The state between two calls is that after a step, before the next decay.

    Nothing looks ahead: a sequence split anywhere, or fed step by step, gives the numbers of one
    pass.

    Parameters
    ----------
    input_size : int
        Variables I.
    hidden_size : int
        Units H.
    bias : bool
        Whether the gates have biases.
    batch_first : bool
        Whether input and output are (batch, time, features) instead of (time, batch, features).
    decay : {"hidden", "cell", "both"}
        What decays between two steps.
    means : tensor or sequence of float, optional
        What each variable decays to, (I,); by default zero.
    time_scale : float
        The gap, in the unit of the times, at which decays are about 1/e at the start of training.
    forget_bias : float, optional
        The forget gate's bias at the start of training (the sum of both bias vectors).
    device, dtype
        Where the parameters are made, and their type.

    Attributes
    ----------
    inputs : InputDecay
        What fills the input.
    cell : OneCell
        `weight_ih` (4H, 2I), `weight_hh` (4H, H), `bias_ih` and `bias_hh` (4H,).
    decay_weight, decay_bias : Parameter
        :math:`W_\gamma` (H, I) and :math:`b_\gamma` (H,).

    Raises
    ------
    InputError, ArgumentTypeError
        An argument is out of range or of the wrong type.

    References
    ----------
    .. [C18] Che, Purushotham, Cho, Sontag, Liu: Recurrent neural networks for multivariate time
       series with missing values. Scientific Reports 8:6085, 2018.

    Examples
    --------
    >>> layer = DecayLSTM(3, 4)
    >>> x = torch.randn(6, 2, 3)
    >>> x[torch.rand(x.shape) < 0.5] = torch.nan
    >>> times = torch.tensor([0.0, 0.5, 4.0, 4.1, 9.0, 12.0])[:, None].expand(6, 2)
    >>> y, state = layer(x, times)
    >>> y.shape, state.h.shape, state.last.shape
    (torch.Size([6, 2, 4]), torch.Size([1, 2, 4]), torch.Size([2, 3]))

    Two calls with carried state are one call over the whole sequence:

    >>> first, state = layer(x[:2], times[:2])
    >>> rest, state = layer(x[2:], times[2:], state)
    >>> torch.allclose(torch.cat([first, rest]), y, atol=1e-6)
    True
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        batch_first: bool = False,
        decay: Decayed = "hidden",
        means: Tensor | Sequence[float] | None = None,
        time_scale: float = 100.0,
        forget_bias: float | None = None,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        options.check_sizes(input_size, hidden_size, 1, 0, "DecayLSTM")
        options.check_flags("DecayLSTM", bias=bias, batch_first=batch_first)
        places = ("hidden", "cell", "both")
        if decay not in places:
            must, do = "decay must be 'hidden', 'cell' or 'both'", did_you_mean(str(decay), places)
            raise InputError(explain("DecayLSTM", must, repr(decay), do))
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.batch_first = batch_first
        self.decay: Decayed = decay
        self.inputs = InputDecay(
            input_size, means=means, time_scale=time_scale, device=device, dtype=dtype
        )
        self.cell = OneCell(
            2 * input_size,
            hidden_size,
            bias=bias,
            forget_bias=forget_bias,
            device=device,
            dtype=dtype,
        )
        sizes = (hidden_size, input_size)
        self.decay_weight = nn.Parameter(torch.empty(sizes, device=device, dtype=dtype))
        self.decay_bias = nn.Parameter(torch.empty(hidden_size, device=device, dtype=dtype))
        self._start_decay()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        self.inputs.reset_parameters()
        self.cell.reset_parameters()
        self._start_decay()

    def _start_decay(self) -> None:
        """Let units decay at different rates, to about 1/e where all gaps are the time scale."""
        middle = 1 / (self.input_size * self.inputs.time_scale)
        nn.init.uniform_(self.decay_weight, 0.5 * middle, 1.5 * middle)
        nn.init.zeros_(self.decay_bias)

    def forward(
        self,
        input: Tensor,
        times: Tensor | None = None,
        state: DecayState | None = None,
        *,
        gaps: Tensor | None = None,
        mask: Tensor | None = None,
        lengths: Tensor | Sequence[int] | int | None = None,
    ) -> tuple[Tensor, DecayState]:
        """Run over sequences.

        Parameters
        ----------
        input : Tensor
            (time, batch, I), (batch, time, I) with `batch_first`, or (time, I) for one sequence;
            NaN where nothing was measured.
        times : Tensor, optional
            When each step was, in the layout of the input's first two axes; not decreasing. By
            default steps are one unit apart.
        state : DecayState, optional
            What the sequence's earlier part handed on.
        gaps : Tensor, optional
            Instead of times, the time since each variable's last measurement, as the input.
        mask : Tensor, optional
            Bool, as the input: False where a number stands but nothing was measured.
        lengths : tensor or sequence of int, optional
            Valid steps of each row, zero allowed. Outputs beyond are zero, final states those at
            the length.

        Returns
        -------
        output : Tensor
            (time, batch, H) in the input's form.
        state : DecayState
            For the next part.

        Raises
        ------
        ShapeError, ArgumentTypeError, InputError
            An argument has the wrong shape, dtype, device, type or values; a time or gap that
            cannot be is named by its row and step.
        """
        where, H = "DecayLSTM", self.hidden_size
        form = read_sequences(
            where, input, features=self.input_size, batch_first=self.batch_first, lengths=lengths
        )
        weights = self.cell.weights()
        checks.check_like(where, "the parameters", weights.weight_hh, form.x)
        h, c = form.x.new_zeros((2, form.x.shape[1], H))
        before = self.inputs.begin(form)
        if state is not None:
            sizes = {"h": H, "c": H, **self.inputs.state_sizes}
            h, c, *rest = read_state(where, state, sizes, form)
            before = InputState(*rest)
        seen = self.inputs.observe(where, form, before, times=times, gaps=gaps, mask=mask)
        x = self.inputs.fill(seen)
        factors = decay(linear(seen.gaps, self.decay_weight, self.decay_bias))
        change = elapsed.Decay(
            None if self.decay == "cell" else factors, None if self.decay == "hidden" else factors
        )
        y, h, c = elapsed.run(x, h, c, weights, change, form.lengths, beside=seen.measured)
        after = write_state((h, c, *seen.after), DecayState._fields, form)
        return write_steps(y, form), DecayState(*after)

    def extra_repr(self) -> str:
        """Show the sizes, and what differs from the defaults."""
        defaults = {"batch_first": False, "decay": "hidden"}
        shown = [f"{n}={getattr(self, n)!r}" for n, v in defaults.items() if getattr(self, n) != v]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *shown])
