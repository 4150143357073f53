"""The layer with stored weights: the equations on the rounded ones, and what it refuses."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from cellstate import network
from cellstate.errors import ArgumentTypeError, CellstateError, InputError, ShapeError
from cellstate.nn import LSTM, QuantizedLSTM
from cellstate.ops.stored import Stored, store, widen
from cellstate.runtime import Chain

T, B, I, H = 9, 4, 5, 33
FORMS: tuple[Stored, ...] = ("bf16", "int8")
SIZES = {"bf16": 2, "int8": 1}
CASES: dict[str, dict[str, Any]] = {
    "one layer": {},
    "stacked": {"num_layers": 3},
    "both directions": {"num_layers": 2, "bidirectional": True},
    "no bias": {"bias": False},
    "batch first": {"batch_first": True},
    "projection": {"proj_size": 7, "num_layers": 2},
    "projection both ways": {"proj_size": 7, "bidirectional": True},
    "learnt start": {"learn_initial_state": True, "bidirectional": True},
}

every_form = pytest.mark.parametrize("stored", FORMS)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def build(**options: Any) -> LSTM:
    layer = LSTM(I, H, **options)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn_like(parameter) / 6)
    return layer


def with_rounded_weights(layer: LSTM, stored: Stored) -> LSTM:
    """Give the plain layer on the equations, with the weights that were stored."""
    plain = copy.deepcopy(layer)
    plain.backend = "reference"
    with torch.no_grad():
        for name, parameter in plain.named_parameters():
            if name.startswith("weight"):
                parameter.copy_(widen(*store(parameter, stored)))
    return plain


def state_of(layer: LSTM, batch: int = B) -> tuple[Tensor, Tensor]:
    cells = layer.num_layers * (2 if layer.bidirectional else 1)
    return torch.randn(cells, batch, layer.proj_size or H), torch.randn(cells, batch, H)


@every_form
@pytest.mark.parametrize("given_state", [False, True])
@pytest.mark.parametrize("extras", ["", "lengths", "reset", "lengths and reset"])
@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_results_are_those_of_the_rounded_weights(
    case: str, extras: str, given_state: bool, stored: Stored
) -> None:
    layer = build(**CASES[case])
    x = torch.randn((B, T, I) if layer.batch_first else (T, B, I))
    options: dict[str, Any] = {}
    if "lengths" in extras:
        options["lengths"] = [3, 0, T, 5]
    if "reset" in extras:
        options["reset"] = torch.rand(x.shape[:2]) < 0.3
    hx = state_of(layer) if given_state else None
    y, state = layer.quantize(stored)(x, hx, **options)
    expected, expected_state = with_rounded_weights(layer, stored)(x, hx, **options)
    torch.testing.assert_close(y, expected, rtol=0, atol=5e-6)
    torch.testing.assert_close(tuple(state), tuple(expected_state), rtol=0, atol=1e-5)


@every_form
@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_any_split_with_carried_state_gives_the_bits_of_one_call(case: str, stored: Stored) -> None:
    options = {**CASES[case], "bidirectional": False}
    layer = build(**options).quantize(stored)
    x = torch.randn((B, T, I) if layer.batch_first else (T, B, I))
    time = 1 if layer.batch_first else 0
    y, after = layer(x)
    state, pieces = None, []
    for piece in x.split([1, 5, 3], dim=time):
        out, state = layer(piece, state)
        pieces.append(out)
    assert torch.equal(torch.cat(pieces, dim=time), y)
    assert torch.equal(state[0], after.h)
    assert torch.equal(state[1], after.c)


@every_form
@torch.no_grad()
def test_a_row_has_the_same_bits_in_any_company(stored: Stored) -> None:
    layer = build(num_layers=2, bidirectional=True).quantize(stored)
    x = torch.randn(T, 19, I)
    y, _ = layer(x, lengths=torch.arange(19) % (T + 1))
    for row in range(19):
        alone, _ = layer(x[:, row : row + 1], lengths=[row % (T + 1)])
        assert torch.equal(alone[:, 0], y[:, row])


@every_form
@torch.no_grad()
def test_one_sequence_and_packed_ones_are_taken(stored: Stored) -> None:
    layer = build().quantize(stored)
    x = torch.randn(T, B, I)
    assert torch.equal(layer(x[:, 0])[0], layer(x)[0][:, 0])
    lengths = torch.tensor([3, 9, 1, 5])
    packed, state = layer(pack_padded_sequence(x, lengths, enforce_sorted=False))
    y, counts = pad_packed_sequence(packed, total_length=T)
    expected, expected_state = layer(x, lengths=lengths)
    assert torch.equal(y, expected)
    assert torch.equal(state.h, expected_state.h)
    assert torch.equal(counts, lengths)


@every_form
@torch.no_grad()
def test_the_runtime_has_the_same_bits(stored: Stored) -> None:
    layer = build(num_layers=2)
    tensors = {f"body.{name}": value.numpy() for name, value in layer.state_dict().items()}
    chain = Chain((network.LSTM("body", I, H, 2),), tensors, weights=stored)
    x = torch.randn(T, B, I)
    y, state = layer.quantize(stored)(x)
    ours, after = chain.sequence(x.numpy())
    assert (ours == y.numpy()).all()
    assert (after["body"].c == state.c.numpy()).all()


@every_form
@torch.no_grad()
def test_state_dict_is_smaller_and_loads_into_a_fresh_layer(stored: Stored) -> None:
    layer = build(num_layers=2, learn_initial_state=True)
    small, x = layer.quantize(stored), torch.randn(T, B, I)
    for name, value in small.state_dict().items():
        if name.startswith("weight"):
            assert value.element_size() == SIZES[stored]
    file = io.BytesIO()
    torch.save(small.state_dict(), file)
    file.seek(0)
    fresh = LSTM(I, H, 2, learn_initial_state=True).quantize(stored)
    before = fresh(x)[0]  # packs the weights that are about to be replaced
    fresh.load_state_dict(torch.load(file))
    y = small(x)[0]
    assert not torch.equal(before, y)
    assert torch.equal(fresh(x)[0], y)
    assert torch.equal(copy.deepcopy(small)(x)[0], y)
    assert torch.equal(pickle.loads(pickle.dumps(small))(x)[0], y)


@every_form
@torch.no_grad()
def test_the_layer_it_was_made_from_is_left_alone(stored: Stored) -> None:
    layer, x = build(learn_initial_state=True), torch.randn(T, B, I)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    small = layer.quantize(stored)
    y = small(x)[0]
    for name, value in layer.state_dict().items():
        assert torch.equal(value, before[name])
        value.zero_()
    assert torch.equal(small(x)[0], y)
    assert not list(small.parameters())


@every_form
@torch.no_grad()
def test_conversions_leave_the_stored_types(stored: Stored) -> None:
    layer, x = build().quantize(stored), torch.randn(T, B, I)
    y = layer(x)[0]
    types = {name: value.dtype for name, value in layer.state_dict().items()}
    for converted in (layer.half(), layer.double(), layer.to("cpu", torch.bfloat16)):
        assert {name: value.dtype for name, value in converted.state_dict().items()} == types
        assert torch.equal(converted(x)[0], y)


@every_form
@torch.no_grad()
def test_autocast_is_computed_in_float32(stored: Stored) -> None:
    layer, x = build().quantize(stored), torch.randn(T, B, I).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)[0]
    assert torch.equal(y, layer(x.float())[0])


@every_form
def test_rows_of_zeros_and_of_the_smallest_numbers_are_rounded(stored: Stored) -> None:
    weight = torch.tensor([[0.0, 0.0], [1e-45, -1e-45], [1e-38, 1e-40], [3e38, -3e38]])
    near = widen(*store(weight, stored))
    assert near.isfinite().all()
    assert torch.equal(near[0], weight[0])
    torch.testing.assert_close(near[3], weight[3], rtol=2**-8, atol=0)
    assert torch.equal(near, widen(*store(near, stored)))


def test_module_says_what_it_is() -> None:
    layer = LSTM(3, 4, batch_first=True).quantize("int8")
    assert repr(layer) == "QuantizedLSTM(3, 4, stored='int8', batch_first=True)"


BAD: dict[str, tuple[Any, type[CellstateError], str]] = {
    "an unknown form": (
        lambda: build().quantize("int9"),  # pyright: ignore[reportArgumentType]
        InputError,
        "'bf16' or 'int8'; got 'int9'. Did you mean 'int8'",
    ),
    "another dtype": (
        lambda: build().double().quantize("int8"),
        InputError,
        "weight_ih_l0 must be float32 to be stored as int8; got .*float64",
    ),
    "a gradient of the input": (
        lambda: small()(torch.zeros(T, B, I, requires_grad=True)),
        InputError,
        "neither x nor hx may require a gradient",
    ),
    "a gradient of the state": (
        lambda: small()(torch.zeros(T, B, I), torch.zeros(2, 1, B, H, requires_grad=True).unbind()),
        InputError,
        "neither x nor hx may require a gradient",
    ),
    "float64 input": (
        lambda: small()(torch.zeros(T, B, I, dtype=torch.float64)),
        ShapeError,
        "x must be float32; got .*float64",
    ),
    "another width": (
        lambda: small()(torch.zeros(T, B, I + 1)),
        ShapeError,
        r"QuantizedLSTM: x must be \(time, batch, input=5\)",
    ),
    "a state of another size": (
        lambda: small()(torch.zeros(T, B, I), (torch.zeros(1, B, H), torch.zeros(1, B, 3))),
        ShapeError,
        r"QuantizedLSTM: hx\[1\] must be",
    ),
    "a length too large": (
        lambda: small()(torch.zeros(T, B, I), lengths=[T + 1] * B),
        InputError,
        "QuantizedLSTM: lengths must be",
    ),
    "no tensor": (lambda: small()([1.0]), ArgumentTypeError, "QuantizedLSTM: x must be a tensor"),
}


def small() -> QuantizedLSTM:
    return build().quantize("int8")


@pytest.mark.parametrize("call", BAD)
def test_bad_call_is_explained(call: str) -> None:
    attempt, error, message = BAD[call]
    with pytest.raises(error, match=message) as caught:
        attempt()
    assert "; got " in str(caught.value)


def test_whole_numbers_are_not_made_of_nan() -> None:
    layer = build()
    with torch.no_grad():
        layer.weight_hh_l0[2, 3] = torch.nan
    with pytest.raises(InputError, match=r"weight_hh_l0 must be finite .*; got 1 infinite or NaN"):
        layer.quantize("int8")
    assert layer.quantize("bf16")(torch.zeros(T, B, I))[0].isnan().any()


def test_no_gradient_is_wanted_under_no_grad() -> None:
    x = torch.zeros(T, B, I, requires_grad=True)
    with torch.no_grad():
        y, _ = small()(x)
    assert not y.requires_grad
