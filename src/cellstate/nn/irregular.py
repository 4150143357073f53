r"""Inputs with gaps: GRU-D's trainable decay of what was measured last.

For variable d, whose measurement is missing where :math:`m_t^d = 0`, whose last one was
:math:`x_{last}^d`, a time :math:`\delta_t^d` ago, and whose mean is :math:`\bar x^d` (Che et al.
2018):

.. math::

    \gamma_t^d &= \exp(-\max(0, w^d \delta_t^d + b^d))                                 \tag{18} \\
    \hat x_t^d &= m_t^d x_t^d + (1 - m_t^d) (\gamma_t^d x_{last}^d + (1 - \gamma_t^d) \bar x^d)
                                                                                       \tag{19}

Che, Purushotham, Cho, Sontag, Liu: Recurrent neural networks for multivariate time series
with missing values. Scientific Reports 8:6085, 2018, section "GRU-D".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import Function

from cellstate.errors import InputError, explain
from cellstate.nn import options
from cellstate.nn.observations import InputState, Observations, observe
from cellstate.nn.sequences import Sequences
from cellstate.nn.times import (
    read_gaps,
    read_mask,
    read_sequences,
    read_state,
    read_times,
    valid_steps,
    write_state,
    write_steps,
)
from cellstate.ops import checks
from cellstate.ops.problem import is_transformed


class InputDecay(nn.Module):
    """Fill what is missing with the last measurement, which decays to the mean, (18) and (19).

    Nothing is filled from the future, and any split of a sequence gives the numbers of one pass.

    Parameters
    ----------
    features : int
        Variables I.
    means : tensor or sequence of float, optional
        What each decays to, (I,): its mean in training data, in the units of the input. By default
        zero, for inputs that are standardised. A buffer, not trained.
    batch_first : bool
        Whether values are (batch, time, I) instead of (time, batch, I).
    time_scale : float
        The gap, in the unit of the times, at which a decay is 1/e at the start of training; by then
        short gaps leave a value as it was. Each variable learns its own.
    device, dtype
        Where the parameters are made, and their type.

    Raises
    ------
    InputError, ArgumentTypeError
        An argument is out of range or of the wrong type.

    Examples
    --------
    >>> fill = InputDecay(1, means=[10.0], time_scale=2.0)
    >>> nan = torch.nan
    >>> values = torch.tensor([nan, 20.0, nan, nan]).view(4, 1, 1)
    >>> times = torch.tensor([0.0, 1.0, 3.0, 101.0]).view(4, 1)
    >>> x, state = fill(values, times)
    >>> [round(float(v), 1) for v in x.detach().flatten()]
    [10.0, 20.0, 13.7, 10.0]
    >>> float(state.last), float(state.since)
    (20.0, 100.0)
    """

    means: Tensor

    def __init__(
        self,
        features: int,
        *,
        means: Tensor | Sequence[float] | None = None,
        batch_first: bool = False,
        time_scale: float = 100.0,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        options.check_sizes(features, 1, 1, 0, "InputDecay")
        options.check_flags("InputDecay", batch_first=batch_first)
        self.features = features
        self.batch_first = batch_first
        self.time_scale = check_time_scale("InputDecay", time_scale)
        self.weight = nn.Parameter(torch.empty(features, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(features, device=device, dtype=dtype))
        filled = torch.zeros_like(self.weight.data)
        if means is not None:
            given = torch.as_tensor(means).detach().to(filled)
            if given.shape != filled.shape or not bool(given.isfinite().all()):
                must = f"means must be {features} finite numbers, one for each variable"
                do = "Leave them out for standardised inputs"
                raise InputError(explain("InputDecay", must, checks.describe(given), do))
            filled.copy_(given)
        self.register_buffer("means", filled)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Let each variable decay to 1/e at the time scale."""
        nn.init.constant_(self.weight, 1 / self.time_scale)
        nn.init.zeros_(self.bias)

    def forward(
        self,
        values: Tensor,
        times: Tensor | None = None,
        state: InputState | None = None,
        *,
        gaps: Tensor | None = None,
        mask: Tensor | None = None,
        lengths: Tensor | Sequence[int] | int | None = None,
    ) -> tuple[Tensor, InputState]:
        """Fill sequences.

        Parameters
        ----------
        values : Tensor
            (time, batch, I), (batch, time, I) with `batch_first`, or (time, I) for one sequence;
            NaN where nothing was measured.
        times : Tensor, optional
            When each step was, in the layout of the first two axes of `values`; not decreasing. By
            default steps are one unit apart.
        state : InputState, optional
            What the sequence's earlier part handed on.
        gaps : Tensor, optional
            Instead of times, the time since each variable's last measurement, as `values`.
        mask : Tensor, optional
            Bool, as `values`: False where a number stands but nothing was measured.
        lengths : tensor or sequence of int, optional
            Valid steps of each row, zero allowed. Beyond, the result is zero.

        Returns
        -------
        x : Tensor
            As `values`, without gaps.
        state : InputState
            `last` (batch, I), `since` (batch, I) and `time` (batch,), for the next part.

        Raises
        ------
        ShapeError, ArgumentTypeError, InputError
            An argument has the wrong shape, dtype, device, type or values.
        """
        where = "InputDecay"
        form = read_sequences(
            where, values, features=self.features, batch_first=self.batch_first, lengths=lengths
        )
        checks.check_like(where, "the parameters", self.weight, form.x)
        before = self.begin(form)
        if state is not None:
            before = InputState(*read_state(where, state, self.state_sizes, form))
        seen = self.observe(where, form, before, times=times, gaps=gaps, mask=mask)
        x, valid = self.fill(seen), valid_steps(form)
        x = x if valid is None else torch.where(valid[..., None], x, 0)
        after = write_state(seen.after, InputState._fields, form)
        return write_steps(x, form), InputState(*after)

    @property
    def state_sizes(self) -> dict[str, int | None]:
        """Name the parts of the state, with their sizes."""
        return {"last": self.features, "since": self.features, "time": None}

    def begin(self, form: Sequences) -> InputState:
        """Give the state of sequences that have measured nothing."""
        batch = form.x.shape[1]
        since = form.x.new_zeros((batch, self.features), dtype=torch.float64)
        time = form.x.new_full((batch,), torch.nan, dtype=torch.float64)
        return InputState(self.means.to(form.x.dtype).expand(batch, -1), since, time)

    def observe(
        self,
        where: str,
        form: Sequences,
        before: InputState,
        *,
        times: Tensor | None,
        gaps: Tensor | None,
        mask: Tensor | None,
    ) -> Observations:
        """Find what was known before each step; arguments are those of a call, checked here."""
        if gaps is not None and times is not None:
            must = "times and gaps must not both be given, since either says the other"
            raise InputError(explain(where, must, "both", "Give the times"))
        return observe(
            form.x,
            before,
            times=read_times(where, times, form, before.time) if gaps is None else None,
            gaps=None if gaps is None else read_gaps(where, gaps, form),
            mask=None if mask is None else read_mask(where, mask, form),
            valid=valid_steps(form),
        )

    def fill(self, seen: Observations) -> Tensor:
        """Give the inputs without gaps, (T, B, I): equations (18) and (19)."""
        kept = decay(torch.addcmul(self.bias, seen.gaps, self.weight))
        means = self.means.to(seen.values.dtype)
        missing = 1 - seen.measured
        return torch.addcmul(
            torch.addcmul(seen.values, missing, means), kept, (seen.last - means) * missing
        )

    def extra_repr(self) -> str:
        """Show the sizes, and what differs from the defaults."""
        first = ", batch_first=True" if self.batch_first else ""
        return f"{self.features}, time_scale={self.time_scale:g}{first}"


