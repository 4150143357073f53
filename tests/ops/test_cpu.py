"""The CPU kernels on several threads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from cellstate.ops import cpu, reference
from cellstate.ops.variant import Variant
from tests.conformance.recurrences import Case, doubled, solve


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


# Few rows of many units: threads share the units, and wait for one another at each step. Many rows
# are shared themselves.
WIDE = Case(7, 3, 40, 256)
CASES = (
    WIDE,
    replace(WIDE, B=1, D=2, trace=True),
    replace(WIDE, B=1, H=200),
    replace(WIDE, B=5, lengths=(7, 0, 3, 7, 1), reset=True, start=True),
    replace(WIDE, variant=Variant(peephole=True, zoneout_c=0.2, zoneout_h=0.3), draws=True),
    replace(WIDE, variant=Variant(recurrent_dropout=0.3), draws=True, recompute="sqrt"),
    replace(WIDE, variant=Variant(layer_norm=True)),
    replace(WIDE, P=60),
    replace(WIDE, B=150, H=64),
)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_number_of_threads_changes_no_bit_of_results_or_gradients(
    case: Case, dtype: torch.dtype
) -> None:
    operands = case.operands(dtype)
    torch.set_num_threads(1)
    alone = solve(cpu.BACKEND, case, operands)
    for threads in (2, 3):
        torch.set_num_threads(threads)
        together = solve(cpu.BACKEND, case, operands)
        for label, value in alone.items():
            assert torch.equal(together[label], value), (threads, label)


@pytest.mark.parametrize("case", CASES[:5], ids=str)
def test_threads_that_share_units_give_the_reference(case: Case) -> None:
    torch.set_num_threads(2)
    operands = case.operands(torch.float64)
    found = solve(cpu.BACKEND, case, operands)
    for label, value in solve(reference.BACKEND, case, doubled(operands)).items():
        torch.testing.assert_close(found[label], value, rtol=1e-9, atol=1e-10, msg=label)


# One native call gives a plain cell's whole gradient. With lengths, even if all rows run to their
# end, it is gathered by `cpu_gradient`.
PLAIN_CASES = (
    Case(9, 70, 5, 24, D=2, L=2),
    Case(40, 33, 40, 16),
    replace(WIDE, D=2),
    replace(WIDE, bias=False),
    Case(1, 4, 3, 5),
)


@pytest.mark.parametrize("case", PLAIN_CASES, ids=str)
def test_the_common_case_is_the_general_one(case: Case) -> None:
    operands = case.operands(torch.float64)
    full = replace(operands, lengths=torch.full((case.B,), case.T))
    general = solve(cpu.BACKEND, replace(case, lengths=(case.T,) * case.B), full)
    for label, value in solve(cpu.BACKEND, case, operands).items():
        torch.testing.assert_close(value, general[label], rtol=1e-12, atol=1e-12, msg=label)
