import pytest
import torch
from torch.nn.functional import cross_entropy, linear

from cellstate.nn import token_loss as module
from cellstate.nn.token_loss import token_loss


def given(rows=7, features=5, vocabulary=11, dtype=torch.float64):
    torch.manual_seed(1)
    x = torch.randn(rows, features, dtype=dtype, requires_grad=True)
    weight = torch.randn(vocabulary, features, dtype=dtype, requires_grad=True)
    bias = torch.randn(vocabulary, dtype=dtype, requires_grad=True)
    return x, weight, bias, torch.randint(vocabulary, (rows,))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("at_once", [1, 25, 1 << 20])
def test_loss_and_gradients_are_those_of_torch_whatever_the_size_of_the_parts(
    smoothing, at_once, monkeypatch
):
    monkeypatch.setattr(module, "NUMBERS_AT_ONCE", at_once)
    x, weight, bias, target = given()
    loss = 3.0 * token_loss(x, weight, bias, target, smoothing)
    expected = 3.0 * cross_entropy(linear(x, weight, bias), target, label_smoothing=smoothing)
    torch.testing.assert_close(loss, expected)
    grads = torch.autograd.grad(loss, (x, weight, bias))
    torch.testing.assert_close(grads, torch.autograd.grad(expected, (x, weight, bias)))


def test_large_logits_stay_finite():
    x, weight, bias, target = given(dtype=torch.float32)
    loss = token_loss(1e4 * x, weight, bias, target, 0.1)
    loss.backward()
    assert bool(torch.isfinite(loss))
    assert bool(torch.isfinite(weight.grad).all())


def test_without_gradients_nothing_is_kept():
    x, weight, bias, target = given()
    with torch.no_grad():
        assert token_loss(x, weight, bias, target).grad_fn is None
    frozen = token_loss(x.detach(), weight.detach(), bias.detach(), target)
    assert not frozen.requires_grad


def test_only_what_needs_a_gradient_gets_one():
    x, weight, bias, target = given()
    token_loss(x.detach(), weight, bias.detach(), target).backward()
    assert weight.grad is not None
    assert x.grad is None


def test_no_tokens_cost_nothing():
    x, weight, bias, target = given(rows=0)
    assert token_loss(x, weight, bias, target).item() == 0.0
