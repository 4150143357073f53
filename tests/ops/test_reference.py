"""The reference, held to torch's own LSTM, to an answer by hand and to finite differences."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from cellstate.ops import autograd, reference
from cellstate.ops.problem import CellWeights, LSTMResult, LSTMState, Operands, Problem
from tests.conformance.recurrences import EMPTY, OPTIONS, SHAPES, Case, flat, labels, solve

PLAIN = [case for case in SHAPES + OPTIONS if not (case.lengths or case.reset or case.trace)]


def run(case: Case, operands: Operands) -> LSTMResult:
    problem = Problem.of(operands, directions=case.D, trace=case.trace)
    return autograd.run(reference.BACKEND, problem, operands)


def torch_twin(case: Case, operands: Operands) -> torch.nn.LSTM:
    twin = torch.nn.LSTM(
        case.I,
        case.H,
        case.L,
        bias=case.bias,
        bidirectional=case.D == 2,
        proj_size=case.P,
        dtype=torch.float64,
    )
    for names, cell in zip(twin._all_weights, operands.weights, strict=True):
        tensors = [tensor for tensor in cell if tensor is not None]
        for name, tensor in zip(names, tensors, strict=True):
            getattr(twin, name).data.copy_(tensor)
    return twin


@pytest.mark.parametrize("case", PLAIN, ids=str)
def test_values_and_gradients_are_those_of_torch(case: Case) -> None:
    operands = case.operands(torch.float64)
    found = solve(reference.BACKEND, case, operands)
    twin = torch_twin(case, operands)
    x, h, c = (t.clone().requires_grad_() for t in (operands.x, *operands.state))
    y, (h_n, c_n) = twin(x, (h, c))
    expected = {"y": y, "h": h_n, "c": c_n}
    generator = torch.Generator().manual_seed(1)
    sum(
        (v * torch.randn(v.shape, generator=generator, dtype=torch.float64)).sum()
        for v in expected.values()
    ).backward()
    expected |= {"grad x": x.grad, "grad h0": h.grad, "grad c0": c.grad}
    parameters = [p.grad for p in twin.parameters()]
    mine = [f"grad {n}" for n in labels(case)[5:] if f"grad {n}" in found]
    expected |= dict(zip(mine, parameters, strict=True))
    assert found.keys() == expected.keys()
    for label, value in expected.items():
        torch.testing.assert_close(found[label], value.detach(), rtol=1e-10, atol=1e-12, msg=label)


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def test_two_steps_worked_out_by_hand() -> None:
    # One unit: z = w_ih·x + w_hh·h + b_ih + b_hh for each gate in the order i, f, g, o.
    w_ih, w_hh = (0.5, -0.25, 1.5, 0.75), (0.1, 0.2, -0.3, 0.4)
    b_ih, b_hh = (0.01, 1.0, -0.02, 0.03), (0.04, -0.5, 0.06, 0.08)
    h, c = 0.3, -0.7
    ys, cs = [], []
    for x in (2.0, -1.0):
        z = [a * x + b * h + d + e for a, b, d, e in zip(w_ih, w_hh, b_ih, b_hh, strict=True)]
        c = sigmoid(z[1]) * c + sigmoid(z[0]) * math.tanh(z[2])
        h = sigmoid(z[3]) * math.tanh(c)
        ys.append(h)
        cs.append(c)
    # σ(1.08) = 0.74649, σ(0.06) = 0.51500, tanh(2.95) = 0.99454, σ(1.73) = 0.84940 (from tables):
    # c = 0.51500 · -0.7 + 0.74649 · 0.99454 = 0.38192 and h = 0.84940 · tanh(c) = 0.30950
    assert (cs[0], ys[0]) == pytest.approx((0.38192, 0.30950), abs=2e-5)
    cell = CellWeights(
        *(torch.tensor(w, dtype=torch.float64)[:, None] for w in (w_ih, w_hh)),
        *(torch.tensor(b, dtype=torch.float64) for b in (b_ih, b_hh)),
    )
    state = LSTMState(*torch.tensor([0.3, -0.7], dtype=torch.float64)[:, None, None, None])
    x = torch.tensor([2.0, -1.0], dtype=torch.float64)[:, None, None]
    problem = Problem("cpu", torch.float64, 2, 1, 1, 1, trace=True)
    y, after, trace = reference.forward(problem, Operands(x, state, (cell,))).result
    assert y.flatten().tolist() == pytest.approx(ys, abs=1e-15)
    assert after.c.item() == pytest.approx(cs[-1], abs=1e-15)
    assert trace is not None
    assert trace.c.flatten().tolist() == pytest.approx(cs, abs=1e-15)


@pytest.mark.parametrize(
    "case",
    [
        Case(2, 2, 2, 2),
        Case(3, 2, 2, 2, L=2, D=2, P=1, lengths=(1, 3), reset=True, start=True, trace=True),
    ],
    ids=str,
)
def test_gradients_are_those_of_finite_differences(case: Case) -> None:
    operands = case.operands(torch.float64)
    wanted = [t for t in operands.tensors() if t is not None]

    def outputs(*given: Tensor) -> tuple[Tensor, ...]:
        rest = iter(given)
        tensors = [None if t is None else next(rest) for t in operands.tensors()]
        again = operands.with_tensors(tensors)
        return tuple(flat(run(case, again)).values())

    inputs = [t.clone().requires_grad_() for t in wanted]
    assert torch.autograd.gradcheck(outputs, inputs, fast_mode=True)


def test_trace_holds_what_the_equations_name() -> None:
    case = Case(4, 3, 2, 5, L=2, D=2, trace=True)
    operands = case.operands(torch.float64)
    y, state, trace = run(case, operands)
    assert trace is not None
    assert all(t.shape == (2, 2, 4, 3, 5) for t in trace)
    h = trace.o * torch.tanh(trace.c)  # (6)
    torch.testing.assert_close(y, torch.cat([h[1, 0], h[1, 1]], dim=-1))
    forward_c0 = torch.cat([operands.state.c[:1], trace.c[0, 0, :-1]])
    torch.testing.assert_close(
        trace.c[0, 0],
        trace.f[0, 0] * forward_c0 + trace.i[0, 0] * trace.g[0, 0],  # (5)
    )
    reverse_c0 = torch.cat([trace.c[0, 1, 1:], operands.state.c[1:2]])
    torch.testing.assert_close(
        trace.c[0, 1], trace.f[0, 1] * reverse_c0 + trace.i[0, 1] * trace.g[0, 1]
    )
    torch.testing.assert_close(state.c[:2], torch.stack([trace.c[0, 0, -1], trace.c[0, 1, 0]]))


@pytest.mark.parametrize("case", EMPTY, ids=str)
def test_trace_of_nothing_has_its_axes(case: Case) -> None:
    operands = case.operands(torch.float32)
    problem = Problem.of(operands, directions=case.D, trace=True)
    trace = reference.forward(problem, operands).result.trace
    assert trace is not None
    assert {tuple(t.shape) for t in trace} == {(case.L, case.D, case.T, case.B, case.H)}


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("learned", [False, True], ids=["zero", "learned"])
def test_reset_equals_split_and_restart(directions: int, learned: bool) -> None:
    case = Case(6, 2, 3, 4, D=directions, reset=True, start=learned)
    operands = case.operands(torch.float64)
    reset = torch.zeros(6, 2, dtype=torch.bool)
    reset[2, 0] = reset[5, 0] = reset[0, 1] = True
    operands = Operands(operands.x, operands.state, operands.weights, None, reset, operands.start)
    whole = run(case, operands)
    for row in range(2):
        only = slice(row, row + 1)
        marks = reset[:, row].nonzero().flatten().tolist()
        cuts = sorted({0, *marks, 6})
        for direction in range(directions):
            # The reverse direction restarts after it took the marked step's successor, so it runs
            # the same cuts moved by one.
            edges = cuts if direction == 0 else sorted({0, *(mark + 1 for mark in marks), 6})
            pieces = list(pairwise(edges))
            cell = slice(direction, direction + 1)
            y = torch.empty(6, 1, 4, dtype=torch.float64)
            state = LSTMState(*(s[cell, only] for s in operands.state))
            for first, end in pieces if direction == 0 else reversed(pieces):
                marked = first if direction == 0 else end - 1
                if reset[marked, row]:
                    start = operands.start or LSTMState(*(torch.zeros(directions, 4).double(),) * 2)
                    state = LSTMState(*(s[cell, None] for s in start))
                x = operands.x[first:end, only]
                x = x if direction == 0 else x.flip(0)
                part = Operands(x, state, operands.weights[cell])
                result = run(Case(end - first, 1, 3, 4), part)
                state = result.state
                y[first:end] = result.y if direction == 0 else result.y.flip(0)
            torch.testing.assert_close(whole.y[:, only, 4 * direction : 4 * direction + 4], y)
            torch.testing.assert_close(whole.state.c[cell, only], state.c)


def test_what_a_reset_forgets_may_be_nan() -> None:
    case = Case(4, 2, 3, 4, reset=True)
    operands = case.operands(torch.float64)
    reset = torch.zeros(4, 2, dtype=torch.bool)
    reset[0, 0] = True
    h, c = (s.clone() for s in operands.state)
    h[:, 0] = c[:, 0] = torch.nan
    tensors = [operands.x, h, c, None, None, *operands.weights[0]]
    leaves = [None if t is None else t.clone().requires_grad_() for t in tensors]
    result = run(case, Operands.of_tensors(leaves, lengths=None, reset=reset))
    assert torch.isfinite(result.y).all()
    result.y.sum().backward()
    for leaf in leaves:
        assert leaf is None or torch.isfinite(leaf.grad).all()


def test_reset_in_the_padding_does_nothing() -> None:
    case = Case(5, 2, 3, 4, L=2, D=2, reset=True, start=True, lengths=(2, 0))
    operands = case.operands(torch.float64)
    none, all_padding = (torch.zeros(5, 2, dtype=torch.bool) for _ in range(2))
    all_padding[2:, 0] = all_padding[:, 1] = True
    results = [
        run(
            case,
            Operands(
                operands.x, operands.state, operands.weights, operands.lengths, m, operands.start
            ),
        )
        for m in (none, all_padding)
    ]
    assert torch.equal(results[0].y, results[1].y)
    assert torch.equal(results[0].state.h, results[1].state.h)
    assert torch.equal(results[0].state.c, results[1].state.c)
