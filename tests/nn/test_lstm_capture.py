"""The layer in graphs: `torch.compile` and `torch.export`."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.export import Dim, export
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils import _pytree

from cellstate.errors import InputError
from cellstate.nn import LSTM
from cellstate.ops import LSTMState, LSTMTrace

T, B, I, H = 5, 3, 4, 6
STACK: dict[str, Any] = {"num_layers": 2, "bidirectional": True}


@pytest.fixture(autouse=True)
def _compile_anew() -> Iterator[None]:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def build(**options: Any) -> LSTM:
    torch.manual_seed(0)
    return LSTM(I, H, **options)


def sample(*sizes: int, seed: int = 0) -> Tensor:
    return torch.randn(sizes or (T, B, I), generator=torch.Generator().manual_seed(seed))


def captured(run: Any, backend: Any = "aot_eager", **options: Any) -> Any:
    return torch.compile(run, backend=backend, fullgraph=True, **options)


def everything(
    run: Callable[..., Any], layer: nn.Module, *given: Any, **named: Any
) -> list[Tensor]:
    """Give results and the gradients of input, state and parameters."""
    tensors = [t for t in _pytree.tree_leaves(given) if isinstance(t, Tensor)]
    fresh = [t.clone().requires_grad_() for t in tensors]
    torch.manual_seed(3)
    results = _pytree.tree_leaves(
        run(*_pytree.tree_unflatten(fresh, _pytree.tree_structure(given)), **named)
    )
    total = torch.stack([(t.double() ** 2).sum() for t in results]).sum()
    wanted = [*fresh, *layer.parameters()]
    return [*results, *torch.autograd.grad(total, wanted, allow_unused=True)]


def assert_equal(found: list[Tensor], expected: list[Tensor]) -> None:
    for mine, other in zip(found, expected, strict=True):
        assert mine is other or torch.equal(mine, other)


STATE = (sample(1, B, H, seed=1), sample(1, B, H, seed=2))
LENGTHS, RESET = torch.tensor([5, 0, 2]), sample(T, B, seed=4) > 0.3
CALLS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({}, {"hx": STATE}),
    ({}, {"lengths": LENGTHS}),
    ({}, {"lengths": [5, 0, 2]}),
    ({}, {"reset": RESET}),
    ({}, {"trace": True}),
    ({**STACK}, {"trace": True, "reset": RESET, "lengths": LENGTHS}),
    ({**STACK, "learn_initial_state": True}, {"reset": RESET}),
    ({**STACK, "proj_size": 3}, {"lengths": LENGTHS}),
    ({**STACK, "dropout": 0.5}, {"trace": True}),
    ({"batch_first": True}, {"reset": RESET.T.contiguous()}),
    ({"bias": False, "forget_bias": None}, {}),
    ({"recompute": True}, {"lengths": LENGTHS}),
    ({**STACK, "recompute": "sqrt"}, {}),
    ({"backend": "torch"}, {"lengths": LENGTHS}),
    ({"backend": "reference"}, {"reset": RESET}),
]


@pytest.mark.parametrize(("options", "call"), CALLS, ids=str)
def test_a_compiled_layer_gives_results_and_gradients_of_an_eager_one(
    options: dict[str, Any], call: dict[str, Any]
) -> None:
    layer, x = build(**options), sample()
    x = x.transpose(0, 1) if layer.batch_first else x
    given = (x, call["hx"]) if "hx" in call else (x,)
    named = {name: value for name, value in call.items() if name != "hx"}
    expected = everything(layer, layer, *given, **named)
    assert_equal(everything(captured(layer), layer, *given, **named), expected)


def test_without_gradient_nothing_is_kept_for_a_backward_pass() -> None:
    layer, counter = build(**STACK), CompileCounterWithBackend("aot_eager")
    with torch.inference_mode():
        found = captured(layer, counter)(sample(), lengths=LENGTHS)
        expected = layer(sample(), lengths=LENGTHS)
    assert_equal(_pytree.tree_leaves(found), _pytree.tree_leaves(expected))
    (node,) = [n for n in counter.graphs[0].graph.nodes if "cellstate.lstm" in str(n.target)]
    assert len(node.meta["example_value"]) == 3


def test_a_single_sequence_is_captured_too() -> None:
    layer, x = build(**STACK), sample(T, I)
    expected = everything(layer, layer, x, lengths=3)
    assert_equal(everything(captured(layer), layer, x, lengths=3), expected)


# The compiler itself still scripts functions when it is loaded.
@pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")
def test_a_network_around_the_layer_is_one_graph_of_the_default_compiler() -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = build(**STACK), nn.Linear(2 * H, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(torch.relu(self.body(x * 2)[0]) + 1)

    network = Network()
    expected = everything(network, network, sample())
    for mine, other in zip(
        everything(captured(network, "inductor"), network, sample()), expected, strict=True
    ):
        torch.testing.assert_close(mine, other)


def test_the_graph_does_not_grow_with_the_steps() -> None:
    counts = []
    for steps in (3, 90):
        counter = CompileCounterWithBackend("aot_eager")
        captured(build(**STACK), counter)(sample(steps, B, I))
        assert counter.frame_count == 1
        counts.append(len(counter.graphs[0].graph.nodes))
        torch.compiler.reset()
    assert counts[0] == counts[1]


@pytest.mark.parametrize("options", [{}, {**STACK, "dropout": 0.5}, {"recompute": True}], ids=str)
def test_other_sizes_compile_nothing_anew(options: dict[str, Any]) -> None:
    layer, counter = build(**options), CompileCounterWithBackend("aot_eager")
    compiled, counts = captured(layer, counter, dynamic=True), []
    for steps, rows in ((T, 7), (8, 2), (31, 11)):
        x, reset = sample(steps, rows, I), sample(steps, rows) > 1
        named = {"lengths": torch.arange(rows) % steps, "reset": reset}
        assert_equal(everything(compiled, layer, x, **named), everything(layer, layer, x, **named))
        counts.append(counter.frame_count)
    assert counts[0] == counts[-1]


def test_sizes_that_change_compile_once_more_without_being_told() -> None:
    layer, counter = build(), CompileCounterWithBackend("aot_eager")
    compiled = captured(layer, counter)
    for steps, rows in ((T, 7), (8, 2), (31, 11), (12, 9)):
        compiled(sample(steps, rows, I))
    assert counter.frame_count == 2


@pytest.mark.parametrize("outside", [True, False])
def test_autocast_is_captured(outside: bool) -> None:
    layer = build(**STACK)

    def run(x: Tensor) -> Any:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=not outside):
            return layer(x)

    # Around the call, or a part of what is compiled.
    module = layer if outside else run
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=outside):
        expected = everything(module, layer, sample())
        found = everything(captured(module), layer, sample())
    assert found[0].dtype == torch.bfloat16
    assert_equal(found, expected)


@pytest.mark.parametrize("wrong", [6, -1])
def test_a_wrong_length_is_refused_when_the_graph_runs(wrong: int) -> None:
    layer = build()
    compiled = captured(layer)
    compiled(sample(), lengths=LENGTHS)
    messages = []
    for run in (layer, compiled):
        with pytest.raises(InputError) as caught:
            run(sample(), lengths=torch.tensor([5, wrong, 2]))
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert f"each in 0 … 5 (the time steps); got a length of {wrong}. Count" in messages[0]


def test_a_packed_sequence_breaks_the_graph_and_computes_the_same() -> None:
    layer = build(**STACK)
    packed = pack_padded_sequence(sample(), torch.tensor([5, 1, 2]), enforce_sorted=False)
    y, state = torch.compile(layer, backend="aot_eager")(packed)
    expected, after = layer(packed)
    assert torch.equal(y.data, expected.data)
    assert torch.equal(state.c, after.c)


# The compiler looks at each input's grad and hides the warning, but not from a filter of errors.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
def test_per_sample_gradients_are_compiled() -> None:
    layer, x = build(), sample(B, T, I)
    parameters = dict(layer.named_parameters())

    def loss(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        return torch.func.functional_call(layer, parameters, (x,))[0].square().sum()

    run = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))
    found = captured(run)(parameters, x)
    for name, value in run(parameters, x).items():
        torch.testing.assert_close(found[name], value)


class Tagger(nn.Module):
    """A network whose layer is to be exported with it."""

    def __init__(self) -> None:
        super().__init__()
        self.body = build(**STACK, learn_initial_state=True, batch_first=True)
        self.head = nn.Linear(2 * H, 2)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        return self.head(self.body(x, lengths=lengths)[0])


@pytest.mark.parametrize("strict", [False, True])
def test_an_exported_network_runs_at_other_sizes(strict: bool) -> None:
    network, rows, steps = Tagger(), Dim("rows"), Dim("steps")
    program = export(
        network,
        (sample(B, T, I), LENGTHS),
        dynamic_shapes=({0: rows, 1: steps}, {0: rows}),
        strict=strict,
    )
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    loaded = torch.export.load(file).module()
    for shape in ((1, 1), (2, 9), (8, 40)):
        x, lengths = sample(*shape, I), torch.arange(shape[0]) % shape[1]
        assert torch.equal(loaded(x, lengths), network(x, lengths))
    with pytest.raises(InputError, match=r"each in 0 … 9 .* got a length of 12"):
        loaded(sample(2, 9, I), torch.tensor([12, 9]))
    nodes = [n for n in program.graph.nodes if "cellstate.lstm" in str(n.target)]
    assert len(nodes) == 1


def test_an_exported_network_can_be_trained_on() -> None:
    network = Tagger()
    program = export(network, (sample(B, T, I), LENGTHS)).module()
    for module in (network, program):
        module(sample(B, T, I), LENGTHS).square().sum().backward()
    theirs = dict(program.named_parameters())
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(theirs[name].grad, parameter.grad)


def test_an_exported_layer_answers_with_the_types_of_the_layer() -> None:
    file = io.BytesIO()
    torch.export.save(export(build(), (sample(),), {"trace": True}), file)
    file.seek(0)
    y, state, trace = torch.export.load(file).module()(sample(), trace=True)
    assert isinstance(state, LSTMState)
    assert isinstance(trace, LSTMTrace)
    assert_equal([y, *state, *trace], _pytree.tree_leaves(build()(sample(), trace=True)))
