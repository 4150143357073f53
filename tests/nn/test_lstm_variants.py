"""The layer's variants: their parameters, what the constructor accepts, and what they promise."""

from __future__ import annotations

import copy
import io
import math
import pickle
import re
from typing import Any

import pytest
import torch
from torch import Tensor

from cellstate.errors import CellstateError, InputError
from cellstate.nn import LSTM, from_torch
from cellstate.ops.variant import PLAIN, Variant

T, B, I, H, P = 6, 4, 3, 5, 2
PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
NORMS = {"norm_ih": (4 * H,), "norm_hh": (4 * H,), "norm_c": (H,), "norm_c_bias": (H,)}
FORMS: dict[str, tuple[dict[str, Any], dict[str, tuple[int, ...]]]] = {
    "peephole": ({"peephole": True}, {"weight_ch": (3 * H,)}),
    "coupled": ({"coupled": True}, {}),
    "coupled with peepholes": ({"coupled": True, "peephole": True}, {"weight_ch": (2 * H,)}),
    "layer norm": ({"layer_norm": True}, NORMS),
    "coupled with layer norm": (
        {"coupled": True, "layer_norm": True},
        NORMS | {"norm_ih": (3 * H,), "norm_hh": (3 * H,)},
    ),
    "hard sigmoid": ({"hard_sigmoid": True}, {}),
    "cell clip": ({"cell_clip": 2.0}, {}),
    "recurrent dropout": ({"recurrent_dropout": 0.5}, {}),
    "weight drop": ({"weight_drop": 0.5}, {}),
    "zoneout": ({"zoneout": (0.5, 0.05)}, {}),
}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def build(**options: Any) -> LSTM:
    return LSTM(I, H, **{"dtype": torch.float64, **options})


def draw(steps: int = T) -> Tensor:
    return torch.randn(steps, B, I, dtype=torch.float64)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("more", [{}, {"num_layers": 2, "bidirectional": True, "proj_size": P}])
def test_parameters_have_torchs_names_and_those_of_the_variant(
    form: str, more: dict[str, Any]
) -> None:
    options, own = FORMS[form]
    layer = build(**options, **more)
    gates = (3 if options.get("coupled") else 4) * H
    out = P if more else H
    expected: dict[str, tuple[int, ...]] = {}
    for number in range(layer.num_layers):
        inputs = I if number == 0 else 2 * out
        sizes = {"weight_ih": (gates, inputs), "weight_hh": (gates, out)}
        sizes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
        sizes |= {"weight_hr": (P, H)} if more else {}
        for suffix in ("", "_reverse") if more else ("",):
            expected |= {f"{n}_l{number}{suffix}": size for n, size in (sizes | own).items()}
    assert {name: tuple(p.shape) for name, p in layer.named_parameters()} == expected
    assert list(layer.state_dict()) == list(expected)


@pytest.mark.parametrize("form", FORMS)
def test_parameters_start_in_torchs_range_and_norms_at_one(form: str) -> None:
    layer = build(**FORMS[form][0])
    for name, parameter in layer.named_parameters():
        if name.startswith("norm_c_bias"):
            assert not parameter.any()
        elif name.startswith("norm"):
            assert torch.equal(parameter, torch.ones_like(parameter))
        else:
            assert float(parameter.detach().abs().max()) <= H**-0.5
            assert len(parameter.unique()) == parameter.numel()


@pytest.mark.parametrize("form", FORMS)
def test_a_variant_without_weights_of_its_own_starts_as_torchs_layer(form: str) -> None:
    options, own = FORMS[form]
    torch.manual_seed(3)
    layer = build(**options)
    torch.manual_seed(3)
    theirs = torch.nn.LSTM(I, H, dtype=torch.float64).state_dict()
    if options.get("coupled"):  # other weights: it cannot
        assert layer.get_parameter("weight_ih_l0").shape != theirs["weight_ih_l0"].shape
        return
    for name, value in theirs.items():
        assert torch.equal(layer.state_dict()[name], value), name
    assert {f"{name}_l0" for name in own} == set(layer.state_dict()) - set(theirs)


@pytest.mark.parametrize("coupled", [False, True])
@pytest.mark.parametrize("norm", [False, True])
def test_forget_bias_is_that_of_the_forget_gate(coupled: bool, norm: bool) -> None:
    layer = build(forget_bias=1.5, coupled=coupled, layer_norm=norm)
    forget = slice(0, H) if coupled else slice(H, 2 * H)
    both = (layer.get_parameter("bias_ih_l0") + layer.get_parameter("bias_hh_l0")).detach()
    assert torch.equal(both[forget], torch.full((H,), 1.5, dtype=torch.float64))
    others = torch.ones(len(both), dtype=torch.bool)
    others[forget] = False
    assert (both[others].abs() <= 2 * H**-0.5).all()
    assert both[others].all()


