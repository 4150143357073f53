"""The layer among torch's tools: copies, files, replicas, functional calls."""

from __future__ import annotations

import copy
import io
import pickle

import torch

from cellstate.nn import LSTM

X = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0))


def build() -> LSTM:
    torch.manual_seed(0)
    return LSTM(4, 6, num_layers=2, bidirectional=True, learn_initial_state=True)


def test_a_deep_copy_computes_the_same_with_parameters_of_its_own() -> None:
    layer = build()
    layer(X)  # by now its weights are packed for the kernels
    twin = copy.deepcopy(layer)
    assert torch.equal(twin(X)[0], layer(X)[0])
    with torch.no_grad():
        twin.weight_hh_l1.zero_()
    assert not torch.equal(twin(X)[0], layer(X)[0])


def test_a_saved_module_comes_back_whole() -> None:
    layer = build()
    layer(X)
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    assert torch.equal(torch.load(file, weights_only=False)(X)[0], layer(X)[0])
    assert torch.equal(pickle.loads(pickle.dumps(layer))(X)[0], layer(X)[0])


def test_parameters_may_be_replaced_at_any_time() -> None:
    layer, other = build(), LSTM(4, 6, num_layers=2, bidirectional=True, learn_initial_state=True)
    expected = other(X)[0]
    parameters = dict(other.named_parameters())
    assert torch.equal(torch.func.functional_call(layer, parameters, (X,))[0], expected)
    for name, parameter in parameters.items():
        setattr(layer, name, parameter)
    assert torch.equal(layer(X)[0], expected)


def test_a_weight_that_is_computed_from_others_is_used() -> None:
    layer = build()
    torch.nn.utils.parametrizations.weight_norm(layer, "weight_hh_l0")
    layer.flatten_parameters()
    y, _ = layer(X)
    torch.testing.assert_close(y, build()(X)[0])
    y.sum().backward()
    assert layer.parametrizations["weight_hh_l0"].original1.grad is not None


def test_replicas_as_of_data_parallel_compute_the_same() -> None:
    layer = build()
    replica = layer._replicate_for_data_parallel()  # all of `replicate` that needs no second device
    replica._parameters = {}
    for name, parameter in layer.named_parameters():
        setattr(replica, name, parameter.clone())  # plain tensors, no parameters
    y, _ = replica(X)
    assert torch.equal(y, layer(X)[0])
    y.sum().backward()
    assert layer.weight_hh_l1_reverse.grad is not None


def test_data_parallel_without_devices_passes_through() -> None:
    layer = build()
    y, _ = torch.nn.DataParallel(layer, dim=1)(X, lengths=[5, 0, 2])
    assert torch.equal(y, layer(X, lengths=[5, 0, 2])[0])


def test_distributed_training_of_one_process_gives_the_same_gradients() -> None:
    layer, alone = build(), build()
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        parallel = torch.nn.parallel.DistributedDataParallel(layer)
        for module in (parallel, alone):
            y, (_, c) = module(X, lengths=[5, 0, 2])
            (y.sum() + c.square().sum()).backward()
    finally:
        torch.distributed.destroy_process_group()
    for mine, other in zip(layer.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad)


def test_gradients_are_those_of_finite_differences() -> None:
    layer = LSTM(2, 3, proj_size=2, dtype=torch.float64)
    x = torch.randn(3, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: layer(x, lengths=[3, 1])[0], x)


def test_it_trains() -> None:
    torch.manual_seed(0)
    layer, head = LSTM(1, 16), torch.nn.Linear(16, 1)
    optimizer = torch.optim.Adam([*layer.parameters(), *head.parameters()], lr=0.02)
    x = torch.randn(12, 32, 1)
    target = x[0]  # to be remembered over eleven steps
    for _ in range(80):
        loss = (head(layer(x)[1].h[-1]) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.2
