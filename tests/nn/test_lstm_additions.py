"""What the layer has and `torch.nn.LSTM` lacks."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from cellstate.errors import ArgumentTypeError, CellstateError, InputError, ShapeError
from cellstate.nn import LSTM

T, B, I, H = 6, 4, 3, 5


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def build(**options: Any) -> LSTM:
    return LSTM(I, H, **{"num_layers": 2, "dtype": torch.float64, **options})


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("backend", ["auto", "reference"])
def test_lengths_give_what_packing_gives(
    backend: str, bidirectional: bool, batch_first: bool
) -> None:
    layer = build(bidirectional=bidirectional, batch_first=batch_first, backend=backend)
    x = torch.randn((B, T, I) if batch_first else (T, B, I), dtype=torch.float64)
    lengths = torch.tensor([3, 6, 1, 5])
    y, state = layer(x, lengths=lengths)
    packed = pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False)
    theirs, their_state = layer(packed)
    expected, _ = pad_packed_sequence(theirs, batch_first, total_length=T)
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(tuple(state), tuple(their_state))


def test_a_row_of_length_zero_keeps_its_state() -> None:
    layer = build(bidirectional=True)
    x = torch.full((T, B, I), torch.nan, dtype=torch.float64)
    h, c = torch.randn(2, 4, B, H, dtype=torch.float64)
    y, state = layer(x, (h, c), lengths=[0] * B)
    assert torch.equal(y, torch.zeros(T, B, 2 * H, dtype=torch.float64))
    assert torch.equal(state.h, h)
    assert torch.equal(state.c, c)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("options", [{}, {"layer_norm": True, "peephole": True, "zoneout": 0.1}])
def test_a_state_of_nan_that_no_step_sees_reaches_no_gradient(
    backend: str, options: dict[str, Any]
) -> None:
    layer = build(bidirectional=True, backend=backend, **options)
    lengths, reset = torch.tensor([3, 6, 0, 5]), torch.zeros(T, B, dtype=torch.bool)
    reset[0] = True  # the first step of either direction
    reset[lengths.clamp(min=1) - 1, torch.arange(B)] = True
    nan = torch.full((4, B, H), torch.nan, dtype=torch.float64)
    y, _ = layer(
        torch.randn(T, B, I, dtype=torch.float64), (nan, nan), lengths=lengths, reset=reset
    )
    assert y.isfinite().all()
    y.sum().backward()
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all(), name


def test_one_sequence_takes_one_length_and_a_mask_over_time() -> None:
    layer, x = build(), torch.randn(T, I, dtype=torch.float64)
    reset = torch.zeros(T, dtype=torch.bool)
    reset[2] = True
    y, state, trace = layer(x, lengths=4, reset=reset, trace=True)
    batch = layer(x[:, None], lengths=[4], reset=reset[:, None], trace=True)
    assert torch.equal(y, batch[0][:, 0])
    assert torch.equal(state.c, batch[1].c[:, 0])
    assert trace.c.shape == (2, 1, T, H)
    assert torch.equal(trace.c, batch[2].c[:, :, :, 0])


@pytest.mark.parametrize("learned", [False, True], ids=["zero", "learned"])
def test_reset_equals_split_and_restart(learned: bool) -> None:
    layer = build(learn_initial_state=learned)
    if learned:
        torch.nn.init.normal_(layer.initial_h)
        torch.nn.init.normal_(layer.initial_c)
    x = torch.randn(T, B, I, dtype=torch.float64)
    hx = (torch.randn(2, B, H).double(), torch.randn(2, B, H).double())
    reset = torch.zeros(T, B, dtype=torch.bool)
    reset[4] = True
    y, state = layer(x, hx, reset=reset)
    first, _ = layer(x[:4], hx)
    rest, after = layer(x[4:])  # from zero, or from what was learned
    torch.testing.assert_close(y, torch.cat([first, rest]))
    torch.testing.assert_close(tuple(state), tuple(after))


def test_a_mask_follows_the_layout_of_the_input() -> None:
    layer, x = build(batch_first=True), torch.randn(B, T, I, dtype=torch.float64)
    reset = torch.rand(B, T) < 0.3
    y, _ = layer(x, reset=reset, lengths=[6, 0, 2, 4])
    layer.batch_first = False
    expected, _ = layer(x.transpose(0, 1), reset=reset.T, lengths=[6, 0, 2, 4])
    assert torch.equal(y.transpose(0, 1), expected)


def test_trace_follows_the_layout_of_the_input() -> None:
    layer, x = build(batch_first=True, bidirectional=True), torch.randn(B, T, I).double()
    y, _, trace = layer(x, trace=True)
    assert {tuple(t.shape) for t in trace} == {(2, 2, B, T, H)}
    h = trace.o[-1] * torch.tanh(trace.c[-1])
    torch.testing.assert_close(y, torch.cat([h[0], h[1]], dim=-1))


@pytest.mark.parametrize("batch_first", [False, True])
def test_trace_of_packed_input_is_padded_in_the_order_before_packing(batch_first: bool) -> None:
    layer = build(batch_first=batch_first)
    x = torch.randn((B, T, I) if batch_first else (T, B, I), dtype=torch.float64)
    lengths = torch.tensor([3, 6, 1, 5])
    packed = pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False)
    _, _, trace = layer(packed, trace=True)
    _, _, expected = layer(x, lengths=lengths, trace=True)
    torch.testing.assert_close(tuple(trace), tuple(expected))


def test_trace_carries_gradient() -> None:
    layer, x = build(), torch.randn(T, B, I, dtype=torch.float64, requires_grad=True)
    for k in range(5):
        _, _, trace = layer(x, trace=True)
        (gradient,) = torch.autograd.grad(trace[k][0, 0, 2].sum(), x)
        assert (gradient[:3] != 0).any()
        assert (gradient[3:] == 0).all()


def test_learned_initial_state_starts_at_zero_and_learns() -> None:
    layer = build(learn_initial_state=True, proj_size=2, bidirectional=True)
    assert layer.initial_h.shape == (4, 2)
    assert layer.initial_c.shape == (4, H)
    x = torch.randn(T, B, I, dtype=torch.float64)
    torch.manual_seed(0)
    plain = build(proj_size=2, bidirectional=True)
    torch.manual_seed(0)
    layer.reset_parameters()
    assert torch.equal(layer(x)[0], plain(x)[0])
    layer(x)[0].sum().backward()
    assert (layer.initial_h.grad != 0).all()
    assert (layer.initial_c.grad != 0).all()
    torch.nn.init.ones_(layer.initial_h)
    ones = torch.ones(4, B, 2).double(), torch.zeros(4, B, H).double()
    torch.testing.assert_close(layer(x)[0], layer(x, ones)[0])


def test_a_given_state_overrules_the_learned_one() -> None:
    layer = build(learn_initial_state=True)
    torch.nn.init.normal_(layer.initial_c)
    x = torch.randn(T, B, I, dtype=torch.float64)
    zero = torch.zeros(2, B, H, dtype=torch.float64)
    y, _ = layer(x, (zero, zero))
    y.sum().backward()
    assert layer.initial_c.grad is None
    assert not torch.equal(y, layer(x)[0])


def test_learned_initial_state_stands_in_the_state_dict_by_name() -> None:
    names = set(build(learn_initial_state=True).state_dict()) - set(build().state_dict())
    assert names == {"initial_h", "initial_c"}


def forget_biases(layer: LSTM) -> Tensor:
    found = [
        getattr(layer, f"bias_ih_l{k}{s}") + getattr(layer, f"bias_hh_l{k}{s}")
        for k in range(layer.num_layers)
        for s in ("", "_reverse")[: 1 + layer.bidirectional]
    ]
    return torch.stack(found).detach().unflatten(-1, (4, -1))  # (cells, gates, H)


def test_forget_bias_sets_the_sum_of_both_vectors_and_nothing_else() -> None:
    layer = build(forget_bias=1.5, bidirectional=True)
    torch.manual_seed(0)
    plain = build(bidirectional=True)
    torch.manual_seed(0)
    layer.reset_parameters()
    assert list(layer.state_dict()) == list(plain.state_dict())
    mine, other = forget_biases(layer), forget_biases(plain)
    assert (mine[:, 1] == 1.5).all()
    assert torch.equal(mine[:, [0, 2, 3]], other[:, [0, 2, 3]])
    assert torch.equal(layer.weight_hh_l1, plain.weight_hh_l1)


def test_chrono_spreads_time_scales_up_to_the_longest_dependency() -> None:
    layer = LSTM(2, 1000, forget_bias="chrono", chrono_max_steps=100)
    i, f, g, o = forget_biases(layer)[0]
    scales = f.exp()
    assert scales.min() >= 1
    assert scales.max() <= 99
    assert abs(scales.mean() - 50) < 3  # uniform over 1 … 99
    assert torch.equal(i, -f)
    assert max(g.abs().max(), o.abs().max()) <= 2 / 1000**0.5


def test_additions_are_printed() -> None:
    layer = LSTM(
        I, H, learn_initial_state=True, forget_bias="chrono", chrono_max_steps=9, backend="torch"
    )
    assert repr(layer) == (
        "LSTM(3, 5, learn_initial_state=True, forget_bias=chrono, chrono_max_steps=9, "
        "backend=torch)"
    )


@pytest.mark.parametrize("splits", [(1,), (3,), (1, 2, 5), (1, 2, 3, 4, 5)], ids=str)
def test_any_split_with_carried_state_equals_one_call(splits: tuple[int, ...]) -> None:
    layer, x = build(), torch.randn(T, B, I, dtype=torch.float64)
    whole, last = layer(x)
    state, parts = None, []
    for first, end in itertools.pairwise((0, *splits, T)):
        with torch.no_grad():
            y, state = layer(x[first:end], state)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts), whole)
    torch.testing.assert_close(tuple(state), tuple(last))


def test_a_named_backend_is_the_one_that_runs() -> None:
    layer = LSTM(I, H, backend="torch")
    with pytest.raises(InputError, match="does not show its gates"):
        layer(torch.zeros(T, B, I), trace=True)


MASK = torch.zeros(T, B, dtype=torch.bool)
X = torch.zeros(T, B, I)
PACKED = pack_padded_sequence(X, torch.tensor([6, 5, 3, 2]))
WIDE = pack_padded_sequence(torch.zeros(T, B, I + 1), torch.tensor([6, 5, 3, 2]))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"forget_bias": 1.0, "bias": False}, InputError, "forget_bias needs a layer with a bias"),
        ({"forget_bias": "chrono"}, InputError, "must be given together; got"),
        ({"chrono_max_steps": 5}, InputError, "must be given together; got"),
        ({"forget_bias": "chrono", "chrono_max_steps": 1}, InputError, "of at least 2; got 1."),
        ({"forget_bias": "big"}, ArgumentTypeError, "must be a finite number, 'chrono' or None"),
        ({"forget_bias": float("nan")}, ArgumentTypeError, "got nan."),
        ({"backend": "Torch"}, InputError, "Did you mean 'torch'?"),
    ],
    ids=str,
)
def test_bad_arguments_are_answered_in_three_sentences(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    assert_answered(lambda: LSTM(I, H, **options), error, message)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"input": X[..., :2]}, ShapeError, "x must be (time, batch, input=3), or (time, input=3)"),
        ({"input": X.numpy()}, ArgumentTypeError, "got ndarray. Use torch.as_tensor."),
        ({"input": X.to("meta")}, ShapeError, "x on meta, the parameters on cpu"),
        ({"hx": X}, ArgumentTypeError, "hx must be a pair (h_0, c_0); got (6, 4, 3)"),
        ({"hx": (X, None)}, ShapeError, "hx[0] must be (layers·directions, batch, size)"),
        ({"hx": (None, X)}, ArgumentTypeError, "hx[0] must be a tensor"),
        ({"lengths": [6, 6]}, ShapeError, "lengths must be 4 integers"),
        ({"lengths": [7, 6, 6, 6]}, InputError, "got a length of 7."),
        ({"lengths": 6}, ShapeError, "got (), int64 on cpu."),
        ({"reset": MASK.T}, ShapeError, "(time, batch) = (6, 4); got (4, 6), bool on cpu."),
        ({"input": X[:, 0], "reset": MASK}, ShapeError, "(time) = (6,)"),
        ({"input": WIDE}, ShapeError, "x.data must be (steps, input=3); got (16, 4)"),
        ({"input": PACKED, "lengths": [6, 5, 3, 2]}, InputError, "without lengths and reset"),
        ({"input": PACKED, "reset": MASK}, InputError, "its own order; got reset."),
    ],
)
def test_bad_calls_are_answered_in_three_sentences(
    given: dict[str, Any], error: type[Exception], message: str
) -> None:
    assert_answered(lambda: LSTM(I, H)(**{"input": X, **given}), error, message)


def assert_answered(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)) as raised:
        call()
    assert isinstance(raised.value, CellstateError)
    assert re.fullmatch(r"LSTM: .*; got .*\. \S.*[.?]", str(raised.value), re.DOTALL)
