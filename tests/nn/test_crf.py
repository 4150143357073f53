"""The linear-chain CRF against all taggings written out, and against its own definition."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from cellstate.errors import ShapeError
from cellstate.nn.crf import CRF, Allowed

LENGTHS = torch.tensor([4, 1, 0, 3])
ROWS, STEPS, TAGS = 4, 4, 3
SOME = Allowed(
    torch.tensor([[True, True, False], [False, True, True], [True, False, True]]),
    torch.tensor([True, True, False]),
    torch.tensor([True, False, True]),
)


def make(allowed: Allowed | None = None, scale: float = 1.0) -> tuple[CRF, Tensor]:
    draw = torch.Generator().manual_seed(0)
    crf = CRF(TAGS, allowed).double()
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=draw))
    return crf, scale * torch.randn(ROWS, STEPS, TAGS, generator=draw).double()


def score(crf: CRF, emissions_TK: Tensor, tags: tuple[int, ...]) -> float:
    """Add up equation (1) with plain numbers."""
    if not tags:
        return 0.0
    pairs, start, end = (part.tolist() for part in crf.scores())
    total = start[tags[0]] + end[tags[-1]]
    total += sum(pairs[one][two] for one, two in itertools.pairwise(tags))
    return total + sum(emissions_TK[t, tag].item() for t, tag in enumerate(tags))


def taggings(crf: CRF, emissions_TK: Tensor, length: int) -> dict[tuple[int, ...], float]:
    """Give every tagging of a row with its probability."""
    every = list(itertools.product(range(TAGS), repeat=length))
    scores = [score(crf, emissions_TK, tags) for tags in every]
    top = max(scores)
    total = sum(math.exp(s - top) for s in scores)
    return {tags: math.exp(s - top) / total for tags, s in zip(every, scores, strict=True)}


@pytest.mark.parametrize("allowed", [None, SOME], ids=["free", "constrained"])
@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_everything_equals_the_sum_over_all_taggings(allowed: Allowed | None, scale: float) -> None:
    crf, emissions = make(allowed, scale)
    sums = crf.log_partition(emissions, LENGTHS)
    best = crf.decode(emissions, LENGTHS)
    marginals = crf.marginals(emissions, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        every = taggings(crf, emissions[row], length)
        top = max(every, key=lambda tags: every[tags])
        log_sum = score(crf, emissions[row], top) - math.log(every[top])
        assert sums[row].item() == pytest.approx(log_sum, abs=1e-9)
        assert tuple(best[row, :length].tolist()) == top
        assert (best[row, length:] == 0).all()
        expected = torch.zeros(STEPS, TAGS, dtype=torch.float64)
        for tags, probability in every.items():
            for t, tag in enumerate(tags):
                expected[t, tag] += probability
        torch.testing.assert_close(marginals[row], expected, atol=1e-10, rtol=1e-9)


@pytest.mark.parametrize("allowed", [None, SOME], ids=["free", "constrained"])
def test_probabilities_of_all_taggings_add_up_to_one(allowed: Allowed | None) -> None:
    crf, emissions = make(allowed)
    every = torch.tensor(list(itertools.product(range(TAGS), repeat=STEPS)))
    rows = emissions[:1].expand(len(every), -1, -1)
    unlikely = crf(rows, every, torch.full((len(every),), STEPS))
    assert torch.exp(-unlikely).sum().item() == pytest.approx(1.0)
    assert bool(unlikely.isinf().any()) == (allowed is not None)


@pytest.mark.parametrize("allowed", [None, SOME], ids=["free", "constrained"])
def test_gradients_are_those_of_finite_differences(allowed: Allowed | None) -> None:
    crf, emissions = make(allowed)
    tags = crf.decode(emissions, LENGTHS)
    names = ("pairs", "start", "end")

    def unlikely(given: Tensor, *weights: Tensor) -> Tensor:
        parameters = dict(zip(names, weights, strict=True))
        return torch.func.functional_call(crf, parameters, (given, tags, LENGTHS))

    inputs = [t.detach().clone().requires_grad_() for t in (emissions, *crf.parameters())]
    assert torch.autograd.gradcheck(unlikely, inputs)


def test_gradient_of_the_log_partition_is_the_marginals() -> None:
    crf, emissions = make(SOME)
    emissions.requires_grad_()
    crf.log_partition(emissions, LENGTHS).sum().backward()
    assert emissions.grad is not None
    torch.testing.assert_close(emissions.grad, crf.marginals(emissions.detach(), LENGTHS))


def test_marginals_sum_to_one_within_the_lengths_and_to_zero_beyond() -> None:
    crf, emissions = make()
    inside = torch.arange(STEPS) < LENGTHS[:, None]
    torch.testing.assert_close(crf.marginals(emissions, LENGTHS).sum(2), inside.double())


def test_a_row_does_not_depend_on_its_companions_or_on_its_padding() -> None:
    crf, emissions = make(SOME)
    tags = crf.decode(emissions, LENGTHS)
    together = crf(emissions, tags, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        one = slice(row, row + 1)
        alone = crf(emissions[one, :length], tags[one, :length], LENGTHS[one])
        assert torch.equal(alone, together[one])
        assert torch.equal(crf.decode(emissions[one], LENGTHS[one]), tags[one])


def test_nan_in_the_padding_changes_nothing() -> None:
    crf, emissions = make(SOME)
    tags = crf.decode(emissions, LENGTHS)
    crf(emissions, tags, LENGTHS).sum().backward()
    expected = [
        parameter.grad.clone() for parameter in crf.parameters() if parameter.grad is not None
    ]
    crf.zero_grad()
    soiled = emissions.clone()
    soiled[torch.arange(STEPS) >= LENGTHS[:, None]] = torch.nan
    soiled.requires_grad_()
    crf(soiled, tags, LENGTHS).sum().backward()
    assert torch.equal(crf.decode(soiled, LENGTHS), tags)
    assert not crf.marginals(soiled, LENGTHS).isnan().any()
    for parameter, before in zip(crf.parameters(), expected, strict=True):
        assert parameter.grad is not None
        assert torch.equal(parameter.grad, before)
    assert soiled.grad is not None
    assert not soiled.grad.isnan().any()


def test_a_row_of_nan_stays_in_its_row() -> None:
    crf, emissions = make()
    tags = crf.decode(emissions, LENGTHS)
    expected = crf(emissions, tags, LENGTHS)
    marginals = crf.marginals(emissions, LENGTHS)
    soiled = emissions.clone()
    soiled[0] = torch.nan
    soiled.requires_grad_()
    unlikely = crf(soiled, tags, LENGTHS)
    assert unlikely[0].isnan()
    assert torch.equal(unlikely[1:], expected[1:])
    assert torch.equal(crf.decode(soiled, LENGTHS)[1:], tags[1:])
    assert torch.equal(crf.marginals(soiled, LENGTHS)[1:], marginals[1:])
    unlikely.sum().backward()
    assert soiled.grad is not None
    assert soiled.grad[0].isnan().any()
    assert not soiled.grad[1:].isnan().any()


def test_forbidden_transitions_are_never_decoded_and_have_no_probability() -> None:
    crf, emissions = make(SOME, scale=5.0)
    full = torch.full((ROWS,), STEPS)
    for tags in crf.decode(emissions, full).tolist():
        assert SOME.start[tags[0]]
        assert SOME.end[tags[-1]]
        assert all(SOME.pairs[one, two] for one, two in itertools.pairwise(tags))
    assert (crf.marginals(emissions, full)[:, 0, ~SOME.start] == 0).all()
    assert (crf.marginals(emissions, full)[:, -1, ~SOME.end] == 0).all()


def test_forbidden_transitions_get_no_gradient() -> None:
    crf, emissions = make(SOME)
    crf(emissions, crf.decode(emissions, LENGTHS), LENGTHS).sum().backward()
    assert crf.pairs.grad is not None
    assert (crf.pairs.grad[~SOME.pairs] == 0).all()
    assert (crf.pairs.grad[SOME.pairs] != 0).any()


def test_large_scores_do_not_overflow_in_float32() -> None:
    crf, emissions = make(SOME)
    crf, emissions = crf.float(), 1e4 * emissions.float()
    assert crf.log_partition(emissions, LENGTHS).isfinite().all()
    assert crf.marginals(emissions, LENGTHS).isfinite().all()


@pytest.mark.parametrize(("rows", "steps"), [(0, 3), (2, 0), (0, 0)])
def test_batches_without_rows_or_steps_are_computed(rows: int, steps: int) -> None:
    crf = CRF(TAGS)
    emissions = torch.zeros(rows, steps, TAGS, requires_grad=True)
    lengths = torch.zeros(rows, dtype=torch.int64)
    tags = crf.decode(emissions, lengths)
    assert tags.shape == (rows, steps)
    assert crf.marginals(emissions, lengths).shape == (rows, steps, TAGS)
    assert torch.equal(crf(emissions, tags, lengths), torch.zeros(rows))


def test_the_state_dict_holds_the_scores_alone() -> None:
    assert set(CRF(TAGS, SOME).state_dict()) == {"pairs", "start", "end"}


@pytest.mark.parametrize(
    ("emissions", "lengths", "message"),
    [
        ((2, 3), (2,), r"must be \(batch, time, 3\) .* got \(2, 3\)"),
        ((2, 4, 5), (2,), r"got \(2, 4, 5\)"),
        ((2, 4, 3), (3,), r"got \(2, 4, 3\) and \(3,\)"),
    ],
)
def test_shapes_that_do_not_fit_are_named(
    emissions: tuple[int, ...], lengths: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        CRF(TAGS).decode(torch.zeros(emissions), torch.ones(lengths, dtype=torch.int64))


def test_constraints_of_another_size_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"allowed.pairs must be \(2, 2\); got \(3, 3\)"):
        CRF(2, SOME)
