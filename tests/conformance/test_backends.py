"""What every backend owes: the reference's numbers, and its behaviour."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from cellstate.ops import autograd, reference
from cellstate.ops.backends import BACKENDS
from cellstate.ops.problem import Backend, LSTMResult, LSTMState, Operands, Problem
from tests.conformance import recurrences
from tests.conformance.recurrences import (
    DTYPES,
    EMPTY,
    OPTIONS,
    SHAPES,
    VARIANTS,
    Case,
    flat,
    solve,
)

FAST = [backend for backend in BACKENDS if backend is not reference.BACKEND]


@pytest.fixture(autouse=True)
def _fresh_memory_holds_nan() -> Iterator[None]:
    """Fill what is allocated with NaN, so that a value that is read unwritten shows."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    assert torch.utils.deterministic.fill_uninitialized_memory
    yield
    torch.use_deterministic_algorithms(False)


def run(backend: Backend, case: Case, operands: Operands) -> LSTMResult:
    with torch.no_grad():
        problem = Problem.of(operands, directions=case.D, trace=case.trace, variant=case.variant)
        return autograd.run(backend, problem, operands)


# Normalising a few numbers that are nearly equal is ill-conditioned now and then, and then either
# error is a matter of luck: more draws tell.
DRAWS, DRAWS_NORMED = 3, 15


@pytest.mark.parametrize(
    ("backend", "device", "dtype", "case"),
    [p for p in recurrences.runnable(SHAPES + OPTIONS + VARIANTS, DTYPES) if p[0] in FAST],
    ids=recurrences.name,
)
def test_error_is_at_most_twice_that_of_eager_torch(
    backend: Backend, device: str, dtype: torch.dtype, case: Case
) -> None:
    # In float64 the reference is no better than what it judges, and takes a share itself.
    share = 3 if dtype == torch.float64 else 2
    ratios: dict[str, list[float]] = {}
    for seed in range(DRAWS_NORMED if case.variant.layer_norm else DRAWS):
        operands = case.operands(dtype, device, seed)
        exact = solve(reference.BACKEND, case, recurrences.doubled(operands))
        found = solve(backend, case, operands)
        allowed = errors_of_eager_torch(case, dtype, device, seed)
        assert found.keys() == exact.keys()
        for label, value in found.items():
            assert value.dtype == dtype
            ratio = distance(value, exact[label]) / (allowed[label] or 1.0)
            # A single draw may be ill-conditioned, and then either error is a matter of luck.
            assert ratio < 10 * share, label
            ratios.setdefault(label, []).append(ratio)
    assert not {label: r for label, r in ratios.items() if statistics.median(r) > share}


def distance(found: Tensor, exact: Tensor) -> float:
    """Measure the root mean square error; NaN and infinity are no distance."""
    gap = found.double() - exact
    assert torch.isfinite(gap).all()
    return float(gap.square().mean().sqrt()) if gap.numel() else 0.0


@functools.cache
def errors_of_eager_torch(
    case: Case, dtype: torch.dtype, device: str, seed: int
) -> dict[str, float]:
    """Measure the reference's errors in a dtype; for float64 scale those of float32 by rounding.

    An error below the rounding of the largest value counts as that: eager torch may hit a small
    tensor exactly.
    """
    measured = torch.float32 if dtype == torch.float64 else dtype
    operands = case.operands(measured, device, seed)
    exact = solve(reference.BACKEND, case, recurrences.doubled(operands))
    eager = solve(reference.BACKEND, case, operands)
    eps, measured_eps = torch.finfo(dtype).eps, torch.finfo(measured).eps
    errors = {label: distance(eager[label], exact[label]) for label in exact}
    roundings = {n: measured_eps / 2 * float(v.abs().max()) for n, v in exact.items() if v.numel()}
    return {
        n: eps / measured_eps * max(error, roundings.get(n, 0.0)) for n, error in errors.items()
    }


