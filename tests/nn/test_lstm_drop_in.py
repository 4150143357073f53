"""The layer does whatever `torch.nn.LSTM` does, and refuses whatever that refuses."""

from __future__ import annotations

import inspect
import itertools
import re
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence

from cellstate.errors import CellstateError
from cellstate.nn import LSTM

OPTIONS: list[dict[str, Any]] = [
    {},
    {"num_layers": 3},
    {"bias": False},
    {"batch_first": True},
    {"dropout": 0.4, "num_layers": 2},
    {"bidirectional": True},
    {"proj_size": 2},
    {"dtype": torch.float64},
    {
        "num_layers": 2,
        "bias": False,
        "batch_first": True,
        "dropout": 0.4,
        "bidirectional": True,
        "proj_size": 2,
    },
]
FORMS = ("batched", "unbatched", "packed", "packed in order", "one step", "empty batch")
T, B, I, H = 6, 4, 3, 5


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def pair(options: dict[str, Any]) -> tuple[LSTM, torch.nn.LSTM]:
    """Build our layer and torch's from one seed."""
    torch.manual_seed(0)
    ours = LSTM(I, H, **options)
    torch.manual_seed(0)
    return ours, torch.nn.LSTM(I, H, **options)


def sample(form: str, options: dict[str, Any]) -> Tensor | PackedSequence:
    dtype, batch_first = options.get("dtype"), options.get("batch_first", False)
    steps, rows = (1 if form == "one step" else T), (0 if form == "empty batch" else B)
    x = torch.randn((rows, steps, I) if batch_first else (steps, rows, I), dtype=dtype)
    match form:
        case "unbatched":
            return torch.randn(T, I, dtype=dtype)
        case "packed":
            lengths = torch.tensor([3, 6, 1, 5])
            return pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False)
        case "packed in order":
            return pack_sequence([torch.randn(n, I, dtype=dtype) for n in (5, 5, 2, 1)])
        case _:
            return x


def state_for(form: str, options: dict[str, Any]) -> tuple[Tensor, Tensor]:
    cells = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    rows = {"unbatched": (), "empty batch": (0,)}.get(form, (B,))
    sizes = (options.get("proj_size") or H, H)
    h, c = (torch.randn(cells, *rows, size, dtype=options.get("dtype")) for size in sizes)
    return h, c


def leaf(value: Any) -> Any:
    if isinstance(value, PackedSequence):
        return value._replace(data=value.data.clone().requires_grad_())
    return value.clone().requires_grad_()


def content(value: Tensor | PackedSequence) -> Tensor:
    return value.data if isinstance(value, PackedSequence) else value


def test_constructor_starts_with_the_parameters_of_torch() -> None:
    expected = ["input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout"]
    expected += ["bidirectional", "proj_size", "device", "dtype"]
    mine = inspect.signature(LSTM).parameters
    theirs = inspect.signature(torch.nn.RNNBase).parameters
    assert list(mine)[:10] == expected == list(theirs)[1:]
    assert {n: mine[n].default for n in expected} == {n: theirs[n].default for n in expected}
    assert all(mine[n].kind is inspect.Parameter.KEYWORD_ONLY for n in list(mine)[10:])
    forward = inspect.signature(LSTM.forward).parameters
    assert list(forward)[:3] == list(inspect.signature(torch.nn.LSTM.forward).parameters)
    assert not issubclass(LSTM, torch.nn.LSTM)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_equal_seeds_give_equal_parameters_under_equal_names(options: dict[str, Any]) -> None:
    ours, theirs = pair(options)
    after = torch.rand(1)
    torch.manual_seed(0)
    torch.nn.LSTM(I, H, **options)
    assert torch.equal(after, torch.rand(1))  # and as many random numbers are used
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, other)
    assert [[p.shape for p in cell] for cell in ours.all_weights] == [
        [p.shape for p in cell] for cell in theirs.all_weights
    ]
    torch.manual_seed(3)
    ours.reset_parameters()
    torch.manual_seed(3)
    theirs.reset_parameters()
    assert torch.equal(ours.weight_hh_l0, theirs.weight_hh_l0)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_it_prints_as_torch_prints(options: dict[str, Any]) -> None:
    ours, theirs = pair(options)
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_state_dicts_load_both_ways(options: dict[str, Any]) -> None:
    ours, theirs = pair(options)
    fresh = LSTM(I, H, **options)
    assert fresh.load_state_dict(theirs.state_dict(), strict=True)
    back = torch.nn.LSTM(I, H, **options)
    back.load_state_dict(fresh.state_dict(), strict=True)
    for mine, other in zip(back.parameters(), ours.parameters(), strict=True):
        assert torch.equal(mine, other)


