"""A backend with a backward pass of its own, under torch's autograd."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cellstate.ops import CellWeights, LSTMState, autograd, backends, lstm, reference
from cellstate.ops.problem import Backend, Cotangents, Forward, Operands, Problem
from tests.conformance.recurrences import OPTIONS, SHAPES, Case, flat, solve


def forward(problem: Problem, operands: Operands) -> Forward:
    assert not torch.is_grad_enabled()
    result = reference.forward(problem, operands).result
    return Forward(result, saved=(result.y + 1,))


def backward(
    problem: Problem, operands: Operands, saved: tuple[Tensor, ...], cotangents: Cotangents
) -> tuple[Tensor | None, ...]:
    again = reference.forward(problem, operands).result
    assert torch.equal(saved[0], again.y + 1)
    assert not torch.is_grad_enabled()
    return autograd.reference_backward(problem, operands, cotangents)


TWIN = Backend("twin", lambda problem: None, forward, backward)


@pytest.mark.parametrize("case", SHAPES + OPTIONS, ids=str)
def test_own_backward_gives_the_gradients_of_autograd(case: Case) -> None:
    operands = case.operands(torch.float64)
    expected = solve(reference.BACKEND, case, operands)
    found = solve(TWIN, case, operands)
    for label, value in expected.items():
        torch.testing.assert_close(found[label], value, msg=label)


def test_the_gradient_can_be_differentiated_again() -> None:
    case = Case(3, 2, 2, 2, D=2, lengths=(3, 1), reset=True, start=True, trace=True)
    operands = case.operands(torch.float64)

    def outputs(*given: Tensor) -> tuple[Tensor, ...]:
        again = operands.with_tensors(given)
        problem = Problem.of(again, directions=case.D, trace=True)
        return tuple(flat(autograd.run(TWIN, problem, again)).values())

    inputs = [t.clone().requires_grad_() if t is not None else None for t in operands.tensors()]
    inputs = [t for t in inputs if t is not None]

    def of_present(*present: Tensor) -> tuple[Tensor, ...]:
        rest = iter(present)
        return outputs(*(None if t is None else next(rest) for t in operands.tensors()))

    assert torch.autograd.gradcheck(of_present, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(of_present, inputs, fast_mode=True)


def test_a_tensor_in_two_places_gets_the_sum_of_both_gradients() -> None:
    cell = Case(2, 1, 3, 3).operands(torch.float64).weights[0]
    shared = CellWeights(*(t.clone().requires_grad_() for t in cell if t is not None))
    x = torch.randn(2, 1, 3, dtype=torch.float64)
    zero = LSTMState(*(torch.zeros(2, 1, 3, dtype=torch.float64),) * 2)
    operands = Operands(x, zero, (shared, shared))
    gradients = []
    for backend in (reference.BACKEND, TWIN):
        problem = Problem.of(operands, directions=1, trace=False)
        y = autograd.run(backend, problem, operands).y
        gradients.append(torch.autograd.grad(y.sum(), shared[:4]))
    torch.testing.assert_close(*gradients)


def test_unused_results_cost_no_trace_of_zeros() -> None:
    seen: list[Cotangents] = []

    def spy(
        problem: Problem, operands: Operands, saved: tuple[Tensor, ...], cotangents: Cotangents
    ) -> tuple[Tensor | None, ...]:
        seen.append(cotangents)
        return backward(problem, operands, saved, cotangents)

    case = Case(3, 2, 4, 5, trace=True)
    operands = case.operands(torch.float32)
    operands.x.requires_grad_()
    problem = Problem.of(operands, directions=1, trace=True)
    result = autograd.run(Backend("spy", lambda problem: None, forward, spy), problem, operands)
    result.state.c.sum().backward()
    assert seen[0].trace is None
    assert (seen[0].y == 0).all()
    assert (seen[0].state.c == 1).all()
    assert operands.weights[0].weight_ih.grad is None
    assert result.trace is not None
    assert result.trace.g.requires_grad


def test_a_new_backend_at_the_head_of_the_list_serves_auto(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []

    def counted(problem: Problem, operands: Operands) -> Forward:
        calls.append("forward")
        return forward(problem, operands)

    def quick(problem: Problem, operands: Operands) -> Forward:
        calls.append("step")
        return reference.forward(problem, operands)

    def why_not(problem: Problem) -> str | None:
        return "it shows no gates" if problem.trace else None

    new = Backend("new", why_not, counted, backward, quick)
    monkeypatch.setattr(backends, "BACKENDS", (new, *backends.BACKENDS))
    operands = Case(2, 2, 3, 4).operands(torch.float32)
    x = operands.x.requires_grad_()
    lstm(x, operands.weights)
    lstm(x[:1], operands.weights)  # one step, but with gradient
    with torch.no_grad():
        lstm(x[:1], operands.weights)
        lstm(x, operands.weights, trace=True)  # which falls to the reference
    assert calls == ["forward", "forward", "step"]
    assert "new" in {row.backend for row in backends.explain_table()}