@pytest.mark.parametrize("backend", BACKENDS, ids=recurrences.name)
def test_a_backend_runs_something_here_or_says_why_not(backend: Backend) -> None:
    reasons = [
        backend.why_not(case.problem(torch.float32, device))
        for device in recurrences.devices()
        for case in SHAPES
    ]
    assert None in reasons or all(reason and reason.strip() for reason in reasons)


@pytest.mark.parametrize("case", EMPTY, ids=str)
@pytest.mark.parametrize("device", recurrences.devices())
def test_empty_input_leaves_the_state_alone(device: str, case: Case) -> None:
    problem = case.problem(torch.float32, device)
    ready = [backend for backend in BACKENDS if backend.why_not(problem) is None]
    assert ready
    for backend in ready:
        operands = case.operands(torch.float32, device)
        found = solve(backend, case, operands)
        assert found["y"].shape == (case.T, case.B, case.D * (case.P or case.H))
        if not case.T:
            assert torch.equal(found["h"], operands.state.h)
            assert torch.equal(found["c"], operands.state.c)
        assert all(torch.isfinite(value).all() for value in found.values())


@pytest.mark.parametrize(
    ("backend", "device", "dtype", "case"),
    recurrences.runnable(OPTIONS + VARIANTS),
    ids=recurrences.name,
)
def test_a_row_does_not_depend_on_the_other_rows(
    backend: Backend, device: str, dtype: torch.dtype, case: Case
) -> None:
    operands = case.operands(dtype, device)
    together = flat(run(backend, case, operands))
    for row in range(case.B):
        # A mask belongs to the row's number: where masks are drawn, the rows before come along.
        only = slice(0 if case.draws else row, row + 1)
        alone = Operands(
            operands.x[:, only],
            LSTMState(operands.state.h[:, only], operands.state.c[:, only]),
            operands.weights,
            None if operands.lengths is None else operands.lengths[only],
            None if operands.reset is None else operands.reset[:, only],
            operands.start,
            operands.keys,
        )
        for label, value in flat(run(backend, case, alone)).items():
            axis = 3 if label.startswith("trace") else 1
            expected = together[label].narrow(axis, only.start, only.stop - only.start)
            if backend.exact_rows:
                assert torch.equal(value, expected), label
            else:
                torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-14, msg=label)


@pytest.mark.parametrize(
    ("backend", "device", "dtype", "case"),
    recurrences.runnable(OPTIONS + VARIANTS, (torch.float32,)),
    ids=recurrences.name,
)
def test_nan_in_one_row_reaches_no_other(
    backend: Backend, device: str, dtype: torch.dtype, case: Case
) -> None:
    operands = case.operands(dtype, device)
    clean = flat(run(backend, case, operands))
    x = operands.x.clone()
    x[:, 0] = torch.nan
    dirty = flat(run(backend, case, replace(operands, x=x)))
    for label, value in dirty.items():
        axis = 3 if label.startswith("trace") else 1
        others = [tensor.narrow(axis, 1, case.B - 1) for tensor in (value, clean[label])]
        assert torch.equal(*others), label


@pytest.mark.parametrize(
    ("backend", "device", "dtype", "case"),
    [p for p in recurrences.runnable(OPTIONS + VARIANTS, (torch.float32,)) if p[3].lengths],
    ids=recurrences.name,
)
def test_nan_in_the_padding_reaches_neither_results_nor_gradients(
    backend: Backend, device: str, dtype: torch.dtype, case: Case
) -> None:
    operands = case.operands(dtype, device)
    x = operands.x.clone()
    for row, length in enumerate(case.lengths or ()):
        x[length:, row] = torch.nan
    clean, dirty = solve(backend, case, operands), solve(backend, case, replace(operands, x=x))
    for label, value in clean.items():
        assert torch.equal(dirty[label], value), label


