"""The recurrence as operators of torch."""

from __future__ import annotations

from dataclasses import astuple

import pytest
import torch
from torch import Tensor

from cellstate.ops import CellWeights, LSTMState, backends, capture, lstm
from cellstate.ops.problem import Backend, Operands, Problem
from tests.conformance import recurrences
from tests.conformance.recurrences import EMPTY, OPTIONS, SHAPES, VARIANTS, Case, flat, solve

CAPTURED = (
    Case(5, 3, 4, 7, L=2, D=2, P=3, reset=True, start=True, trace=True, lengths=(3, 5, 0)),
    Case(9, 3, 2, 7, L=2, D=2, strided=True),
    Case(11, 3, 4, 7, L=2, recompute=True),
    Case(11, 3, 4, 7, L=2, recompute="sqrt"),
    VARIANTS[-2],
)


def arguments(
    case: Case, backend: str = "auto", keeps: str = "", device: str = "cpu"
) -> tuple[list[Tensor], capture.Options]:
    """Give what the forward operator takes."""
    listed = capture.listed(case.operands(torch.float64, device))
    recompute = {False: "nothing", True: "gates", "sqrt": "sqrt"}[case.recompute]
    present = [t is not None for t in listed]
    options = capture.Options(
        present, case.D, case.trace, recompute, backend, keeps, *astuple(case.variant)
    )
    return [t for t in listed if t is not None], options


def leaves(given: list[Tensor]) -> list[Tensor]:
    return [t.clone().requires_grad_(t.is_floating_point()) for t in given]


@pytest.mark.parametrize("keeps", ["", "cpu"])
@pytest.mark.parametrize("case", [*CAPTURED, Case(1, 1, 3, 4, trace=True), EMPTY[0]], ids=str)
def test_the_operators_keep_torchs_rules(case: Case, keeps: str) -> None:
    keeps = "" if case.recompute == "sqrt" else keeps
    given, options = arguments(case, keeps=keeps)
    forward, backward = torch.ops.cellstate.lstm.default, torch.ops.cellstate.lstm_backward.default
    torch.library.opcheck(forward, (leaves(given), *options))

    outputs = forward(given, *options)
    kept = [outputs[0], *outputs[options.outputs :]] if keeps else []
    there = [k != 1 for k in range(options.outputs)]
    received = [torch.randn_like(t) for t, use in zip(outputs, there, strict=False) if use]
    wanted = [t.is_floating_point() and k != 2 for k, t in enumerate(given)]
    torch.library.opcheck(backward, (given, kept, received, there, wanted, *options))


@pytest.mark.parametrize(
    ("backend", "device", "dtype", "case"),
    recurrences.runnable(OPTIONS + VARIANTS),
    ids=recurrences.name,
)
def test_the_operators_give_results_and_gradients_of_the_backend(
    backend: Backend, device: str, dtype: torch.dtype, case: Case
) -> None:
    operands = case.operands(dtype, device)
    expected = solve(backend, case, operands)
    keeps = backend.saved is not None and backend.saved(case.problem(dtype, device)) is not None
    for keeper in {"", backend.name if keeps else ""}:
        given, options = arguments(case, backend.name, keeper, device)
        given = leaves(given)
        outputs = torch.ops.cellstate.lstm(given, *options)
        assert not any(t.requires_grad for t in outputs[options.outputs :])
        outputs = outputs[: options.outputs]
        total = torch.zeros((), dtype=dtype, device=device)
        generator = torch.Generator().manual_seed(1)
        for value in outputs:
            cotangent = torch.randn(value.shape, generator=generator, dtype=torch.float64)
            total = total + (value * cotangent.to(value)).sum()
        total.backward()
        labels = [n for n, value in expected.items() if not n.startswith("grad")]
        for label, value in zip(labels, outputs, strict=True):
            torch.testing.assert_close(value.detach(), expected[label], msg=label)
        names = [*recurrences.labels(case), "lengths", "reset", "keys"]
        present = [n for n, there in zip(names, options.present, strict=True) if there]
        for label, leaf in zip(present, given, strict=True):
            if leaf.is_floating_point():
                torch.testing.assert_close(leaf.grad, expected[f"grad {label}"], msg=label)