def test_chrono_spreads_the_time_scales_of_coupled_gates() -> None:
    layer = LSTM(1, 400, coupled=True, forget_bias="chrono", chrono_max_steps=100)
    both = (layer.get_parameter("bias_ih_l0") + layer.get_parameter("bias_hh_l0")).detach()
    scales = both[:400].exp()
    assert float(scales.min()) >= 1 - 1e-5
    assert float(scales.max()) <= 99 + 1e-3
    assert abs(float(scales.mean()) - 50) < 5 * 98 / math.sqrt(12 * 400)
    assert (both[400:].abs() <= 2 * 400**-0.5).all()  # g and o are left alone


@pytest.mark.parametrize("form", FORMS)
def test_a_layer_goes_through_state_dict_deepcopy_and_pickle(form: str) -> None:
    options, _ = FORMS[form]
    layer = build(**options, num_layers=2)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, 0.2)
    x = draw()
    other = build(**options, num_layers=2)
    other.load_state_dict(layer.state_dict())
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    read = torch.load(file, weights_only=False)
    for again in (other, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), read):
        assert again.variant == layer.variant
        assert again.weight_drop == layer.weight_drop
        assert repr(again) == repr(layer)
        for training in (True, False):
            torch.manual_seed(7)
            y, _ = layer.train(training)(x)
            torch.manual_seed(7)
            assert torch.equal(again.train(training)(x)[0], y)


def test_a_state_dict_of_another_variant_is_refused() -> None:
    with pytest.raises(RuntimeError, match="weight_ch_l0"):
        build().load_state_dict(build(peephole=True).state_dict())
    with pytest.raises(RuntimeError, match="size mismatch"):
        build(coupled=True).load_state_dict(build().state_dict())


def test_repr_shows_the_variant() -> None:
    assert repr(build()) == "LSTM(3, 5)"
    layer = build(peephole=True, zoneout=(0.5, 0), weight_drop=0.2)
    assert repr(layer) == "LSTM(3, 5, weight_drop=0.2, peephole=True, zoneout_c=0.5)"
    assert build(recurrent_dropout=0.1, recurrent_dropout_at="candidate").variant == Variant(
        recurrent_dropout=0.1, dropped_at="candidate"
    )
    assert build().variant == PLAIN


def test_cell_states_stay_within_the_clip() -> None:
    layer = build(cell_clip=0.25, num_layers=2, bidirectional=True)
    _, state, trace = layer(20 * draw(), trace=True)
    assert float(trace.c.detach().abs().max()) == float(state.c.detach().abs().max()) == 0.25
    free = build(num_layers=2, bidirectional=True)
    free.load_state_dict(layer.state_dict())
    assert float(free(20 * draw(), trace=True)[2].c.detach().abs().max()) > 0.25


