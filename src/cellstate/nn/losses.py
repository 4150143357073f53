"""Losses over targets with gaps: a target of NaN is missing and weighs nothing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cellstate.errors import ShapeError, explain
from cellstate.nn.heads import Distribution


def pinball(quantiles: Tensor, target: Tensor, levels: Sequence[float] | Tensor) -> Tensor:
    r"""Average the pinball loss over observed targets and levels.

    .. math:: \ell_q(y, \hat y) = \max(q (y - \hat y), (q - 1) (y - \hat y))

    Parameters
    ----------
    quantiles : Tensor
        Predictions (…, Q).
    target : Tensor
        Truth (…,), NaN where missing.
    levels : sequence of float or Tensor
        The Q levels, each in (0, 1).

    Returns
    -------
    Tensor
        Scalar; 0 where nothing is observed.

    Raises
    ------
    ShapeError
        Shapes do not fit one another.

    Examples
    --------
    >>> import torch
    >>> quantiles = torch.tensor([[1.0, 2.0], [5.0, 6.0]])
    >>> pinball(quantiles, torch.tensor([2.0, float("nan")]), [0.1, 0.5]).item()
    0.05000000074505806
    """
    levels_Q = torch.as_tensor(levels, dtype=quantiles.dtype, device=quantiles.device)
    if quantiles.shape != (*target.shape, *levels_Q.shape):
        raise ShapeError(
            explain(
                "pinball",
                "quantiles must be (*target, levels)",
                f"quantiles {tuple(quantiles.shape)}, target {tuple(target.shape)} and "
                f"{levels_Q.numel()} levels",
                "Give one prediction for each target and level",
            )
        )
    observed, filled = _observed(target)
    error = filled[..., None] - quantiles
    loss = torch.maximum(levels_Q * error, (levels_Q - 1) * error).mean(-1)
    return _mean(loss, observed)


def negative_log_likelihood(distribution: Distribution, target: Tensor) -> Tensor:
    """Average the negative log-likelihood over observed targets.

    Parameters
    ----------
    distribution : Distribution
        Prediction, of the target's shape.
    target : Tensor
        Truth, NaN where missing.

    Returns
    -------
    Tensor
        Scalar, in nats; 0 where nothing is observed.
    """
    observed, filled = _observed(target)
    return _mean(-distribution.log_prob(filled), observed)


def _observed(target: Tensor) -> tuple[Tensor, Tensor]:
    """Split a target into what is observed and values that are safe to compute with.

    A NaN must be gone before the loss is computed: dropped after it, its gradient is still NaN.
    """
    observed = ~torch.isnan(target)
    return observed, torch.where(observed, target, 0)


def _mean(loss: Tensor, observed: Tensor) -> Tensor:
    return torch.where(observed, loss, 0).sum() / observed.sum().clamp(min=1)