@pytest.mark.parametrize("given", [False, True], ids=["zero state", "given state"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported")  # torch's own
def test_results_and_gradients_are_those_of_torch(
    options: dict[str, Any], form: str, given: bool
) -> None:
    x, hx = sample(form, options), state_for(form, options) if given else None
    found = []
    for layer in pair(options):
        # In packed form dropout draws a mask of another shape, so it is compared without.
        layer.train("packed" not in form)
        mine, state = leaf(x), None if hx is None else (leaf(hx[0]), leaf(hx[1]))
        torch.manual_seed(5)
        y, (h, c) = layer(mine, state)
        total = sum((content(v) ** 2).sum() for v in (y, h, c))
        leaves = [content(mine), *(state or ()), *layer.parameters()]
        gradients = torch.autograd.grad(total, leaves)
        found.append((y, h, c, *gradients))
    ours, theirs = found
    assert type(ours[0]) is type(theirs[0])
    if isinstance(x, PackedSequence):
        for mine, other in zip(ours[0][1:], theirs[0][1:], strict=True):
            assert mine is other or torch.equal(mine, other)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(content(mine), content(other), rtol=1e-5, atol=1e-6)


def test_results_are_bitwise_those_of_torch_where_torch_computes() -> None:
    ours, theirs = pair({"num_layers": 2, "bidirectional": True, "dropout": 0.5})
    ours.backend = "torch"
    x = torch.randn(T, B, I)
    torch.manual_seed(1)
    mine = ours(x)
    torch.manual_seed(1)
    other = theirs(x)
    assert torch.equal(mine[0], other[0])
    assert torch.equal(mine[1][0], other[1][0])


def test_dropout_is_off_in_evaluation() -> None:
    layer = LSTM(I, H, 2, dropout=0.9).eval()
    x = torch.randn(T, B, I)
    assert torch.equal(layer(x)[0], layer(x)[0])
    assert not torch.equal(layer.train()(x)[0], layer(x)[0])


def test_the_state_is_a_named_pair() -> None:
    _, state = LSTM(I, H)(torch.randn(T, B, I))
    h, c = state
    assert state.h is h
    assert state.c is c


def test_input_may_be_given_by_name() -> None:
    layer, x = LSTM(I, H), torch.randn(T, B, I)
    hx = (torch.randn(1, B, H), torch.randn(1, B, H))
    assert torch.equal(layer(input=x, hx=hx)[0], layer(x, hx)[0])


def test_dropout_with_a_single_layer_warns_where_it_is_written() -> None:
    for kind in (LSTM, torch.nn.LSTM):
        with pytest.warns(UserWarning, match="dropout option adds dropout after all") as caught:
            kind(I, H, dropout=0.5)
        if kind is LSTM:
            assert caught[0].filename == __file__


def test_device_and_dtype_are_taken() -> None:
    layer = LSTM(I, H, device="meta", dtype=torch.bfloat16)
    assert {(p.device.type, p.dtype) for p in layer.parameters()} == {("meta", torch.bfloat16)}
    assert LSTM(I, H).double().to(torch.float16).weight_ih_l0.dtype == torch.float16


BAD_ARGUMENTS: list[dict[str, Any]] = [
    {"dropout": 1.5},
    {"dropout": -0.1},
    {"dropout": True},
    {"bias": 1},
    {"batch_first": 1},
    {"input_size": 0},
    {"input_size": 3.0},
    {"hidden_size": 0},
    {"hidden_size": "5"},
    {"num_layers": 0},
    {"proj_size": -1},
    {"proj_size": H},
]


def refusal(function: Any, *args: Any, **kwargs: Any) -> Exception | None:
    try:
        function(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - whatever torch raises is the expectation
        return error
    return None


def assert_refused_as_by_torch(ours: Exception | None, theirs: Exception | None) -> None:
    assert theirs is not None
    assert isinstance(ours, CellstateError)
    assert any(isinstance(ours, kind) for kind in (type(theirs), *type(theirs).__bases__[:1]))
    assert re.fullmatch(r"(LSTM): .*; got .*\. \S.*[.?]", str(ours), re.DOTALL)


@pytest.mark.parametrize("change", BAD_ARGUMENTS, ids=str)
def test_bad_arguments_raise_what_torch_raises(change: dict[str, Any]) -> None:
    arguments = {"input_size": I, "hidden_size": H, **change}
    assert_refused_as_by_torch(refusal(LSTM, **arguments), refusal(torch.nn.LSTM, **arguments))


H0, C0 = torch.zeros(1, B, H), torch.zeros(1, B, H)
X = torch.zeros(T, B, I)


@pytest.mark.parametrize(
    "call",
    [
        (torch.zeros(I),),
        (torch.zeros(2, T, B, I),),
        (torch.zeros(T, B, I + 1),),
        (X.double(),),
        (X.long(),),
        (X, (H0[0], C0[0])),
        (X[:, 0], (H0, C0)),
        (X, (H0[:, :1], C0)),
        (X, (H0, C0[..., :2])),
        (X, (torch.zeros(2, B, H), C0)),
        (X, (H0.double(), C0.double())),
        (PackedSequence(torch.zeros(4, I, dtype=torch.float64), torch.tensor([2, 2])),),
    ],
    ids=itertools.count(),
)
def test_bad_calls_raise_what_torch_raises(call: tuple[Any, ...]) -> None:
    ours, theirs = pair({})
    assert_refused_as_by_torch(refusal(ours, *call), refusal(theirs, *call))
