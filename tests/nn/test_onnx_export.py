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
from cellstate.nn import LSTM
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
