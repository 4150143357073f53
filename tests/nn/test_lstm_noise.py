"""What the layer draws in training: when, from which seed, and which connections it touches."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from cellstate.nn import LSTM

T, B, I, H = 7, 8, 3, 16
NOISY: dict[str, dict[str, Any]] = {
    "dropout of h": {"recurrent_dropout": 0.5},
    "dropout of the candidate": {"recurrent_dropout": 0.5, "recurrent_dropout_at": "candidate"},
    "weight drop": {"weight_drop": 0.5},
    "zoneout of c": {"zoneout": (0.5, 0.0)},
    "zoneout of h": {"zoneout": (0.0, 0.5)},
    "all": {
        "recurrent_dropout": 0.3,
        "weight_drop": 0.2,
        "zoneout": (0.2, 0.1),
        "peephole": True,
        "layer_norm": True,
        "proj_size": 5,
    },
}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def build(**options: Any) -> LSTM:
    return LSTM(I, H, **{"dtype": torch.float64, **options})


def draw(steps: int = T) -> Tensor:
    return torch.randn(steps, B, I, dtype=torch.float64)


def plain_twin(layer: LSTM) -> LSTM:
    twin = build()
    twin.load_state_dict(layer.state_dict())
    return twin


@pytest.mark.parametrize("kind", NOISY)
def test_masks_follow_torchs_seed_in_training(kind: str) -> None:
    layer, x = build(**NOISY[kind], num_layers=2, bidirectional=True), draw()
    torch.manual_seed(5)
    first, second = layer(x)[0], layer(x)[0]
    torch.manual_seed(5)
    assert torch.equal(layer(x)[0], first)
    assert not torch.allclose(first, second)
    torch.manual_seed(6)
    assert not torch.allclose(layer(x)[0], first)


@pytest.mark.parametrize("kind", NOISY)
def test_evaluation_draws_nothing_and_leaves_the_generator_alone(kind: str) -> None:
    layer, x = build(**NOISY[kind], num_layers=2).eval(), draw()
    before = torch.get_rng_state()
    assert torch.equal(layer(x)[0], layer(x)[0])
    assert torch.equal(torch.get_rng_state(), before)


def test_a_plain_layer_leaves_the_generator_alone_in_training() -> None:
    layer, x = build(peephole=True), draw()
    before = torch.get_rng_state()
    layer(x)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("kind", ["dropout of h", "dropout of the candidate", "weight drop"])
def test_evaluation_with_dropout_is_the_plain_layer(kind: str) -> None:
    layer, x = build(**NOISY[kind]).eval(), draw()
    torch.testing.assert_close(layer(x)[0], plain_twin(layer)(x)[0], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", NOISY)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_results_and_gradients_are_the_same_bits_with_one_thread_or_two(
    kind: str, dtype: torch.dtype
) -> None:
    layer = LSTM(96, 80, dtype=dtype, **NOISY[kind])
    x = torch.randn(20, 33, 96, dtype=dtype)
    before = torch.get_num_threads()
    found: list[list[Tensor]] = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            torch.manual_seed(2)
            layer.zero_grad()
            y, state = layer(x)
            y.square().sum().backward()
            found.append([y, *state, *(p.grad for p in layer.parameters() if p.grad is not None)])
    finally:
        torch.set_num_threads(before)
    for one, two in zip(*found, strict=True):
        assert torch.equal(one, two)


def test_recurrent_dropout_drops_the_same_entries_of_h_at_every_step() -> None:
    layer = build(recurrent_dropout=0.5)
    x, h = draw(), torch.ones(1, B, H, dtype=torch.float64, requires_grad=True)
    c = torch.zeros(1, B, H, dtype=torch.float64)
    _, _, trace = layer(x, (h, c), trace=True)
    trace.f[0, 0, 0].sum().backward()  # the first step's gates see h through the mask alone
    assert h.grad is not None
    kept = (h.grad[0] != 0).double() / 0.5
    assert 0.35 < float((kept == 0).double().mean()) < 0.65
    # With that mask at every step the plain equations give the trace back.
    now_h, now_c = h.detach()[0], c[0]
    weights = (
        layer.get_parameter("weight_ih_l0"),
        layer.get_parameter("weight_hh_l0"),
        layer.get_parameter("bias_ih_l0"),
        layer.get_parameter("bias_hh_l0"),
    )
    w_ih, w_hh, b_ih, b_hh = (w.detach() for w in weights)
    for t in range(T):
        i, f, g, o = (x[t] @ w_ih.T + b_ih + (now_h * kept) @ w_hh.T + b_hh).chunk(4, -1)
        now_c = f.sigmoid() * now_c + i.sigmoid() * g.tanh()
        now_h = o.sigmoid() * now_c.tanh()
        torch.testing.assert_close(trace.c[0, 0, t].detach(), now_c)


def test_recurrent_dropout_of_the_candidate_keeps_memory_whole() -> None:
    layer = build(recurrent_dropout=0.5, recurrent_dropout_at="candidate")
    c = torch.randn(1, B, H, dtype=torch.float64)
    h = torch.zeros(1, B, H, dtype=torch.float64)
    _, _, trace = layer(draw(), (h, c), trace=True)
    before = torch.cat([c, trace.c[0, 0, :-1]])
    added = trace.c[0, 0] - trace.f[0, 0] * before
    factor = added / (trace.i * trace.g)[0, 0]
    kept = factor.detach().round()
    torch.testing.assert_close(factor.detach(), kept, rtol=0, atol=1e-9)
    assert set(kept.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(kept, kept[:1].expand_as(kept))  # one mask for the sequence
    assert len({tuple(row) for row in kept[0].tolist()}) == B  # and one for each row


@pytest.mark.parametrize("part", ["c", "h"])
def test_zoneout_keeps_whole_entries_and_anew_at_each_step(part: str) -> None:
    layer = build(zoneout=(0.4, 0.0) if part == "c" else (0.0, 0.4))
    x = torch.randn(60, B, I, dtype=torch.float64)
    y, _, trace = layer(x, trace=True)
    values = (trace.c[0, 0] if part == "c" else y).detach()
    same = values[1:] == values[:-1]
    count = same.numel()
    assert abs(float(same.double().mean()) - 0.4) < 5 * (0.24 / count) ** 0.5
    both = (same[1:] & same[:-1]).double().mean()  # kept twice in a row: 0.4 of 0.4
    assert abs(float(both) - 0.16) < 5 * (0.16 * 0.84 / count) ** 0.5


def test_zoneout_in_evaluation_is_the_expectation_of_one_step() -> None:
    layer = build(zoneout=(0.3, 0.6))
    x = draw(1)
    state = tuple(torch.randn(2, 1, B, H, dtype=torch.float64))
    draws = 4000
    total_h, total_c = (torch.zeros(1, B, H, dtype=torch.float64) for _ in range(2))
    with torch.no_grad():
        for _ in range(draws):
            h, c = layer(x, state)[1]
            total_h += h
            total_c += c
        h, c = layer.eval()(x, state)[1]
        new_h, new_c = plain_twin(layer)(x, state)[1]
    torch.testing.assert_close(c, 0.3 * state[1] + 0.7 * new_c)
    torch.testing.assert_close(h, 0.6 * state[0] + 0.4 * new_h)
    bound = 6 * float((new_h - state[0]).abs().max().maximum((new_c - state[1]).abs().max()))
    bound *= 0.5 / draws**0.5
    assert float((total_h / draws - h).abs().max()) < bound
    assert float((total_c / draws - c).abs().max()) < bound


@pytest.mark.parametrize("seen", ["gradients", "results"])
def test_a_dropped_weight_takes_no_part(seen: str) -> None:
    layer, x = build(weight_drop=0.4), draw()

    def run() -> Tensor:
        torch.manual_seed(1)
        return layer(x)[0]

    y = run()
    y.square().sum().backward()
    gradient = layer.get_parameter("weight_hh_l0").grad
    assert gradient is not None
    dropped = gradient == 0
    share = float(dropped.double().mean())
    assert abs(share - 0.4) < 5 * (0.24 / dropped.numel()) ** 0.5
    if seen == "gradients":
        of_inputs = layer.get_parameter("weight_ih_l0").grad
        assert of_inputs is not None
        assert of_inputs.all()
        return
    with torch.no_grad():
        layer.get_parameter("weight_hh_l0")[dropped] += 100.0
        torch.testing.assert_close(run(), y.detach(), rtol=0, atol=0)
        twin = plain_twin(layer)
        twin.get_parameter("weight_hh_l0").copy_(
            torch.where(dropped, 0, layer.get_parameter("weight_hh_l0") / 0.6)
        )
        torch.testing.assert_close(twin(x)[0], y.detach(), rtol=1e-12, atol=1e-14)


def test_layers_and_directions_have_masks_of_their_own() -> None:
    layer = LSTM(H, H, 2, bidirectional=True, weight_drop=0.5, dtype=torch.float64)
    layer(torch.randn(T, B, H, dtype=torch.float64))[0].sum().backward()
    masks = [cell[1].grad == 0 for cell in layer.all_weights]
    for k, one in enumerate(masks):
        for other in masks[k + 1 :]:
            assert 0.3 < float((one == other).double().mean()) < 0.7


@pytest.mark.parametrize("kind", NOISY)
@pytest.mark.parametrize("recompute", [True, "sqrt"])
def test_what_is_computed_again_has_the_same_masks(kind: str, recompute: Any) -> None:
    layer, x = build(**NOISY[kind]), draw(12)

    def gradients(again: Any) -> list[Tensor]:
        layer.recompute = again
        layer.zero_grad()
        torch.manual_seed(4)
        layer(x)[0].square().sum().backward()
        return [p.grad.clone() for p in layer.parameters() if p.grad is not None]

    for one, other in zip(gradients(False), gradients(recompute), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")  # by torch
@pytest.mark.parametrize("kind", NOISY)
def test_transforms_see_the_same_masks(kind: str) -> None:
    layer, x = build(**NOISY[kind]), draw()
    torch.manual_seed(8)
    leaf = x.clone().requires_grad_()
    y = layer(leaf)[0]
    y.sum().backward()

    def seeded(given: Tensor) -> Tensor:
        torch.manual_seed(8)
        return layer(given)[0]

    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x, torch.ones_like(x))
        value, tangent = torch.autograd.forward_ad.unpack_dual(seeded(dual))
    assert tangent is not None
    torch.testing.assert_close(value, y, rtol=1e-10, atol=1e-12)
    assert leaf.grad is not None
    torch.testing.assert_close(tangent.sum(), leaf.grad.sum(), rtol=1e-9, atol=1e-11)
    gradient = torch.func.grad(lambda given: seeded(given).sum())(x)
    torch.testing.assert_close(gradient, leaf.grad, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("kind", NOISY)
def test_a_captured_graph_draws_anew_in_each_call(kind: str) -> None:
    layer, x = build(**NOISY[kind]), draw()
    torch._dynamo.reset()
    captured = torch.compile(layer, fullgraph=True, backend="aot_eager")
    torch.manual_seed(8)
    found = [captured(x)[0] for _ in range(2)]
    torch.manual_seed(8)
    for one in found:
        torch.testing.assert_close(one, layer(x)[0], rtol=1e-10, atol=1e-12)
    assert not torch.allclose(*found)


@pytest.mark.parametrize("kind", NOISY)
def test_backends_draw_the_same_masks(kind: str) -> None:
    layer, x = build(**NOISY[kind], num_layers=2), draw()
    torch.testing.assert_close(
        _run_on(layer, x, "cpu"), _run_on(layer, x, "reference"), rtol=1e-10, atol=1e-12
    )


def _run_on(layer: LSTM, x: Tensor, backend: str) -> Tensor:
    layer.backend = backend
    torch.manual_seed(8)
    return layer(x)[0].detach()