@pytest.mark.parametrize(
    ("backend", "device", "dtype", "case"),
    [p for p in recurrences.runnable(OPTIONS + VARIANTS) if p[3].lengths and not p[3].draws],
    ids=recurrences.name,
)
def test_a_padded_row_gives_what_its_valid_steps_give_alone(
    backend: Backend, device: str, dtype: torch.dtype, case: Case
) -> None:
    operands = case.operands(dtype, device)
    y, state, _ = run(backend, case, operands)
    for row, length in enumerate(case.lengths or ()):
        only = slice(row, row + 1)
        before = LSTMState(operands.state.h[:, only], operands.state.c[:, only])
        alone = Operands(
            operands.x[:length, only],
            before,
            operands.weights,
            reset=None if operands.reset is None else operands.reset[:length, only],
            start=operands.start,
        )
        expected = run(reference.BACKEND, case, alone)
        torch.testing.assert_close(y[:length, only], expected.y)
        assert (y[length:, row] == 0).all()
        for mine, theirs, initial in zip(state, expected.state, before, strict=True):
            torch.testing.assert_close(mine[:, only], theirs)
            assert length or torch.equal(mine[:, only], initial)


@pytest.mark.parametrize(
    ("backend", "device", "dtype", "case"),
    [
        p
        for p in recurrences.runnable(SHAPES + OPTIONS + VARIANTS)
        if p[3].D == 1 and not p[3].lengths and not p[3].draws
    ],
    ids=recurrences.name,
)
def test_any_split_with_carried_state_equals_one_call(
    backend: Backend, device: str, dtype: torch.dtype, case: Case
) -> None:
    operands = case.operands(dtype, device)
    whole = run(backend, case, operands)
    for cut in {1, case.T // 2, case.T - 1} - {0}:
        state, parts = operands.state, []
        for steps in (slice(None, cut), slice(cut, None)):
            part = replace(
                operands,
                x=operands.x[steps],
                reset=None if operands.reset is None else operands.reset[steps],
                state=state,
            )
            if not part.x.shape[0]:
                continue
            result = run(backend, case, part)
            state = result.state
            parts.append(result.y)
        torch.testing.assert_close(torch.cat(parts), whole.y)
        torch.testing.assert_close(tuple(state), tuple(whole.state))


def one_step(case: Case) -> Case:
    return replace(case, T=1, lengths=case.lengths and (1, 0, 1)[: case.B])


@pytest.mark.parametrize(
    ("backend", "device", "dtype", "case"),
    [
        p
        for p in recurrences.runnable(
            (*(one_step(case) for case in OPTIONS), Case(1, 33, 4, 7, L=2)),
            needs_grad=False,
        )
        if p[0].step
    ],
    ids=recurrences.name,
)
def test_step_equals_sequence(
    backend: Backend, device: str, dtype: torch.dtype, case: Case
) -> None:
    operands = case.operands(dtype, device)
    problem = case.problem(dtype, device, needs_grad=False)
    assert backend.step is not None
    with torch.no_grad():
        quick = flat(backend.step(problem, operands).result)
        plain = flat(reference.forward(problem, operands).result)
    for label, value in plain.items():
        torch.testing.assert_close(quick[label], value, msg=label)


@pytest.mark.parametrize("length", [0, 2])
@pytest.mark.parametrize("backend", BACKENDS, ids=recurrences.name)
def test_a_gradient_goes_to_every_operand_and_only_there(backend: Backend, length: int) -> None:
    case = Case(3, 2, 4, 5, lengths=(3, length))
    device = next(
        (d for d in recurrences.devices() if not backend.why_not(case.problem(torch.float64, d))),
        None,
    )
    if device is None:
        pytest.skip(f"{backend.name} does not run here")
    operands = case.operands(torch.float64, device)
    operands.weights[0].weight_hh.requires_grad_()
    problem = Problem.of(operands, directions=1, trace=False)
    y, _, _ = autograd.run(backend, problem, operands)
    y.sum().backward()
    assert operands.weights[0].weight_hh.grad is not None
    assert operands.x.grad is None
