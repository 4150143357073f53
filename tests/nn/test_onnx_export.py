"""The ONNX form gives the layer's numbers, in ONNX Runtime and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from cellstate.errors import ArgumentTypeError, ExportError, InputError
from cellstate.nn import LSTM, from_onnx
from cellstate.nn.onnx_export import compare, to_onnx

FORMS: list[dict[str, Any]] = [
    {},
    {"num_layers": 3},
    {"bidirectional": True, "num_layers": 2},
    {"bias": False},
    {"batch_first": True},
    {"learn_initial_state": True},
    {"peephole": True},
    {"peephole": True, "bias": False, "bidirectional": True, "num_layers": 2},
    {"coupled": True},
    {"coupled": True, "peephole": True, "bidirectional": True, "num_layers": 2},
    {"coupled": True, "hard_sigmoid": True, "bias": False},
    {"hard_sigmoid": True, "bidirectional": True},
    {"peephole": True, "coupled": True, "hard_sigmoid": True, "batch_first": True},
    {"recurrent_dropout": 0.5, "recurrent_dropout_at": "candidate", "weight_drop": 0.5},
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


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"peephole": True},
        {"coupled": True, "peephole": True},
        {"coupled": True, "hard_sigmoid": True},
    ],
    ids=str,
)
def test_large_numbers_stay_equal_too(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    layer = LSTM(4, 6, **options)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter *= 6  # gates open and close
    assert compare(layer, to_onnx(layer, lengths=True), lengths=True) <= 2e-4


@pytest.mark.parametrize(
    ("variant", "attributes", "arrays"),
    [
        ({}, [], 3),
        ({"peephole": True}, [], 4),
        ({"coupled": True}, [], 3),
        ({"hard_sigmoid": True}, ["activation_alpha", "activation_beta", "activations"], 3),
        ({"recurrent_dropout": 0.5}, [], 3),
    ],
    ids=str,
)
def test_a_variant_is_what_the_operator_calls_it(
    variant: dict[str, Any], attributes: list[str], arrays: int
) -> None:
    model = to_onnx(LSTM(5, 7, **variant), check=False)
    node = next(node for node in model.graph.node if node.op_type == "LSTM")
    found = sorted(attribute.name for attribute in node.attribute)
    assert found == sorted([*attributes, "direction", "hidden_size"])
    constants = {one.name for one in model.graph.initializer}
    assert len(constants & set(node.input)) == arrays


def test_coupled_gates_come_back_as_two_of_their_own() -> None:
    layer, x = LSTM(5, 7, 2, coupled=True, bidirectional=True), torch.randn(4, 3, 5)
    back = from_onnx(to_onnx(layer))
    assert back.weight_ih_l0.shape == (28, 5)
    torch.testing.assert_close(back(x)[0], layer(x)[0], rtol=1e-5, atol=1e-6)


def test_a_layer_of_other_weights_is_told_apart() -> None:
    model = to_onnx(LSTM(5, 7))
    with pytest.raises(ExportError, match="must equal the original's; got a difference of"):
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


BAD_CALLS = {
    "a torch layer": (lambda: to_onnx(torch.nn.LSTM(2, 3)), ArgumentTypeError, "cellstate.nn.LSTM"),  # type: ignore[arg-type]
    "a projection": (lambda: to_onnx(LSTM(2, 3, proj_size=1)), InputError, "proj_size=1"),
    "layer norm": (
        lambda: to_onnx(LSTM(2, 3, layer_norm=True, peephole=True)),
        InputError,
        "must have no layer norm, .* got layer_norm=True. Build",
    ),
    "a clip": (lambda: to_onnx(LSTM(2, 3, cell_clip=1.0)), InputError, "got cell_clip=1.0. Build"),
    "zoneout": (
        lambda: to_onnx(LSTM(2, 3, zoneout=(0.1, 0.2), recurrent_dropout=0.5), check=False),
        InputError,
        "got zoneout_c=0.1, zoneout_h=0.2. Build",
    ),
    "half precision": (lambda: to_onnx(LSTM(2, 3).half()), InputError, "torch.float16"),
    "double precision": (lambda: to_onnx(LSTM(2, 3).double()), InputError, "torch.float64"),
    "both forms": (
        lambda: to_onnx(LSTM(2, 3), lengths=True, single_step=True),
        InputError,
        "a single step has no lengths",
    ),
}


@pytest.mark.parametrize("call", BAD_CALLS)
def test_bad_call_is_explained(call: str) -> None:
    attempt, error, message = BAD_CALLS[call]
    with pytest.raises(error, match=message):
        attempt()
