"""LSTM nodes of an ONNX model come back as the layer that computes what they compute."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from cellstate.errors import InputError
from cellstate.nn import LSTM, from_onnx, from_torch, to_onnx

FORMS: list[dict[str, Any]] = [
    {},
    {"bias": False},
    {"bidirectional": True},
    {"num_layers": 3},
    {"num_layers": 2, "bidirectional": True},
    {"num_layers": 2, "bidirectional": True, "bias": False},
]
VARIANTS: list[dict[str, Any]] = [
    {"peephole": True},
    {"peephole": True, "bias": False, "num_layers": 2},
    {"hard_sigmoid": True, "bidirectional": True},
    {"peephole": True, "hard_sigmoid": True, "bidirectional": True, "num_layers": 2},
]


@pytest.mark.parametrize("options", [*FORMS, *VARIANTS])
def test_a_layer_comes_back_from_its_nodes(options: dict[str, Any], tmp_path: Path) -> None:
    layer = LSTM(4, 6, **options)
    to_onnx(layer, tmp_path / "layer.onnx", check=False)
    again = from_onnx(tmp_path / "layer.onnx")
    assert again.variant == layer.variant
    assert again.state_dict().keys() == layer.state_dict().keys()
    for name, value in layer.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


class Model(torch.nn.Module):
    """A torch layer as it stands in others' models, here with a head after it."""

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__()
        self.body = torch.nn.LSTM(3, 4, **options)
        self.head = torch.nn.Linear(8 if self.body.bidirectional else 4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x)[0])