@pytest.mark.parametrize(
    ("backend", "device", "dtype", "case"),
    recurrences.runnable(SHAPES + OPTIONS + EMPTY),
    ids=recurrences.name,
)
def test_a_backend_keeps_what_it_says_beforehand(
    backend: Backend, device: str, dtype: torch.dtype, case: Case
) -> None:
    sizes = None if backend.saved is None else backend.saved(case.problem(dtype, device))
    if sizes is None:
        assert backend.backward is None or case.recompute == "sqrt"
        return
    operands = case.operands(dtype, device)
    operands.x.requires_grad_()
    problem = Problem.of(operands, directions=case.D, trace=case.trace, recompute=case.recompute)
    with torch.no_grad():
        result, saved = backend.forward(problem, operands)
    found = [None if t is result.y else tuple(t.shape) for t in saved]
    assert found == list(sizes)


def test_the_op_is_one_node_of_a_graph() -> None:
    operands = Case(5, 3, 4, 7, L=2, D=2).operands(torch.float32)

    def run(x: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        return flat(lstm(x, operands.weights, bidirectional=True, lengths=lengths, trace=True))

    lengths = torch.tensor([5, 0, 2])
    found = torch.compile(run, backend="aot_eager", fullgraph=True)(operands.x, lengths)
    for label, value in run(operands.x, lengths).items():
        assert torch.equal(found[label], value), label


def test_dropout_between_layers_draws_the_masks_of_an_eager_call() -> None:
    operands = Case(5, 3, 4, 7, L=3).operands(torch.float32)

    def run(x: Tensor) -> Tensor:
        return lstm(x, operands.weights, dropout=0.5).y

    torch.manual_seed(0)
    expected = run(operands.x)
    torch.manual_seed(0)
    assert torch.equal(
        torch.compile(run, backend="aot_eager", fullgraph=True)(operands.x), expected
    )


def test_a_captured_gradient_can_be_differentiated_again() -> None:
    case = Case(3, 2, 2, 2, D=2, lengths=(3, 1), reset=True, start=True, trace=True)
    given, options = arguments(case, keeps="cpu")
    inputs = [t for t in leaves(given) if t.requires_grad]

    def run(*tensors: Tensor) -> tuple[Tensor, ...]:
        rest = iter(tensors)
        full = [next(rest) if t.is_floating_point() else t for t in given]
        return tuple(torch.ops.cellstate.lstm(full, *options)[: options.outputs])

    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(run, inputs, fast_mode=True)


def test_a_captured_tensor_in_two_places_gets_the_sum_of_both_gradients() -> None:
    cell = Case(2, 1, 3, 3).operands(torch.float64).weights[0]
    shared = CellWeights(*(t.clone().requires_grad_() for t in cell if t is not None))
    x = torch.randn(2, 1, 3, dtype=torch.float64)

    def run(x: Tensor) -> Tensor:
        return lstm(x, [shared, shared]).y.sum()

    expected = torch.autograd.grad(run(x), shared[:4])
    for backend in ("eager", "aot_eager"):
        torch.compiler.reset()
        found = torch.autograd.grad(
            torch.compile(run, backend=backend, fullgraph=True)(x), shared[:4]
        )
        torch.testing.assert_close(found, expected)


def test_a_named_backend_is_the_one_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    operands = Case(4, 2, 3, 4).operands(torch.float32)
    calls: list[str] = []

    def spied(backend: Backend) -> Backend:
        def forward(problem: Problem, operands: Operands) -> object:
            calls.append(backend.name)
            return backend.forward(problem, operands)

        return Backend(
            backend.name, backend.why_not, forward, backend.backward, saved=backend.saved
        )

    monkeypatch.setattr(backends, "BACKENDS", tuple(map(spied, backends.BACKENDS)))
    x, state = operands.x.requires_grad_(), LSTMState(*operands.state)
    for name in ("cpu", "torch", "reference"):
        compiled = torch.compile(
            lambda x, name=name: lstm(x, operands.weights, state=state, backend=name).y,
            backend="aot_eager",
            fullgraph=True,
        )
        compiled(x).sum().backward()
    # The one that kept what its backward pass wants ran once; the others, again to differentiate.
    assert calls == ["cpu", "torch", "torch", "reference", "reference"]
