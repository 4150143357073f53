"""What the outputs of a network mean: monotone quantiles, or the parameters of a distribution.

A head is a function of the last linear layer's raw outputs and has no parameters of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, Self, cast, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from cellstate.errors import InputError, ShapeError, explain
from cellstate.extras import require

SMALLEST_SCALE = 1e-6  # keeps a likelihood finite where a series is constant


def monotone_quantiles(raw: Tensor, *, median: int) -> Tensor:
    """Turn raw outputs into quantiles that never cross.

    The median is the raw output itself; each level further out adds a positive increment,
    softplus of its raw output.

    Parameters
    ----------
    raw : Tensor
        (…, Q), levels ascending.
    median : int
        Index of the level to start from, in 0 … Q − 1.

    Returns
    -------
    Tensor
        (…, Q), ascending.

    Raises
    ------
    ShapeError
        `raw` has no such level.

    Examples
    --------
    >>> import torch
    >>> q = monotone_quantiles(torch.tensor([-50.0, 7.0, 50.0]), median=1)
    >>> [round(v, 4) for v in q.tolist()]
    [7.0, 7.0, 57.0]
    """
    if raw.dim() == 0 or not 0 <= median < raw.shape[-1]:
        raise ShapeError(
            explain(
                "monotone_quantiles",
                f"raw must be (…, levels) with more than median={median} levels",
                str(tuple(raw.shape)),
                "Give the head one output for each level",
            )
        )
    center = raw[..., median : median + 1]
    above = center + softplus(raw[..., median + 1 :]).cumsum(-1)
    below = center - softplus(raw[..., :median]).flip(-1).cumsum(-1).flip(-1)
    return torch.cat([below, center, above], dim=-1)


@runtime_checkable
class Distribution(Protocol):
    """A predictive distribution over arrays of any shape."""

    parameters: ClassVar[int]
    """How many raw outputs it is made of."""

    @classmethod
    def from_raw(
        cls, raw: Tensor, *, scale: Tensor | float = 1.0, shift: Tensor | float = 0.0
    ) -> Self:
        """Make it from raw outputs (…, parameters), in units of scale, from shift."""
        ...

    @property
    def mean(self) -> Tensor:
        """Expected value."""
        ...

    def log_prob(self, value: Tensor) -> Tensor:
        """Log of the density, or of the probability, of each value; nats."""
        ...

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Draw one value each, without gradient; equal generators give equal draws."""
        ...

    def quantiles(self, levels: Sequence[float]) -> Tensor:
        """Invert the distribution function: (…, Q), without gradient."""
        ...


@dataclass(frozen=True)
class StudentT:
    r"""Student's t: heavy tails, so that an outlier costs little.

    With degrees of freedom :math:`\nu`, location :math:`\mu` and scale :math:`\sigma`, all of one
    shape:

    .. math::

        \log p(y) = \log\Gamma(\tfrac{\nu + 1}{2}) - \log\Gamma(\tfrac{\nu}{2})
        - \tfrac12 \log(\pi \nu) - \log \sigma
        - \tfrac{\nu + 1}{2} \log\bigl(1 + \tfrac{(y - \mu)^2}{\nu \sigma^2}\bigr)

    Examples
    --------
    >>> import torch
    >>> t = StudentT.from_raw(torch.zeros(3))
    >>> round(float(t.df), 4), float(t.loc), round(float(t.scale), 4)
    (2.6931, 0.0, 0.6931)
    """

    df: Tensor
    loc: Tensor
    scale: Tensor

    parameters: ClassVar[int] = 3

    @classmethod
    def from_raw(
        cls, raw: Tensor, *, scale: Tensor | float = 1.0, shift: Tensor | float = 0.0
    ) -> Self:
        """Read (…, 3) as df = 2 + softplus, loc, scale = softplus, then scale and shift.

        More than two degrees of freedom: the variance exists.
        """
        df, loc, spread = _split("StudentT", raw, cls.parameters)
        spread = softplus(spread) + SMALLEST_SCALE
        df, loc = 2 + softplus(df), loc * scale + shift
        return cls(df.expand_as(loc), loc, (spread * scale).expand_as(loc))

    @property
    def mean(self) -> Tensor:
        """Expected value."""
        return self.loc

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density of each value; nats."""
        half = (self.df + 1) / 2
        z = (value - self.loc) / self.scale
        norm = torch.lgamma(half) - torch.lgamma(self.df / 2) - 0.5 * torch.log(math.pi * self.df)
        return norm - torch.log(self.scale) - half * torch.log1p(z * z / self.df)

    @torch.no_grad()
    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Draw one value each: a normal over the root of a chi-squared by its freedom."""
        normal = _normal_like(self.loc, generator)
        chi_squared = 2 * _gamma(self.df / 2, generator)
        return self.loc + self.scale * normal * torch.sqrt(self.df / chi_squared)

    @torch.no_grad()
    def quantiles(self, levels: Sequence[float]) -> Tensor:
        """Invert the distribution function: (…, Q)."""
        special = require("scipy.special", extra="train")
        z = special.stdtrit(_double(self.df)[..., None], _levels("StudentT", levels))
        return self.loc[..., None] + self.scale[..., None] * torch.as_tensor(z).to(self.loc)