def test_a_clip_out_of_reach_changes_nothing() -> None:
    layer = build(cell_clip=100.0)
    plain = build()
    plain.load_state_dict(layer.state_dict())
    x = draw()
    torch.testing.assert_close(layer(x)[0], plain(x)[0], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("more", [{}, {"peephole": True}, {"hard_sigmoid": True}])
def test_the_input_gate_is_what_a_coupled_forget_gate_leaves(more: dict[str, Any]) -> None:
    layer = build(coupled=True, num_layers=2, bidirectional=True, **more)
    _, _, trace = layer(draw(), trace=True)
    torch.testing.assert_close(trace.i, 1 - trace.f, rtol=0, atol=1e-15)


def test_peepholes_of_zero_are_none() -> None:
    layer, plain, x = build(peephole=True), build(), draw()
    plain.load_state_dict({n: v for n, v in layer.state_dict().items() if n != "weight_ch_l0"})
    expected, _ = plain(x)
    assert not torch.allclose(layer(x)[0], expected)
    torch.nn.init.zeros_(layer.get_parameter("weight_ch_l0"))
    torch.testing.assert_close(layer(x)[0], expected, rtol=1e-12, atol=1e-14)


def test_hard_gates_open_and_close_entirely() -> None:
    layer = build(hard_sigmoid=True)
    _, _, trace = layer(30 * draw(), trace=True)
    for gate in (trace.i, trace.f, trace.o):
        assert (gate == 0).any()
        assert (gate == 1).any()
        assert ((gate >= 0) & (gate <= 1)).all()


@pytest.mark.parametrize("factor", [0.2, 7.0])
@pytest.mark.parametrize("more", [{}, {"coupled": True}, {"proj_size": P}])
def test_layer_norm_does_not_see_the_scale_of_a_weight(factor: float, more: dict[str, Any]) -> None:
    layer, x = build(layer_norm=True, **more), draw()
    state = (torch.randn(1, B, P if more.get("proj_size") else H).double(), torch.randn(1, B, H))
    state = (state[0], state[1].double())
    for parameter in (layer.get_parameter("weight_ih_l0"), layer.get_parameter("weight_hh_l0")):
        parameter.data *= 50  # so that epsilon does not count
    y, _ = layer(x, state)
    layer.get_parameter("weight_hh_l0").data *= factor
    torch.testing.assert_close(layer(x, state)[0], y, rtol=1e-4, atol=1e-5)
    layer.get_parameter("weight_ih_l0").data *= factor
    torch.testing.assert_close(layer(x, state)[0], y, rtol=1e-4, atol=1e-5)
    layer.get_parameter("norm_hh_l0").data *= factor
    assert not torch.allclose(layer(x, state)[0], y, rtol=1e-3, atol=1e-3)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "zoneout above one": ({"zoneout": 1.5}, "zoneout_c must be in 0 … 1, 1 excluded; got 1.5"),
    "zoneout of h above one": ({"zoneout": (0, 2)}, "zoneout_h must be in 0 … 1, 1 excluded; got"),
    "one of a pair": ({"zoneout": (1,)}, "zoneout must be one share, or a pair for c and h; got"),
    "zoneout of three": ({"zoneout": (0.1,) * 3}, "zoneout must be one share, or a pair for c and"),
    "zoneout in words": ({"zoneout": "much"}, "zoneout_c must be in 0 … 1, 1 excluded; got 'much'"),
    "no clip": ({"cell_clip": 0}, "cell_clip must be greater than zero, or None; got 0"),
    "clip as a flag": ({"cell_clip": True}, "cell_clip must be greater than zero, or None; got T"),
    "dropped at x": ({"recurrent_dropout_at": "x"}, "must be 'hidden' or 'candidate'; got 'x'"),
    "all dropped": ({"recurrent_dropout": 1.0}, "recurrent_dropout must be in 0 … 1, 1 excluded"),
    "all weights dropped": ({"weight_drop": 1.0}, "weight_drop must be in 0 … 1, 1 excluded; got"),
    "weight drop as a flag": ({"weight_drop": True}, "weight_drop must be in 0 … 1, 1 excluded"),
    "peephole as a number": ({"peephole": 1}, "peephole must be True or False; got 1"),
    "coupled as a number": ({"coupled": 0.5}, "coupled must be True or False; got 0.5"),
    "layer norm in words": ({"layer_norm": "yes"}, "layer_norm must be True or False; got 'yes'"),
    "hard sigmoid of None": ({"hard_sigmoid": None}, "hard_sigmoid must be True or False; got No"),
}


@pytest.mark.parametrize("call", BAD)
def test_bad_call_is_explained_in_three_sentences(call: str) -> None:
    options, message = BAD[call]
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        build(**options)
    assert re.fullmatch(r"LSTM: .+ must .+; got .+\. .+[.?]", str(caught.value))


@pytest.mark.parametrize("form", FORMS)
def test_torchs_backend_says_why_it_cannot_run_a_variant(form: str) -> None:
    options, _ = FORMS[form]
    layer = build(**options, backend="torch")
    if layer.variant == PLAIN:  # weights are dropped before any backend sees them
        assert layer(draw())[0].shape == (T, B, H)
        return
    with pytest.raises(
        CellstateError, match=f"torch's LSTM has no {re.escape(str(layer.variant))}"
    ):
        layer(draw())


@pytest.mark.parametrize("form", FORMS)
def test_a_cell_that_differs_in_evaluation_is_not_quantized(form: str) -> None:
    options, _ = FORMS[form]
    layer = LSTM(I, H, **options)
    if form in ("recurrent dropout", "weight drop"):  # which evaluation knows nothing of
        x = torch.randn(T, B, I)
        with torch.no_grad():
            small, expected = layer.eval().quantize("bf16")(x)[0], layer(x)[0]
        torch.testing.assert_close(small, expected, rtol=0, atol=0.02)
        return
    with pytest.raises(InputError, match="must be one of plain cells; got") as caught:
        layer.quantize("int8")
    assert str(layer.variant) in str(caught.value)


@pytest.mark.parametrize("options", [{"peephole": True}, {"coupled": True}, {"layer_norm": True}])
@pytest.mark.parametrize("more", [{}, {"learn_initial_state": True}])
def test_torchs_weights_do_not_become_a_layer_that_has_others(
    options: dict[str, Any], more: dict[str, Any]
) -> None:
    with pytest.raises(InputError, match="must leave the layer torch's weights; got"):
        from_torch(torch.nn.LSTM(I, H), **options, **more)


def test_torchs_weights_may_be_trained_on_with_noise() -> None:
    theirs = torch.nn.LSTM(I, H)
    ours, x = from_torch(theirs, recurrent_dropout=0.5, weight_drop=0.1), torch.randn(T, B, I)
    assert not torch.allclose(ours(x)[0], theirs(x)[0], atol=1e-3)
    torch.testing.assert_close(ours.eval()(x)[0], theirs(x)[0], rtol=1e-5, atol=1e-6)
