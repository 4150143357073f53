"""The public op: what it accepts, what it refuses, and what it leaves to the backends."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from cellstate.errors import ArgumentTypeError, InputError, ShapeError
from cellstate.ops import CellWeights, LSTMState, lstm
from cellstate.ops.checks import describe
from tests.conformance.recurrences import Case

CASE = Case(5, 3, 4, 7, L=2, D=2)
STACK = CASE.operands(torch.float32)


def test_missing_state_is_zero() -> None:
    zero = LSTMState(torch.zeros(4, 3, 7), torch.zeros(4, 3, 7))
    implicit = lstm(STACK.x, STACK.weights, bidirectional=True)
    explicit = lstm(STACK.x, STACK.weights, bidirectional=True, state=zero)
    assert torch.equal(implicit.y, explicit.y)


def test_lengths_may_be_a_list_or_a_tensor_of_any_integers() -> None:
    expected = lstm(STACK.x, STACK.weights, bidirectional=True, lengths=[5, 0, 2]).y
    for dtype in (torch.int32, torch.int64, torch.uint8):
        lengths = torch.tensor([5, 0, 2], dtype=dtype)
        found = lstm(STACK.x, STACK.weights, bidirectional=True, lengths=lengths).y
        assert torch.equal(found, expected)


def test_dropout_stands_between_layers_and_nowhere_else() -> None:
    single = STACK.weights[:2]
    assert torch.equal(
        lstm(STACK.x, single, bidirectional=True, dropout=0.9).y,
        lstm(STACK.x, single, bidirectional=True).y,
    )
    torch.manual_seed(0)
    whole = lstm(STACK.x, STACK.weights, bidirectional=True, dropout=0.5, trace=True)
    torch.manual_seed(0)
    first = lstm(STACK.x, single, bidirectional=True, trace=True)
    dropped = torch.nn.functional.dropout(first.y, 0.5)
    second = lstm(dropped, STACK.weights[2:], bidirectional=True, trace=True)
    assert torch.equal(whole.y, second.y)
    assert torch.equal(whole.state.c, torch.cat([first.state.c, second.state.c]))
    assert whole.trace is not None
    assert whole.trace.i.shape == (2, 2, 5, 3, 7)


def test_everything_dropped_leaves_the_second_layer_without_input() -> None:
    zeros = torch.zeros(5, 3, 14)
    expected = lstm(zeros, STACK.weights[2:], bidirectional=True).y
    assert torch.equal(lstm(STACK.x, STACK.weights, bidirectional=True, dropout=1.0).y, expected)


@pytest.mark.parametrize("options", [{}, {"trace": True}, {"lengths": [5, 0, 2]}], ids=str)
def test_autocast_computes_in_its_own_dtype(options: dict[str, Any]) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = lstm(STACK.x, STACK.weights, bidirectional=True, **options)
        carried = lstm(STACK.x, STACK.weights, bidirectional=True, state=result.state)
    assert result.y.dtype == result.state.c.dtype == carried.y.dtype == torch.bfloat16
    exact = lstm(STACK.x, STACK.weights, bidirectional=True, **options)
    torch.testing.assert_close(result.y.float(), exact.y, rtol=0.05, atol=0.05)


def test_autocast_leaves_float64_alone() -> None:
    double = CASE.operands(torch.float64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert lstm(double.x, double.weights, bidirectional=True).y.dtype == torch.float64


def narrower(**changes: torch.Tensor | None) -> list[CellWeights]:
    return [*STACK.weights[:3], STACK.weights[3]._replace(**changes)]


STATE = STACK.state
MASK = torch.zeros(5, 3, dtype=torch.bool)
START = LSTMState(torch.zeros(4, 7), torch.zeros(4, 7))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x": [1.0]}, ArgumentTypeError, "x must be a tensor (time, batch, input=4); got list."),
        ({"x": STACK.x.long()}, ShapeError, "of a floating dtype; got (5, 3, 4), int64 on cpu."),
        ({"x": STACK.x[0]}, ShapeError, "x must be (time, batch, input=4); got (3, 4)"),
        ({"x": STACK.x[..., :2]}, ShapeError, "Build the layer with input_size=2"),
        ({"x": STACK.x.double()}, ShapeError, "x and weight_ih must have one dtype"),
        ({"x": STACK.x.to("meta")}, ShapeError, "x and weight_ih must be on one device"),
        ({"weights": []}, ArgumentTypeError, "got 0 of any type."),
        ({"weights": [torch.zeros(4, 1)] * 2}, ArgumentTypeError, "got 2 of Tensor."),
        ({"weights": STACK.weights[:3]}, ArgumentTypeError, "got 3 of CellWeights."),
        (
            {"weights": narrower(weight_ih=torch.zeros(28, 7))},
            ShapeError,
            "weight_ih of cell 3 must be (28, 14); got (28, 7)",
        ),
        (
            {"weights": narrower(bias_hh=None)},
            ShapeError,
            "bias_hh of cell 3 must be (28,); got None.",
        ),
        ({"state": STATE.h}, ArgumentTypeError, "state must be LSTMState(h, c); got (4, 3, 7)"),
        (
            {"state": LSTMState(STATE.h, STATE.c[:1])},
            ShapeError,
            "state.c must be (layers·directions, batch, size) = (4, 3, 7); got (1, 3, 7)",
        ),
        (
            {"state": LSTMState(STATE.h, STATE.c.double())},
            ShapeError,
            "x and state.c must have one dtype",
        ),
        (
            {"start": LSTMState(START.h, torch.zeros(4, 6)), "reset": MASK},
            ShapeError,
            "start.c must be (layers·directions, size) = (4, 7); got (4, 6)",
        ),
        ({"lengths": [5, 2]}, ShapeError, "lengths must be 3 integers"),
        ({"lengths": [5, 2, 6]}, InputError, "each in 0 … 5 (the time steps); got a length of 6."),
        ({"lengths": [5, 2, -1]}, InputError, "got a length of -1."),
        ({"lengths": [5.0, 2.0, 1.0]}, ShapeError, "got (3,), float32 on cpu."),
        ({"lengths": "abc"}, ArgumentTypeError, "got str."),
        ({"reset": [[True]]}, ArgumentTypeError, "reset must be a bool tensor (time, batch)"),
        ({"reset": MASK.T}, ShapeError, "(time, batch) = (5, 3); got (3, 5), bool on cpu."),
        ({"reset": MASK.float()}, ShapeError, "got (5, 3), float32 on cpu."),
        ({"reset": MASK.to("meta")}, ShapeError, "x and reset must be on one device"),
        ({"dropout": 1.5}, InputError, "dropout must be a number in 0 … 1"),
        ({"dropout": True}, InputError, "got True."),
        ({"backend": "fast"}, InputError, "backend must be 'auto' or "),
    ],
)
def test_bad_calls_are_answered_in_three_sentences(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    arguments = {"x": STACK.x, "weights": STACK.weights, "bidirectional": True, **change}
    with pytest.raises(error, match=re.escape(message)) as raised:
        lstm(**arguments)
    assert re.fullmatch(r"(lstm|LSTM): .*; got .*\. \S.*[.?]", str(raised.value), re.DOTALL)


def test_what_was_given_is_described_by_shape_dtype_and_device() -> None:
    assert describe(torch.zeros(2, 0, dtype=torch.float64)) == "(2, 0), float64 on cpu"
    assert describe(None) == "NoneType"