@pytest.mark.parametrize("options", [*FORMS, {"num_layers": 2, "batch_first": True}])
def test_a_graph_that_torch_has_exported_gives_torch_s_layer(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = Model(options).eval()
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter: deprecated, and the batch is fixed
        torch.onnx.export(model, (torch.randn(5, 2, 3),), file, dynamo=False)
    layer = from_onnx(onnx.load_from_string(file.getvalue()))
    x = torch.randn(7, 2, 3)
    with torch.no_grad():
        expected = from_torch(model.body)(x.swapaxes(0, 1) if model.body.batch_first else x)[0]
    if model.body.batch_first:
        expected = expected.swapaxes(0, 1)
    torch.testing.assert_close(layer(x)[0].detach(), expected)


@pytest.mark.parametrize("directions", [1, 2])
def test_a_graph_of_another_maker_gives_onnx_runtime_s_numbers(directions: int) -> None:
    model = handmade(directions=directions, layers=3)
    x = np.random.default_rng(1).standard_normal((5, 2, 3)).astype(np.float32)
    (expected,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    y, _ = from_onnx(model)(torch.from_numpy(x))
    np.testing.assert_allclose(y.detach().numpy(), expected, atol=1e-6)


def test_one_of_several_nodes_is_taken_by_name() -> None:
    model = handmade(directions=1, layers=2, between="Relu")
    layer = from_onnx(model, "lstm1")
    assert (layer.input_size, layer.num_layers) == (4, 1)


def handmade(
    *,
    directions: int = 1,
    layers: int = 2,
    between: str = "",
    units: tuple[int, ...] = (4, 4, 4),
    perm: tuple[int, ...] = (0, 2, 1, 3),
    state_from_before: bool = False,
) -> onnx.ModelProto:
    """Make a stack whose outputs are flattened by a Transpose and a Reshape."""
    rng = np.random.default_rng(0)
    nodes: list[Any] = []
    constants = [numpy_helper.from_array(np.array([0, 0, -1]), "flat")]
    x, inputs = "x", 3
    for k in range(layers):
        H = units[k]
        shapes = {"W": (4 * H, inputs), "R": (4 * H, H), "B": (8 * H,)}
        for name, shape in shapes.items():
            values = rng.uniform(-0.5, 0.5, (directions, *shape)).astype(np.float32)
            constants.append(numpy_helper.from_array(values, f"{name}{k}"))
        state = ["", f"H{k - 1}", f"C{k - 1}"] if state_from_before and k else []
        nodes.append(
            helper.make_node(
                "LSTM",
                [x, f"W{k}", f"R{k}", f"B{k}", *state],
                [f"Y{k}", f"H{k}", f"C{k}"],
                name=f"lstm{k}",
                hidden_size=H,
                direction="bidirectional" if directions == 2 else "forward",
            )
        )
        nodes.append(helper.make_node("Transpose", [f"Y{k}"], [f"rows{k}"], perm=perm))
        nodes.append(helper.make_node("Reshape", [f"rows{k}", "flat"], [f"y{k}"]))
        x, inputs = f"y{k}", directions * H
        if between:
            nodes.append(helper.make_node(between, [x], [f"z{k}"]))
            x = f"z{k}"
    kind = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "handmade",
        [helper.make_tensor_value_info("x", kind, ["time", "batch", 3])],
        [helper.make_tensor_value_info(x, kind, ["time", "batch", inputs])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def side_by_side() -> onnx.ModelProto:
    model = handmade(units=(3, 3))
    model.graph.node[3].input[0] = "x"
    return model


def changed(**attributes: Any) -> onnx.ModelProto:
    model = to_onnx(LSTM(2, 3), check=False)
    node = next(one for one in model.graph.node if one.op_type == "LSTM")
    node.attribute.extend(onnx.helper.make_attribute(n, v) for n, v in attributes.items())
    return model


def one_hard() -> onnx.ModelProto:
    model = to_onnx(LSTM(2, 3, 2, hard_sigmoid=True), check=False)
    node = next(one for one in model.graph.node if one.op_type == "LSTM")
    del node.attribute[:]
    node.attribute.append(onnx.helper.make_attribute("hidden_size", 3))
    return model


def computed_weights() -> onnx.ModelProto:
    model = handmade()
    model.graph.initializer[1].name = "other"
    return model


BAD_CALLS = {
    "no such node": (lambda: from_onnx(handmade(), "memory"), "node='memory' and LSTM nodes"),
    "a name nearly right": (lambda: from_onnx(handmade(), "lstm"), "Did you mean 'lstm"),
    "no LSTM": (lambda: from_onnx(handmade(layers=0)), "Pass a model with such a node"),
    "an operator between": (
        lambda: from_onnx(handmade(between="Relu")),
        "got another operator than a change of axes, or none, between 'lstm0' and 'lstm1'. Pass n",
    ),
    "side by side": (lambda: from_onnx(side_by_side()), "between 'lstm0' and 'lstm1'"),
    "other sizes": (lambda: from_onnx(handmade(units=(4, 5))), "got R .1, 16, 4. and .1, 20, 5."),
    "other axes": (
        lambda: from_onnx(handmade(directions=2, perm=(2, 0, 1, 3))),
        "got Transpose, Reshape between",
    ),
    "a state handed on": (
        lambda: from_onnx(handmade(state_from_before=True)),
        "an initial state of 'lstm1' that another node puts out",
    ),
    "computed weights": (lambda: from_onnx(computed_weights()), "got W computed by the graph"),
    "coupled gates": (lambda: from_onnx(changed(input_forget=1)), "got coupled gates"),
    "clipping": (lambda: from_onnx(changed(clip=3.0)), "got clipping"),
    "other activations": (
        lambda: from_onnx(changed(activations=["Sigmoid", "Relu", "Tanh"])),
        "got other activations",
    ),
    "another slope": (
        lambda: from_onnx(changed(activations=["HardSigmoid", "Tanh", "Tanh"])),
        "whose equations the layer has; got other activations",
    ),
    "a variant in one alone": (
        lambda: from_onnx(one_hard()),
        "or a bias, peepholes or another activation in one alone",
    ),
}


@pytest.mark.parametrize("call", BAD_CALLS)
def test_bad_call_is_explained(call: str) -> None:
    attempt, message = BAD_CALLS[call]
    with pytest.raises(InputError, match=message):
        attempt()
