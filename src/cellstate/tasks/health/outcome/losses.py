"""What a network's answers cost, outcome by outcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cellstate.tasks.health.outcome.targets import Target

if TYPE_CHECKING:
    from torch import Tensor


def total_loss(
    targets: Sequence[Target], answers: Tensor, truths: Sequence[Tensor], weights: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """Add up the mean losses of all outcomes over the rows where they are known.

    Parameters
    ----------
    targets : sequence of Target
    answers : Tensor
        (B, outputs of all targets)
    truths : sequence of Tensor
        For each target (B, 1), or (B, 2 K) for a time, as `Target.terms` gives them.
    weights : sequence of Tensor
        For each target, of its classes; of one element for all alike.

    Returns
    -------
    loss : Tensor
    rows : Tensor
        How many rows have an outcome.
    """
    import torch

    parts: list[Tensor] = []
    seen = torch.zeros(len(answers), dtype=torch.bool, device=answers.device)
    at = 0
    for target, truth, weight in zip(targets, truths, weights, strict=True):
        said = answers[:, at : at + target.outputs]
        at += target.outputs
        known = ~truth.isnan().any(1)
        seen = seen | known
        if target.kind == "time":
            losses, share = _hazard_loss(said, truth.nan_to_num()), torch.ones_like(truth[:, 0])
        else:
            losses, share = _loss(target, said, truth[:, 0].nan_to_num(), weight)
        share = torch.where(known, share, 0.0)
        parts.append((torch.where(known, losses, 0.0) * share).sum() / share.sum().clamp(min=1e-6))
    return torch.stack(parts).sum(), seen.sum()


def _loss(target: Target, said: Tensor, truth: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Give the loss of each row, and its weight."""
    import torch
    from torch.nn import functional

    if target.kind == "number":
        standard = (truth - target.mean) / target.scale
        # Numbers such as lengths of stay have long tails.
        losses = functional.smooth_l1_loss(said[:, 0], standard, reduction="none")
        return losses, torch.ones_like(losses)
    if target.kind == "binary":
        losses = functional.binary_cross_entropy_with_logits(said[:, 0], truth, reduction="none")
    else:
        losses = functional.cross_entropy(said, truth.long(), reduction="none")
    return losses, weight[truth.long()] if len(weight) > 1 else torch.ones_like(losses)


def _hazard_loss(said: Tensor, terms: Tensor) -> Tensor:
    """Give −log of the likelihood of the hazards in the intervals that each row was at risk in.

    `terms` is what `Intervals.terms` gives, side by side.
    """
    from torch.nn import functional

    at_risk, happened = terms.chunk(2, dim=1)
    losses = functional.binary_cross_entropy_with_logits(said, happened, reduction="none")
    return (losses * at_risk).sum(1)
