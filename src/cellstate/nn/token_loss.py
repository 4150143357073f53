"""Cross-entropy over a vocabulary, with label smoothing, without keeping its logits."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear

NUMBERS_AT_ONCE = 1 << 20
"""Logits that are in memory at the same time: four megabytes stay in a processor's cache."""


def token_loss(
    features_NF: Tensor, weight_VF: Tensor, bias_V: Tensor, target_N: Tensor, smoothing: float = 0.0
) -> Tensor:
    r"""Average the cross-entropy of tokens, from the features before the output layer.

    With logits :math:`z = W x + b`, smoothing :math:`\varepsilon` and V tokens,

    .. math::

        \ell = \log \sum_v e^{z_v} - (1 - \varepsilon) z_y - \frac{\varepsilon}{V} \sum_v z_v

    On a CPU neither the logits of all N tokens nor smoothed targets are ever in memory: loss and
    gradient are computed a few rows at a time, in place.

    Parameters
    ----------
    features_NF : Tensor
        (N, F)
    weight_VF, bias_V : Tensor
        (V, F), (V,) the output layer.
    target_N : Tensor
        (N,) int64 in 0 … V − 1.
    smoothing : float
        Share of a target's probability that is spread over all tokens evenly, in [0, 1).

    Returns
    -------
    Tensor
        Scalar, nats.

    Examples
    --------
    >>> x, y = torch.eye(2), torch.tensor([0, 1])
    >>> loss = token_loss(x, 3 * torch.eye(2), torch.zeros(2), y)
    >>> round(loss.item(), 4)
    0.0486
    """
    if features_NF.device.type != "cpu":
        logits_NV = linear(features_NF, weight_VF, bias_V)
        return cross_entropy(logits_NV.float(), target_N, label_smoothing=smoothing)
    needs_gradient = torch.is_grad_enabled() and any(
        tensor.requires_grad for tensor in (features_NF, weight_VF, bias_V)
    )
    given = (features_NF, weight_VF, bias_V, target_N, smoothing, needs_gradient)
    return cast("Tensor", _TokenLoss.apply(*given))


class _TokenLoss(torch.autograd.Function):
    """Loss and gradients in one go over the rows: the logits are made once, and overwritten."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        features_NF: Tensor,
        weight_VF: Tensor,
        bias_V: Tensor,
        target_N: Tensor,
        smoothing: float,
        needs_gradient: bool,
    ) -> Tensor:
        total, vocabulary = len(features_NF), len(weight_VF)
        loss = features_NF.new_zeros(())
        grads = tuple(map(torch.zeros_like, (features_NF, weight_VF, bias_V)))
        rows = max(1, NUMBERS_AT_ONCE // vocabulary)
        for start in range(0, total, rows):
            part = slice(start, start + rows)
            x_MF, y_M1 = features_NF[part], target_N[part, None]
            logits_MV = torch.addmm(bias_V, x_MF, weight_VF.T)
            highest_M1 = logits_MV.amax(1, keepdim=True)
            wanted = logits_MV.gather(1, y_M1).sum() * (1.0 - smoothing)
            if smoothing:
                wanted = wanted + logits_MV.sum() * (smoothing / vocabulary)
            odds_MV = logits_MV.sub_(highest_M1).exp_()
            sums_M1 = odds_MV.sum(1, keepdim=True)
            loss += (highest_M1 + sums_M1.log()).sum() - wanted
            if not needs_gradient:
                continue
            grad_MV = odds_MV.div_(sums_M1)
            if smoothing:
                grad_MV -= smoothing / vocabulary
            at_target_M1 = grad_MV.gather(1, y_M1) - (1.0 - smoothing)
            grad_MV.scatter_(1, y_M1, at_target_M1)
            torch.mm(grad_MV, weight_VF, out=grads[0][part])
            grads[1].addmm_(grad_MV.T, x_MF)
            grads[2].add_(grad_MV.sum(0))
        scale = 1.0 / max(1, total)
        if needs_gradient:
            ctx.save_for_backward(*(grad.mul_(scale) for grad in grads))
        return loss * scale

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        features_NF, weight_VF, bias_V = ctx.saved_tensors
        return features_NF * grad, weight_VF * grad, bias_V * grad, None, None, None
