"""Losses over targets with gaps."""

from __future__ import annotations

import pytest
import torch

from cellstate.errors import ShapeError
from cellstate.nn.heads import NegativeBinomial, StudentT
from cellstate.nn.losses import negative_log_likelihood, pinball

NAN = float("nan")


def test_pinball_weighs_both_sides_by_the_level() -> None:
    quantiles = torch.tensor([[3.0, 3.0]])
    above = pinball(quantiles, torch.tensor([5.0]), [0.1, 0.9])
    assert above.item() == pytest.approx((0.1 * 2 + 0.9 * 2) / 2)
    below = pinball(quantiles[:, :1], torch.tensor([1.0]), [0.1])
    assert below.item() == pytest.approx(0.9 * 2)


def test_pinball_is_least_at_the_quantile() -> None:
    sample = torch.arange(1, 101.0)
    candidates = torch.arange(1, 101.0)
    losses = [pinball(c.expand(100, 1), sample, [0.8]).item() for c in candidates]
    assert candidates[losses.index(min(losses))].item() in (80, 81)


def test_a_missing_target_weighs_nothing() -> None:
    quantiles = torch.randn(4, 3, requires_grad=True)
    target = torch.tensor([1.0, NAN, 2.0, NAN])
    loss = pinball(quantiles, target, [0.1, 0.5, 0.9])
    assert torch.equal(loss, pinball(quantiles[[0, 2]], target[[0, 2]], [0.1, 0.5, 0.9]))
    loss.backward()
    assert quantiles.grad is not None
    assert torch.isfinite(quantiles.grad).all()
    assert (quantiles.grad[[1, 3]] == 0).all()
    assert (quantiles.grad[[0, 2]] != 0).all()


@pytest.mark.parametrize("kind", [StudentT, NegativeBinomial])
def test_likelihood_passes_over_missing_targets(kind: type[StudentT | NegativeBinomial]) -> None:
    raw = torch.randn(3, kind.parameters, requires_grad=True)
    target = torch.tensor([1.0, NAN, 2.0])
    loss = negative_log_likelihood(kind.from_raw(raw), target)
    seen = kind.from_raw(raw[[0, 2]]).log_prob(target[[0, 2]])
    torch.testing.assert_close(loss, -seen.mean())
    loss.backward()
    assert raw.grad is not None
    assert torch.isfinite(raw.grad).all()
    assert (raw.grad[1] == 0).all()


def test_nothing_observed_costs_nothing() -> None:
    quantiles = torch.randn(2, 1, requires_grad=True)
    loss = pinball(quantiles, torch.full((2,), NAN), [0.5])
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(quantiles.grad, torch.zeros(2, 1))


def test_levels_must_fit_the_quantiles() -> None:
    with pytest.raises(ShapeError, match=r"got quantiles \(2, 3\), target \(2,\) and 2 levels\."):
        pinball(torch.zeros(2, 3), torch.zeros(2), [0.1, 0.9])
