"""The ONNX form gives the layer's numbers, in ONNX Runtime and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from cellstate.errors import ArgumentTypeError, InputError
from cellstate.nn import LSTM, foreign
from cellstate.nn.onnx_export import compare, to_onnx

FORMS: list[dict[str, Any]] = [
    {},
    {"num_layers": 3},
    {"bidirectional": True, "num_layers": 2},
    {"bias": False},
    {"batch_first": True},
    {"learn_initial_state": True},
]


@pytest.mark.parametrize("options", FORMS)
@pytest.mark.parametrize("call", [{}, {"lengths": True}, {"single_step": True}])
def test_onnx_runtime_gives_the_layers_numbers(
    options: dict[str, Any], call: dict[str, bool]
) -> None:
    torch.manual_seed(0)
    layer = LSTM(5, 7, **options)
    model = to_onnx(layer, **call)
    assert [node.op_type for node in model.graph.node].count("LSTM") == layer.num_layers
    assert compare(layer, model, **call) <= 2e-5


def test_a_layer_of_other_weights_is_told_apart() -> None:
    model = to_onnx(LSTM(5, 7))
    with pytest.raises(RuntimeError, match="must equal the layer's; got a difference of"):
        compare(LSTM(5, 7), model)


def test_a_file_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_onnx(LSTM(2, 3), tmp_path / "layer.onnx")
    x, h = np.zeros((4, 1, 2), np.float32), np.zeros((1, 1, 3), np.float32)
    session = onnxruntime.InferenceSession(str(tmp_path / "layer.onnx"))
    y, h_n, _ = session.run(None, {"x": x, "h_0": h, "c_0": h})
    assert y.shape == (4, 1, 3)
    assert np.array_equal(y[-1], h_n[0])

    def fail(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(onnx, "save_model", fail)
    with pytest.raises(OSError, match="no space"):
        to_onnx(LSTM(2, 3), tmp_path / "other.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["layer.onnx"]


@pytest.mark.parametrize("options", [{}, {"bidirectional": True}, {"bias": False}])
def test_a_layer_comes_back_from_its_node(options: dict[str, Any], tmp_path: Path) -> None:
    layer = LSTM(4, 6, **options)
    to_onnx(layer, tmp_path / "layer.onnx", check=False)
    again = foreign.from_onnx(tmp_path / "layer.onnx")
    assert again.state_dict().keys() == layer.state_dict().keys()
    for name, value in layer.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


def changed(**attributes: Any) -> onnx.ModelProto:
    model = to_onnx(LSTM(2, 3), check=False)
    node = next(one for one in model.graph.node if one.op_type == "LSTM")
    node.attribute.extend(onnx.helper.make_attribute(n, v) for n, v in attributes.items())
    return model


BAD_CALLS = {
    "a torch layer": (lambda: to_onnx(torch.nn.LSTM(2, 3)), ArgumentTypeError, "cellstate.nn.LSTM"),  # type: ignore[arg-type]
    "a projection": (lambda: to_onnx(LSTM(2, 3, proj_size=1)), InputError, "proj_size=1"),
    "half precision": (lambda: to_onnx(LSTM(2, 3).half()), InputError, "torch.float16"),
    "double precision": (lambda: to_onnx(LSTM(2, 3).double()), InputError, "torch.float64"),
    "both forms": (
        lambda: to_onnx(LSTM(2, 3), lengths=True, single_step=True),
        InputError,
        "a single step has no lengths",
    ),
    "two nodes": (
        lambda: foreign.from_onnx(to_onnx(LSTM(2, 3, 2), check=False)),
        InputError,
        "one LSTM node",
    ),
    "no such node": (
        lambda: foreign.from_onnx(to_onnx(LSTM(2, 3), check=False), "memory"),
        InputError,
        "node='memory'",
    ),
    "coupled gates": (
        lambda: foreign.from_onnx(changed(input_forget=1)),
        InputError,
        "got coupled gates",
    ),
    "clipping": (lambda: foreign.from_onnx(changed(clip=3.0)), InputError, "got clipping"),
    "other activations": (
        lambda: foreign.from_onnx(changed(activations=["HardSigmoid", "Tanh", "Tanh"])),
        InputError,
        "got other activations",
    ),
}


@pytest.mark.parametrize("call", BAD_CALLS)
def test_bad_call_is_explained(call: str) -> None:
    attempt, error, message = BAD_CALLS[call]
    with pytest.raises(error, match=message):
        attempt()
