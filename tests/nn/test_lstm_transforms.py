"""The layer under torch's transforms: vmap, forward-mode AD, derivatives of derivatives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.func import functional_call, grad, hessian, jacrev, jvp, vmap

from cellstate.nn import LSTM

# Forward-mode AD loads torch's decompositions, which torch still scripts.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")

T, B, I, H = 5, 3, 2, 4
KINDS: list[dict[str, Any]] = [
    {},
    {"num_layers": 2, "bidirectional": True, "batch_first": True},
    {"proj_size": 3, "bias": False},
    {"learn_initial_state": True},
]


def build(**options: Any) -> LSTM:
    torch.manual_seed(0)
    return LSTM(I, H, dtype=torch.float64, **options)


def sample(*sizes: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(sizes, dtype=torch.float64, generator=generator)


def loss(layer: LSTM, parameters: dict[str, Tensor], x: Tensor, **options: Any) -> Tensor:
    y, (_, c) = functional_call(layer, parameters, (x,), options)
    return y.square().sum() + c.sin().sum()


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_gradients_of_each_sample_are_those_of_a_loop_over_samples(options: dict[str, Any]) -> None:
    layer, x = build(**options), sample(6, T, I)
    parameters = dict(layer.named_parameters())
    each = vmap(grad(lambda p, row: loss(layer, p, row)), in_dims=(None, 0))(parameters, x)
    for k, row in enumerate(x):
        layer.zero_grad()
        loss(layer, parameters, row).backward()
        for name, parameter in layer.named_parameters():
            torch.testing.assert_close(each[name][k], parameter.grad)


def test_lengths_and_resets_may_be_batched_too() -> None:
    layer, x = build(num_layers=2), sample(B, T, I)
    lengths, reset = torch.tensor([5, 0, 3]), sample(B, T) > 0.5
    found = vmap(lambda row, n, mask: layer(row[:, None], lengths=n[None], reset=mask[:, None])[0])(
        x, lengths, reset
    )
    for row, n, mask, y in zip(x, lengths, reset, found, strict=True):
        torch.testing.assert_close(y, layer(row[:, None], lengths=[n], reset=mask[:, None])[0])
    with pytest.raises(ValueError, match=r"each in 0 … 5 .* got a length of 6"):
        vmap(lambda row, n: layer(row[:, None], lengths=n[None])[0])(x, lengths + 1)


def test_layers_may_be_stacked_into_an_ensemble() -> None:
    layers = [LSTM(I, H) for _ in range(3)]
    parameters, _ = torch.func.stack_module_state(list(layers))
    x = torch.randn(T, B, I)
    found = vmap(lambda p: functional_call(layers[0], p, (x,))[0])(parameters)
    for y, layer in zip(found, layers, strict=True):
        torch.testing.assert_close(y, layer(x)[0])


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_forward_mode_gives_the_product_with_the_jacobian(options: dict[str, Any]) -> None:
    layer, x, tangent = build(**options), sample(T, B, I), sample(T, B, I).cos()
    run = lambda x: layer(x)[0]  # noqa: E731
    expected = torch.tensordot(jacrev(run)(x), tangent, dims=3)
    _, product = jvp(run, (x,), (tangent,))
    torch.testing.assert_close(product, expected)
    with forward_ad.dual_level():
        y = run(forward_ad.make_dual(x, tangent))
        torch.testing.assert_close(forward_ad.unpack_dual(y).tangent, expected)


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_second_derivatives_are_those_of_finite_differences(options: dict[str, Any]) -> None:
    layer = build(**options)
    names, parameters = zip(*layer.named_parameters(), strict=True)

    def run(x: Tensor, *parameters: Tensor) -> Tensor:
        return functional_call(layer, dict(zip(names, parameters, strict=True)), (x,))[0]

    inputs = (sample(T, B, I).requires_grad_(), *parameters)
    assert torch.autograd.gradgradcheck(run, inputs, fast_mode=True)


def test_a_hessian_is_symmetric_and_that_of_backward_twice() -> None:
    layer, x = build(), sample(2, 1, I)
    matrix = hessian(lambda x: loss(layer, dict(layer.named_parameters()), x))(x)
    matrix = matrix.reshape(x.numel(), x.numel())
    torch.testing.assert_close(matrix, matrix.T)
    x.requires_grad_()
    (first,) = torch.autograd.grad(
        loss(layer, dict(layer.named_parameters()), x), x, create_graph=True
    )
    rows = [torch.autograd.grad(g, x, retain_graph=True)[0].flatten() for g in first.flatten()]
    torch.testing.assert_close(torch.stack(rows), matrix)