def decay(rate: Tensor) -> Tensor:
    """Give exp(-max(0, rate)): at most one, and one where no time has passed."""
    if torch.compiler.is_compiling() or is_transformed():
        return torch.exp(-torch.relu(rate))
    return cast("Tensor", _Decay.apply(rate))


class _Decay(Function):
    """The decay, keeping its value alone: memory costs more time than arithmetic here."""

    @staticmethod
    def forward(ctx: Any, rate: Tensor) -> Tensor:
        """Compute it."""
        kept = rate.clamp_min(0).neg_().exp_()
        ctx.save_for_backward(kept)
        return kept

    @staticmethod
    def backward(ctx: Any, received: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Differentiate it: the slope is minus its value, or zero where it is one."""
        (kept,) = ctx.saved_tensors
        return received * kept * torch.sign(kept - 1)


def check_time_scale(where: str, time_scale: object) -> float:
    """Require a finite number greater than zero."""
    number = isinstance(time_scale, int | float) and not isinstance(time_scale, bool)
    if not number or not 0 < cast("float", time_scale) < math.inf:
        must = "time_scale must be a finite number greater than zero, in the unit of the times"
        do = "Use a gap after which a measurement says little"
        raise InputError(explain(where, must, repr(time_scale), do))
    return float(cast("float", time_scale))