@dataclass(frozen=True)
class NegativeBinomial:
    r"""Counts with more spread than Poisson's: mean :math:`\mu`, variance :math:`\mu + \mu^2 / r`.

    .. math::

        \log P(k) = \log\Gamma(k + r) - \log\Gamma(r) - \log k!
        + r \log\tfrac{r}{r + \mu} + k \log\tfrac{\mu}{r + \mu}

    Examples
    --------
    >>> import torch
    >>> counts = NegativeBinomial(mean=torch.tensor(2.0), count=torch.tensor(1.0))
    >>> round(float(counts.log_prob(torch.tensor(0.0)).exp()), 4)
    0.3333
    """

    mean: Tensor
    count: Tensor  # r

    parameters: ClassVar[int] = 2

    @classmethod
    def from_raw(
        cls, raw: Tensor, *, scale: Tensor | float = 1.0, shift: Tensor | float = 0.0
    ) -> Self:
        """Read (…, 2) as mean = softplus · scale + shift, and r = softplus."""
        mean, count = _split("NegativeBinomial", raw, cls.parameters)
        mean = (softplus(mean) + SMALLEST_SCALE) * scale + shift
        return cls(mean, (softplus(count) + SMALLEST_SCALE).expand_as(mean))

    def log_prob(self, value: Tensor) -> Tensor:
        """Log probability of each count; nats."""
        total = self.count + self.mean
        combinations = torch.lgamma(value + self.count) - torch.lgamma(self.count)
        return (
            combinations
            - torch.lgamma(value + 1)
            - self.count * torch.log1p(self.mean / self.count)
            + value * torch.log(self.mean / total)
        )

    @torch.no_grad()
    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Draw one count each: Poisson, whose rate is drawn from a gamma distribution."""
        rate = _gamma(self.count, generator) * self.mean / self.count
        return torch.poisson(rate, generator=generator)

    @torch.no_grad()
    def quantiles(self, levels: Sequence[float]) -> Tensor:
        """Give the smallest counts whose distribution function reaches the levels: (…, Q)."""
        special = require("scipy.special", extra="train")
        wanted = _levels("NegativeBinomial", levels)
        count, mean = _double(self.count)[..., None], _double(self.mean)[..., None]
        success = count / (count + mean)
        low = np.full(np.broadcast_shapes(count.shape, wanted.shape), -1.0)
        high = np.ones_like(low)
        # P(K <= k) = I_p(r, k + 1), the regularised incomplete beta function
        while (short := special.betainc(count, high + 1, success) < wanted).any():
            high = np.where(short, 2 * high, high)
        while (high - low > 1).any():
            middle = np.floor((low + high) / 2)
            reached = special.betainc(count, middle + 1, success) >= wanted
            low, high = np.where(reached, low, middle), np.where(reached, middle, high)
        return torch.as_tensor(high).to(self.mean)


DISTRIBUTIONS: dict[str, type[StudentT] | type[NegativeBinomial]] = {
    "student_t": StudentT,
    "negative_binomial": NegativeBinomial,
}


def _split(where: str, raw: Tensor, parameters: int) -> tuple[Tensor, ...]:
    if raw.dim() == 0 or raw.shape[-1] != parameters:
        raise ShapeError(
            explain(
                where,
                f"raw outputs must be (…, {parameters})",
                str(tuple(raw.shape)),
                "Give the last linear layer this many outputs for each value",
            )
        )
    return raw.unbind(-1)


def _levels(where: str, levels: Sequence[float]) -> np.ndarray:
    given = np.asarray(levels, dtype=np.float64)
    if given.ndim != 1 or not ((given > 0) & (given < 1)).all():
        raise InputError(
            explain(
                where,
                "levels must be numbers between 0 and 1",
                repr(levels),
                "Divide levels in per cent by 100",
            )
        )
    return given


def _double(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().to(torch.float64).numpy()


def _normal_like(tensor: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.empty_like(tensor, memory_format=torch.contiguous_format).normal_(
        generator=generator
    )


def _gamma(shape: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw from Gamma(shape, 1), which torch offers with a generator under this name only."""
    return cast("Tensor", torch._standard_gamma(shape, generator=generator))  # pyright: ignore
