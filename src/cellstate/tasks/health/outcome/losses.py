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
        For each target (B, 1), or (B, 2) for a time, as `targets.encode` gives them.
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
            losses, share = _hazard_loss(said, truth, target.grid), torch.ones_like(truth[:, 0])
        else:
            losses, share = _loss(target, said, truth[:, 0].nan_to_num(), weight)
        share = torch.where(known, share, 0.0)
        parts.append((torch.where(known, losses, 0.0) * share).sum() / share.sum().clamp(min=1e-6))
    return torch.stack(parts).sum(), seen.sum()


def _loss(
    target: Target, said: Tensor, truth: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor]:
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


def _hazard_loss(said: Tensor, truth: Tensor, grid: Sequence[float]) -> Tensor:
    """Give −log of the likelihood of discrete hazards (Cox 1972; Kvamme and Borgan 2021, eq. 6).

    A row is at risk in each interval that it was followed to the end of, and in the one in which
    the event happened, where the hazard is that of the event.
    """
    import torch
    from torch.nn import functional

    ends = torch.tensor(grid, dtype=said.dtype, device=said.device)
    time, observed = truth[:, :1].nan_to_num(), truth[:, 1:].nan_to_num()
    place = torch.bucketize(time, ends)  # first interval whose end is not before the time
    interval = torch.arange(len(grid), device=said.device)
    happens = (interval == place) & (observed > 0)
    survives = torch.where(observed > 0, interval < place, ends <= time)
    losses = functional.binary_cross_entropy_with_logits(
        said, happens.to(said.dtype), reduction="none"
    )
    return torch.where(happens | survives, losses, 0.0).sum(1)
