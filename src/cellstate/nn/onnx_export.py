"""The layer as ONNX: the standard `LSTM` operator itself, compared with ONNX Runtime.

The operator stacks its gates in the order i, o, f, c and has no projection; a stack of layers is
one node each. See https://onnx.ai/onnx/operators/onnx__LSTM.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cellstate.errors import ArgumentTypeError, InputError, explain
from cellstate.extras import require
from cellstate.nn.lstm import LSTM

OPSET = 17
TO_ONNX = (0, 3, 1, 2)  # from i, f, g, o to i, o, f, c
BATCHES, STEPS = (1, 2, 7), (1, 2, 33)
TOLERANCE = 2e-5


def to_onnx(
    module: LSTM,
    path: str | Path | None = None,
    *,
    lengths: bool = False,
    single_step: bool = False,
    check: bool = True,
) -> Any:
    """Write a layer as ONNX's standard `LSTM` operator.

    Inputs are ``x``, ``h_0`` and ``c_0``, and ``lengths`` if asked for; outputs ``y``, ``h_n`` and
    ``c_n``, in the shapes of the layer's own call. Time and batch are free. A learned initial state
    is not part of the graph: give it as ``h_0`` and ``c_0``.

    Parameters
    ----------
    module : LSTM
        A layer of float32 parameters, without projection.
    path : path, optional
        File to write; nothing is written unless the comparison succeeds.
    lengths : bool
        Take the valid steps of each row, int32 (batch,), as another input.
    single_step : bool
        Take one step, (batch, I) to (batch, D·H), instead of a sequence.
    check : bool
        Compare with ONNX Runtime for 1, 2 and 7 rows and 1, 2 and 33 steps.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    InputError, ArgumentTypeError
        The layer has what the operator has not, or both forms are asked for at once.
    MissingExtraError
        `onnx`, or `onnxruntime` for the comparison, is not installed.
    RuntimeError
        ONNX Runtime gives other numbers than the layer.
    """
    _check(module, lengths=lengths, single_step=single_step)
    onnx = require("onnx", extra="onnx")
    model = _model(onnx, module, lengths=lengths, single_step=single_step)
    onnx.checker.check_model(model, full_check=True)
    if check:
        compare(module, model, lengths=lengths, single_step=single_step)
    if path is not None:
        target = Path(path)
        draft = target.with_name(target.name + ".part")
        try:
            onnx.save_model(model, str(draft))
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    return model


def _check(module: LSTM, *, lengths: bool, single_step: bool) -> None:
    if not isinstance(module, LSTM):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ArgumentTypeError(
            explain(
                "to_onnx",
                "module must be a cellstate.nn.LSTM",
                type(module).__name__,
                "Convert torch's layer with from_torch",
            )
        )
    if module.proj_size:
        raise InputError(
            explain(
                "to_onnx",
                "the layer must have no projection, which ONNX's LSTM has not",
                f"proj_size={module.proj_size}",
                "Export the projection as a linear layer of its own",
            )
        )
    if (dtype := module.all_weights[0][0].dtype) != torch.float32:
        raise InputError(
            explain(
                "to_onnx",
                "parameters must be float32, the type in which ONNX Runtime has the operator",
                str(dtype),
                "Convert the layer with .float()",
            )
        )
    if lengths and single_step:
        raise InputError(
            explain("to_onnx", "a single step has no lengths", "both", "Leave one of them out")
        )


def _model(onnx: Any, module: LSTM, *, lengths: bool, single_step: bool) -> Any:
    """Build the graph."""
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    kind = helper.np_dtype_to_tensor_dtype(_array(module.all_weights[0][0]).dtype)
    D, H, L = 2 if module.bidirectional else 1, module.hidden_size, module.num_layers
    nodes: list[Any] = []
    constants: list[Any] = []

    def node(operator: str, inputs: Sequence[str], outputs: Sequence[str], **options: Any) -> None:
        nodes.append(helper.make_node(operator, list(inputs), list(outputs), **options))

    def constant(name: str, values: Any) -> str:
        constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    time_first = not module.batch_first
    x = "x"
    if single_step:
        node("Unsqueeze", [x, constant("time_axis", np.array([0]))], ["x_time_first"])
        x = "x_time_first"
    elif not time_first:
        node("Transpose", [x], ["x_time_first"], perm=[1, 0, 2])
        x = "x_time_first"
    states = {name: [f"{name}_layer{layer}" for layer in range(L)] for name in ("h_0", "c_0")}
    cuts = constant("directions", np.full(L, D))
    for name, parts in states.items():
        node("Split", [name, cuts], parts, axis=0)
    for layer in range(L):
        weights = [module.all_weights[layer * D + d] for d in range(D)]
        names = [
            constant(f"W_layer{layer}", np.stack([_gates(w[0]) for w in weights])),
            constant(f"R_layer{layer}", np.stack([_gates(w[1]) for w in weights])),
        ]
        if module.bias:
            both = [np.concatenate([_gates(w[2]), _gates(w[3])]) for w in weights]
            names.append(constant(f"B_layer{layer}", np.stack(both)))
        else:
            names.append("")
        names += ["lengths" if lengths else "", states["h_0"][layer], states["c_0"][layer]]
        outputs = [f"{name}_layer{layer}" for name in ("Y", "h_n", "c_n")]
        direction = "bidirectional" if D == 2 else "forward"
        node("LSTM", [x, *names], outputs, hidden_size=H, direction=direction)
        # (T, D, B, H) to (T, B, D·H)
        node("Transpose", [outputs[0]], [f"rows_layer{layer}"], perm=[0, 2, 1, 3])
        shape = constant(f"shape_layer{layer}", np.array([0, 0, -1]))
        x = f"y_layer{layer}"
        node("Reshape", [f"rows_layer{layer}", shape], [x])
    for name in ("h_n", "c_n"):
        node("Concat", [f"{name}_layer{layer}" for layer in range(L)], [name], axis=0)
    if single_step:
        node("Squeeze", [x, "time_axis"], ["y"])
    elif time_first:
        node("Identity", [x], ["y"])
    else:
        node("Transpose", [x], ["y"], perm=[1, 0, 2])

    lead = ["batch"] if single_step else ["time", "batch"] if time_first else ["batch", "time"]

    def value(name: str, *axes: Any) -> Any:
        return helper.make_tensor_value_info(name, kind, list(axes))

    inputs = [
        value("x", *lead, module.input_size),
        value("h_0", L * D, "batch", H),
        value("c_0", L * D, "batch", H),
    ]
    if lengths:
        integer = onnx.TensorProto.INT32
        inputs.append(helper.make_tensor_value_info("lengths", integer, ["batch"]))
    outputs = [
        value("y", *lead, D * H),
        value("h_n", L * D, "batch", H),
        value("c_n", L * D, "batch", H),
    ]
    graph = helper.make_graph(nodes, "lstm", inputs, outputs, constants)
    operators = [helper.make_opsetid("", OPSET)]
    return helper.make_model(
        graph, opset_imports=operators, ir_version=8, producer_name="cellstate"
    )


def compare(module: LSTM, model: Any, *, lengths: bool = False, single_step: bool = False) -> float:
    """Compare a layer with its ONNX form in ONNX Runtime.

    Returns
    -------
    float
        The largest difference of outputs and final states over all sizes.

    Raises
    ------
    RuntimeError
        It is beyond rounding.
    """
    runtime = require("onnxruntime", extra="onnx")
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    generator = torch.Generator().manual_seed(0)
    cells = module.num_layers * (2 if module.bidirectional else 1)
    worst = 0.0
    for batch in BATCHES:
        for steps in (1,) if single_step else STEPS:

            def draw(*shape: int) -> Tensor:
                return torch.randn(shape, generator=generator)

            lead = (steps, batch) if single_step or not module.batch_first else (batch, steps)
            x = draw(*lead, module.input_size)
            h, c = (draw(cells, batch, module.hidden_size) for _ in range(2))
            feeds = {"x": _array(x[0] if single_step else x), "h_0": _array(h), "c_0": _array(c)}
            valid = None
            if lengths:
                valid = torch.randint(1, steps + 1, (batch,), generator=generator)
                feeds["lengths"] = _array(valid.int())
            training = module.training
            module.eval()
            with torch.no_grad():
                own = x.transpose(0, 1) if single_step and module.batch_first else x
                y, state = module(own, (h, c), lengths=valid)
            module.train(training)
            if single_step:
                y = y.flatten(0, 1)
            found = session.run(["y", "h_n", "c_n"], feeds)
            for name, ours, theirs in zip(("y", "h_n", "c_n"), (y, *state), found, strict=True):
                difference = float(np.abs(_array(ours) - theirs).max(initial=0.0))
                worst = max(worst, difference)
                if not difference <= TOLERANCE:
                    raise RuntimeError(
                        explain(
                            "to_onnx",
                            f"{name} of {batch} rows and {steps} steps must equal the layer's",
                            f"a difference of {difference:.3g}",
                            "Nothing was written. Please report this with the versions of onnx "
                            "and onnxruntime",
                        )
                    )
    return worst


def _gates(tensor: Tensor) -> np.ndarray:
    """Reorder the gates of a weight or bias."""
    parts = np.split(_array(tensor), 4)
    return np.concatenate([parts[gate] for gate in TO_ONNX])


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()
