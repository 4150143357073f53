"""Inputs with gaps: what was measured last, how long ago, and what becomes of it."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import torch
from torch import Tensor

from cellstate.errors import ArgumentTypeError, CellstateError, InputError, ShapeError
from cellstate.nn import InputDecay, InputState

T, B, I = 33, 3, 7
NAN = torch.nan


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def build(features: int = I, **options: Any) -> InputDecay:
    layer = InputDecay(features, **{"dtype": torch.float64, **options})
    torch.nn.init.uniform_(layer.weight, 0.05, 0.5)
    torch.nn.init.uniform_(layer.bias, -0.2, 0.2)
    return layer


def draw(steps: int = T, batch: int = B, features: int = I) -> tuple[Tensor, Tensor]:
    """Values with gaps, and times that do not decrease, some of them equal."""
    values = torch.randn(steps, batch, features, dtype=torch.float64)
    values[torch.rand(values.shape) < 0.6] = NAN
    times = torch.rand(steps, batch, dtype=torch.float64).mul(10).round().cumsum(0) - 20
    return values, times


def naive(
    layer: InputDecay, values: Tensor, times: Tensor, lengths: list[int] | None = None
) -> tuple[Tensor, InputState]:
    """Number by number, in the order of time."""
    steps, batch, features = values.shape
    x = torch.zeros_like(values)
    last = layer.means.expand(batch, -1).clone()
    since = torch.zeros(batch, features, dtype=torch.float64)
    time = torch.full((batch,), NAN, dtype=torch.float64)
    for b in range(batch):
        for t in range(steps if lengths is None else lengths[b]):
            passed = 0.0 if t == 0 else float(times[t, b] - times[t - 1, b])
            for i in range(features):
                gap = since[b, i] + passed
                value, mean = values[t, b, i], layer.means[i]
                kept = torch.exp(-torch.relu(layer.weight[i] * gap + layer.bias[i]))
                if math.isnan(value):
                    x[t, b, i] = kept * last[b, i] + (1 - kept) * mean
                    since[b, i] = gap
                else:
                    x[t, b, i], last[b, i], since[b, i] = value, value, 0
            time[b] = times[t, b]
    return x, InputState(last, since, time)


@pytest.mark.parametrize("sizes", [(T, B, I), (1, 1, 1), (2, 3, 1), (33, 1, 33)])
@pytest.mark.parametrize("means", [False, True])
def test_gaps_are_filled_as_the_equations_say(sizes: tuple[int, int, int], means: bool) -> None:
    layer = build(sizes[2], means=torch.randn(sizes[2]) if means else None)
    values, times = draw(*sizes)
    x, state = layer(values, times)
    expected, expected_state = naive(layer, values, times)
    torch.testing.assert_close(x, expected)
    torch.testing.assert_close(tuple(state), tuple(expected_state))


def test_ragged_rows_stop_at_their_length() -> None:
    layer, (values, times) = build(), draw(9, 4)
    lengths = [9, 0, 4, 1]
    padding = torch.arange(9)[:, None] >= torch.tensor(lengths)
    values[padding], times[padding] = 7.0, NAN
    x, state = layer(values, times, lengths=lengths)
    expected, expected_state = naive(layer, values, times, lengths)
    torch.testing.assert_close(x, expected)
    torch.testing.assert_close(tuple(state), tuple(expected_state), equal_nan=True)
    x.sum().backward()
    assert layer.weight.grad is not None
    assert bool(layer.weight.grad.isfinite().all())


@pytest.mark.parametrize("cut", [0, 1, 5, 32, 33])
def test_a_sequence_may_be_split_anywhere(cut: int) -> None:
    layer, (values, times) = build(), draw()
    whole, after = layer(values, times)
    first, state = layer(values[:cut], times[:cut])
    rest, state = layer(values[cut:], times[cut:], state)
    torch.testing.assert_close(torch.cat([first, rest]), whole, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(tuple(state), tuple(after), rtol=1e-12, atol=1e-12)


def test_steps_one_by_one_are_one_pass() -> None:
    layer, (values, times) = build(), draw()
    whole, _ = layer(values, times)
    state = None
    for t in range(T):
        x, state = layer(values[t : t + 1], times[t : t + 1], state)
        torch.testing.assert_close(x[0], whole[t], rtol=1e-12, atol=1e-12)


def test_nothing_is_known_of_the_future() -> None:
    layer, (values, times) = build(), draw()
    before, _ = layer(values, times)
    values[20:] = 1000.0
    times[20:] += 500.0
    after, _ = layer(values, times)
    assert torch.equal(before[:20], after[:20])


def test_gaps_may_stand_for_times() -> None:
    layer, (values, times) = build(), draw()
    expected, state = layer(values, times)
    gaps = torch.zeros_like(values)
    for t in range(1, T):
        passed = (times[t] - times[t - 1])[:, None]
        gaps[t] = torch.where(values[t - 1].isnan(), gaps[t - 1], 0) + passed
    x, after = layer(values, gaps=gaps)
    torch.testing.assert_close(x, expected)
    torch.testing.assert_close(after.last, state.last)
    torch.testing.assert_close(after.since, state.since)
    lengths = [T, 5, 0]
    ragged, after = layer(values, gaps=gaps, lengths=lengths)
    expected, state = layer(values, times, lengths=lengths)
    torch.testing.assert_close(ragged, expected)
    torch.testing.assert_close(after.since, state.since)


def test_without_times_steps_are_one_apart() -> None:
    layer, (values, _) = build(), draw()
    times = torch.arange(T)[:, None].expand(T, B)
    expected, after = layer(values, times)
    x, state = layer(values)
    assert torch.equal(x, expected)
    assert torch.equal(state.time, after.time)
    _, state = layer(values[:10])
    rest, _ = layer(values[10:], None, state)
    torch.testing.assert_close(rest, expected[10:])


def test_a_mask_is_as_good_as_nan() -> None:
    layer, (values, times) = build(), draw()
    mask = torch.rand(values.shape) < 0.5
    marked = torch.where(mask, values, NAN)
    assert torch.equal(layer(values, times, mask=mask)[0], layer(marked, times)[0])


def test_the_form_of_the_input_is_kept() -> None:
    layer, (values, times) = build(), draw()
    expected, state = layer(values, times)
    turned = build(batch_first=True)
    turned.load_state_dict(layer.state_dict())
    x, after = turned(values.transpose(0, 1), times.t())
    assert torch.equal(x.transpose(0, 1), expected)
    assert all(map(torch.equal, after, state))
    one, alone = layer(values[:, 1], times[:, 1])
    torch.testing.assert_close(one, expected[:, 1])
    assert alone.last.shape == (I,)
    assert alone.time.shape == ()
    again, _ = layer(values[:5, 1], times[-1:, 1] + torch.arange(5), alone)
    assert again.shape == (5, I)


def test_gradients_are_those_of_the_equations() -> None:
    layer, (values, times) = build(2), draw(4, 2, 2)

    def run(values: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        named = {"weight": weight, "bias": bias}
        return torch.func.functional_call(layer, named, (values, times))[0]

    filled = values.clone().requires_grad_()
    assert torch.autograd.gradcheck(run, (filled, layer.weight, layer.bias), nondet_tol=0.0)


def test_decays_are_near_one_at_the_start_and_learn() -> None:
    layer = InputDecay(1, time_scale=48.0)
    values = torch.tensor([1.0, NAN, NAN]).view(3, 1, 1)
    x, _ = layer(values, torch.tensor([[0.0], [1.0], [48.0]]))
    assert float(x[1].detach()) > 0.97
    assert float(x[2].detach()) == pytest.approx(math.exp(-1), rel=1e-5)
    x[2].sum().backward()
    assert layer.weight.grad is not None
    assert float(layer.weight.grad) != 0


def test_single_precision_keeps_times_exact() -> None:
    layer = InputDecay(1)
    values = torch.tensor([1.0, NAN]).view(2, 1, 1)
    start = 480_000.0  # hours since 1970, where float32 knows none of the minutes
    times = torch.tensor([[start], [start + 1 / 60]], dtype=torch.float64)
    _, state = layer(values, times)
    assert float(state.since) == pytest.approx(1 / 60, rel=1e-6)


V, TIMES = torch.zeros(4, 2, 3), torch.zeros(4, 2)
BAD: list[tuple[type[CellstateError], str, dict[str, Any]]] = [
    (ShapeError, r"x must be \(time, batch, input=3\)", {"values": torch.zeros(4, 2, 5)}),
    (ShapeError, "floating dtype", {"values": torch.zeros(4, 2, 3, dtype=torch.int64)}),
    (ShapeError, "x and the parameters must have one dtype", {"values": V.double()}),
    (ArgumentTypeError, "times must be a tensor of numbers", {"times": [1.0]}),
    (ShapeError, r"times must be \(time, batch\) = \(4, 2\)", {"times": torch.zeros(2, 4)}),
    (InputError, "row 1, step 2", {"times": torch.tensor([[0, 0], [1, 9], [2, 8], [3, 9]])}),
    (InputError, "row 0, step 3", {"times": torch.tensor([[0.0] * 2] * 3 + [[NAN, 1.0]])}),
    (InputError, "must not both be given", {"times": TIMES, "gaps": V}),
    (
        InputError,
        "gaps must be finite and not negative; got something else at row 0, step 0",
        {"gaps": V - 1},
    ),
    (ShapeError, r"gaps must be \(time, batch, input\)", {"gaps": TIMES}),
    (ArgumentTypeError, "mask must be a bool tensor", {"mask": V}),
    (ShapeError, r"mask must be", {"mask": torch.ones(4, 2, dtype=torch.bool)}),
    (ArgumentTypeError, r"state must be \(last, since, time\)", {"state": (V, V)}),
    (ShapeError, r"state.last must be", {"state": (V, V, V)}),
    (InputError, "lengths must be 2 integers", {"lengths": [5, 1]}),
]


@pytest.mark.parametrize(("error", "message", "given"), BAD, ids=[m for _, m, _ in BAD])
def test_bad_calls_are_explained(
    error: type[CellstateError], message: str, given: dict[str, Any]
) -> None:
    with pytest.raises(error, match=message):
        InputDecay(3)(**{"values": V, **given})


def test_a_time_before_the_state_is_refused() -> None:
    layer = InputDecay(3)
    _, state = layer(V, TIMES + 5)
    with pytest.raises(InputError, match="row 0, step 0"):
        layer(V, TIMES, state)


def test_errors_hold_no_value() -> None:
    times = torch.tensor([[0.0], [123.25], [77.75]])
    with pytest.raises(InputError) as caught:
        InputDecay(1)(torch.zeros(3, 1, 1), times)
    assert not re.search(r"123|77|25|75", str(caught.value))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time_scale": 0.0}, "time_scale must be a finite number greater than zero"),
        ({"time_scale": math.inf}, "time_scale must be"),
        ({"means": [1.0]}, "means must be 3 finite numbers"),
        ({"means": [1.0, 2.0, NAN]}, "means must be 3 finite numbers"),
        ({"batch_first": 1}, "InputDecay: batch_first must be True or False"),
    ],
)
def test_bad_arguments_are_explained(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        InputDecay(3, **options)
    with pytest.raises(InputError, match="InputDecay: input_size must be greater than zero"):
        InputDecay(0)
