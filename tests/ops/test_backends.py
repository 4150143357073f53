"""The choice of a backend, and the table that explains it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from cellstate.errors import InputError
from cellstate.ops import backends, cpu, cudnn, lstm, reference, torch_cpu
from cellstate.ops.problem import Problem
from tests.conformance.recurrences import Case

PLAIN = Problem("cpu", torch.float32, steps=3, batch=2, input_size=4, hidden_size=5)


def test_auto_takes_the_first_that_can() -> None:
    assert backends.select("auto", PLAIN) is cpu.BACKEND
    half = replace(PLAIN, dtype=torch.bfloat16)
    assert backends.select("auto", half) is torch_cpu.BACKEND
    assert backends.select("auto", replace(half, trace=True)) is reference.BACKEND


@pytest.mark.parametrize("device", ["cpu", "cuda", "meta"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float8_e5m2])
def test_auto_never_fails(device: str, dtype: torch.dtype) -> None:
    hardest = replace(
        PLAIN, device=device, dtype=dtype, steps=0, lengths=True, reset=True, trace=True
    )
    expected = cpu if (device, dtype) == ("cpu", torch.float32) else reference
    assert backends.select("auto", hardest) is expected.BACKEND


@pytest.mark.parametrize(
    ("backend", "change", "reason"),
    [
        (torch_cpu.BACKEND, {"device": "cuda"}, "on cpu, these are on cuda"),
        (torch_cpu.BACKEND, {"dtype": torch.float8_e5m2}, "no torch.float8_e5m2"),
        (torch_cpu.BACKEND, {"reset": True}, "cannot reset"),
        (torch_cpu.BACKEND, {"trace": True}, "show its gates"),
        (torch_cpu.BACKEND, {"steps": 0}, "no empty input"),
        (torch_cpu.BACKEND, {"batch": 0}, "no empty input"),
        (torch_cpu.BACKEND, {"recompute": True, "needs_grad": True}, "cannot recompute"),
        (cudnn.BACKEND, {}, "on a CUDA device, these are on cpu"),
        (cpu.BACKEND, {"device": "cuda"}, "on cpu, these are on cuda"),
        (cpu.BACKEND, {"dtype": torch.float16}, "not in torch.float16"),
        (cpu.BACKEND, {"traced": True}, "outside torch.func"),
    ],
)
def test_a_backend_says_why_it_cannot(
    backend: backends.Backend, change: dict[str, object], reason: str
) -> None:
    said = backend.why_not(replace(PLAIN, **change))
    assert said is not None
    assert reason in said


def test_a_named_backend_that_cannot_raises_with_its_reason() -> None:
    operands = Case(3, 2, 4, 5).operands(torch.float32)
    message = (
        r"LSTM: the backend 'torch' must be able to run the call; got one that it cannot: "
        r"torch's LSTM does not show its gates. Use backend='auto', .*\."
    )
    with pytest.raises(InputError, match=message):
        lstm(operands.x, operands.weights, trace=True, backend="torch")


def test_an_unknown_backend_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"got 'refrence'. Did you mean 'reference'\?"):
        backends.select("refrence", PLAIN)


def test_the_table_has_one_choice_for_each_problem_and_a_reason_for_each_refusal() -> None:
    rows = backends.explain_table()
    problems = {row.problem for row in rows}
    assert len(rows) == len(problems) * len(backends.BACKENDS)
    for problem in problems:
        mine = [row for row in rows if row.problem == problem]
        assert [row.backend for row in mine] == [b.name for b in backends.BACKENDS]
        first = next(row for row in mine if row.reason is None)
        assert [row for row in mine if row.chosen] == [first]


def test_names_are_unique_and_none_is_auto() -> None:
    names = [backend.name for backend in backends.BACKENDS]
    assert len(set(names)) == len(names)
    assert "auto" not in names
