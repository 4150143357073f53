"""Quantiles that never cross, and distributions held to SciPy's."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor

from cellstate.errors import InputError, ShapeError
from cellstate.nn.heads import (
    DISTRIBUTIONS,
    Distribution,
    NegativeBinomial,
    StudentT,
    monotone_quantiles,
)

LEVELS = (0.05, 0.3, 0.5, 0.9)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def student(sizes: tuple[int, ...] = (40,)) -> StudentT:
    raw = 2 * torch.randn((*sizes, 3), generator=seeded(), dtype=torch.float64)
    return StudentT.from_raw(raw, scale=3.0, shift=-5.0)


def counts(sizes: tuple[int, ...] = (40,)) -> NegativeBinomial:
    raw = 3 * torch.randn((*sizes, 2), generator=seeded(), dtype=torch.float64)
    return NegativeBinomial.from_raw(raw, scale=20.0)


@pytest.mark.parametrize("median", range(5))
def test_quantiles_never_cross_and_pass_through_the_median(median: int) -> None:
    raw = 5 * torch.randn(100, 5, generator=seeded())
    found = monotone_quantiles(raw, median=median)
    assert (found.diff(dim=-1) >= 0).all()
    assert torch.equal(found[:, median], raw[:, median])
    steps = torch.nn.functional.softplus(raw)
    if median < 4:
        torch.testing.assert_close(found[:, median + 1], raw[:, median] + steps[:, median + 1])
    if median > 0:
        torch.testing.assert_close(found[:, median - 1], raw[:, median] - steps[:, median - 1])


def test_every_raw_output_moves_a_quantile() -> None:
    raw = torch.randn(7, generator=seeded(), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda raw: monotone_quantiles(raw, median=3), raw)
    monotone_quantiles(raw, median=3).square().sum().backward()
    assert raw.grad is not None
    assert (raw.grad != 0).all()


def test_student_t_density_is_that_of_scipy() -> None:
    t = student()
    value = 10 * torch.randn(40, generator=seeded(1), dtype=torch.float64)
    expected = scipy.stats.t.logpdf(value, t.df, t.loc, t.scale)
    np.testing.assert_allclose(t.log_prob(value), expected, rtol=1e-9)
    assert (t.df > 2).all()


def test_student_t_quantiles_are_those_of_scipy() -> None:
    t = student((4, 5))
    found = t.quantiles(LEVELS)
    parameters = (p[..., None] for p in (t.df, t.loc, t.scale))
    np.testing.assert_allclose(found, scipy.stats.t.ppf(LEVELS, *parameters), rtol=1e-9)
    torch.testing.assert_close(found[..., 2], t.mean)


def test_negative_binomial_probabilities_are_those_of_scipy() -> None:
    d = counts()
    value = torch.randint(0, 60, (40,), generator=seeded(1)).double()
    expected = scipy.stats.nbinom.logpmf(value, d.count, d.count / (d.count + d.mean))
    np.testing.assert_allclose(d.log_prob(value), expected, rtol=1e-7, atol=1e-7)


def test_negative_binomial_quantiles_are_the_smallest_counts_that_reach_the_level() -> None:
    d = counts()
    expected = scipy.stats.nbinom.ppf(
        LEVELS, d.count[:, None], (d.count / (d.count + d.mean))[:, None]
    )
    np.testing.assert_array_equal(d.quantiles(LEVELS), expected)


@pytest.mark.parametrize("make", [student, counts])
def test_draws_follow_the_distribution(make: Callable[[tuple[int, ...]], Distribution]) -> None:
    one = make((1,))
    tensors = {k: v.expand(20_000) for k, v in vars(one).items()}
    many = type(one)(**tensors)
    draws = many.sample(seeded())
    assert draws.shape == (20_000,)
    for level, quantile in zip(LEVELS, one.quantiles(LEVELS)[0], strict=True):
        below = (draws < quantile).double().mean()
        up_to = (draws <= quantile).double().mean()
        assert below - 0.015 <= level <= up_to + 0.015


@pytest.mark.parametrize("make", [student, counts])
def test_equal_generators_give_equal_draws(make: Callable[[], Distribution]) -> None:
    distribution = make()
    state = torch.get_rng_state()
    first = distribution.sample(seeded(3))
    assert torch.equal(first, distribution.sample(seeded(3)))
    assert not torch.equal(first, distribution.sample(seeded(4)))
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("kind", DISTRIBUTIONS.values(), ids=lambda kind: kind.__name__)
def test_likelihood_is_differentiable_in_all_raw_outputs(kind: type[Distribution]) -> None:
    raw = torch.randn(5, kind.parameters, generator=seeded(), dtype=torch.float64)
    value = torch.arange(5.0, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda raw: kind.from_raw(raw, scale=2.0).log_prob(value), raw.requires_grad_()
    )


@pytest.mark.parametrize("kind", DISTRIBUTIONS.values(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("size", [-80.0, 80.0])
def test_extreme_outputs_stay_finite(kind: type[Distribution], size: float) -> None:
    raw = torch.full((3, kind.parameters), size, requires_grad=True)
    made = kind.from_raw(raw)
    made.log_prob(torch.tensor([0.0, 1.0, 1000.0])).sum().backward()
    assert isinstance(made, Distribution)
    assert raw.grad is not None
    assert torch.isfinite(raw.grad).all()
    assert torch.isfinite(made.sample(seeded())).all()


def test_scale_and_shift_are_those_of_each_series() -> None:
    raw = torch.zeros(2, 3, 3)
    scale, shift = torch.tensor([[1.0], [10.0]]), torch.tensor([[0.0], [7.0]])
    t = StudentT.from_raw(raw, scale=scale, shift=shift)
    assert t.loc.shape == t.scale.shape == t.df.shape == (2, 3)
    torch.testing.assert_close(t.scale[1], 10 * t.scale[0])
    assert (t.mean == shift).all()


def bad_levels(levels: tuple[float, ...]) -> Tensor:
    return student().quantiles(levels)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: monotone_quantiles(torch.zeros(2, 3), median=3), ShapeError, "median=3"),
        (lambda: monotone_quantiles(torch.tensor(1.0), median=0), ShapeError, "got ()."),
        (lambda: StudentT.from_raw(torch.zeros(4, 2)), ShapeError, "(…, 3); got (4, 2)."),
        (lambda: NegativeBinomial.from_raw(torch.zeros(3)), ShapeError, "(…, 2); got (3,)."),
        (lambda: bad_levels((80, 95)), InputError, "Divide levels in per cent by 100."),
        (lambda: bad_levels((0.0, 0.5)), InputError, "between 0 and 1; got (0.0, 0.5)."),
    ],
)
def test_bad_calls_are_answered_in_three_sentences(
    call: Callable[[], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)) as raised:
        call()
    assert re.fullmatch(r"\w+: .*; got .*\. \S.*\.", str(raised.value), re.DOTALL)
