"""Layers from the LSTM nodes of an ONNX model: one node, or several that are one stack."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cellstate.errors import InputError, did_you_mean, explain
from cellstate.extras import require
from cellstate.nn.lstm import LSTM

FROM_ONNX = (0, 2, 3, 1)  # from i, o, f, c to i, f, g, o
PEEPHOLES_FROM_ONNX = (0, 2, 1)  # from i, o, f to i, f, o
LENGTHS, H_0, C_0, PEEPHOLES = 4, 5, 6, 7  # places among the operator's inputs
MOVES = ("Identity", "Squeeze", "Transpose", "Reshape")


def from_onnx(model: Any, node: str | None = None) -> LSTM:
    """Build a layer from the LSTM node of an ONNX model, or from several that are one stack.

    Parameters
    ----------
    model : path or onnx.ModelProto
    node : str, optional
        Name of one node. Left out, all LSTM nodes of the model are the layers of one stack, as
        exporters write it: each takes what the one before it gives, and nothing else in between.

    Returns
    -------
    LSTM
        Time first; its weights are the nodes'. Initial states and lengths of the graph are left
        behind: give them in the call.

    Raises
    ------
    InputError
        There is no such node, or the nodes are no stack; weights are no constants; or a node has
        what the layer has not: coupled gates (the operator's text does not say which gate follows
        from the other), clipping before the activations, other activations than its own and the
        hard sigmoid of slope 1/6, or the reverse direction alone.
    """
    onnx = require("onnx", extra="onnx")
    if isinstance(model, str | Path):
        model = onnx.load_model(str(model))
    nodes = [one for one in model.graph.node if one.op_type == "LSTM"]
    found = [one for one in nodes if node in (None, one.name)]
    if not found or (node is not None and len(found) > 1):
        names = [one.name for one in nodes]
        raise InputError(
            explain(
                "from_onnx",
                "the model must have LSTM nodes, or node must name one of them",
                f"node={node!r} and LSTM nodes {names}",
                did_you_mean(node, names) if node and names else "Pass a model with such a node",
            )
        )
    constants = _constants(onnx, model)
    cells = [_weights(onnx, one, constants) for one in found]
    _require_one_stack(onnx, model, found, cells, constants)
    return _layer(cells)


@dataclass(frozen=True)
class _Weights:
    """W (D, 4H, I), R (D, 4H, H), perhaps B (D, 8H) and P (D, 3H) of one node, gates i, o, f, c."""

    W: np.ndarray
    R: np.ndarray
    B: np.ndarray | None
    P: np.ndarray | None
    is_hard: bool  # the gates' sigmoid

    @property
    def form(self) -> tuple[object, ...]:
        """What all nodes of one stack have in common."""
        return self.R.shape, self.B is None, self.P is None, self.is_hard


def _weights(onnx: Any, node: Any, constants: dict[str, np.ndarray]) -> _Weights:
    options = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    direction = options.get("direction", b"forward").decode()
    sigmoid = _sigmoid(options, directions=2 if direction == "bidirectional" else 1)
    refusals = {
        "the reverse direction alone": direction == "reverse",
        "coupled gates (input_forget)": options.get("input_forget", 0) != 0,
        "clipping": options.get("clip", 0.0) != 0.0,
        "other activations": sigmoid is None,
        "the batch first (layout=1)": options.get("layout", 0) != 0,
    }
    if refused := [name for name, is_so in refusals.items() if is_so]:
        raise InputError(
            explain(
                "from_onnx",
                "the node must be an LSTM whose equations the layer has",
                ", ".join(refused),
                "Export the model without it",
            )
        )
    places = {"W": 1, "R": 2, "B": 3, "P": PEEPHOLES}
    wanted = {name: _input(node, place) for name, place in places.items()}
    wanted = {name: source for name, source in wanted.items() if source or name in "WR"}
    if missing := [name for name, source in wanted.items() if source not in constants]:
        raise InputError(
            explain(
                "from_onnx",
                "the node's weights must be constants of the model",
                f"{', '.join(missing)} computed by the graph",
                "Fold constants first, for instance with onnxsim",
            )
        )
    arrays = {name: constants[source] for name, source in wanted.items()}
    is_hard = sigmoid == "hardsigmoid"
    return _Weights(arrays["W"], arrays["R"], arrays.get("B"), arrays.get("P"), is_hard)


def _sigmoid(options: dict[str, Any], *, directions: int) -> str | None:
    """Name the gates' activation; None where one of the activations is not the layer's."""
    given = [name.decode().lower() for name in options.get("activations", [])]
    for name in ("sigmoid", "hardsigmoid"):
        if given == [name, "tanh", "tanh"] * directions:
            break
    else:
        return "sigmoid" if not given else None
    if name == "hardsigmoid":
        slopes = options.get("activation_alpha", [0.2])  # the operator's default
        middles = options.get("activation_beta", [0.5])
        if not (np.allclose(slopes, 1 / 6) and np.allclose(middles, 0.5)):
            return None
    return name


def _require_one_stack(
    onnx: Any, model: Any, nodes: list[Any], cells: list[_Weights], constants: dict[str, np.ndarray]
) -> None:
    """Require that each node takes the output of the one before it, and that all are alike."""
    made_by = {name: one for one in model.graph.node for name in one.output}
    first = cells[0]
    for (before, node), cell in zip(pairwise(nodes), cells[1:], strict=True):
        path, source = _path(made_by, node.input[0])
        between = f"{before.name!r} and {node.name!r}"
        reason = None
        if cell.form != first.form:
            reason = (
                f"R {first.R.shape} and {cell.R.shape}, or a bias, peepholes or another activation "
                "in one alone"
            )
        elif source != before.output[0]:
            reason = f"another operator than a change of axes, or none, between {between}"
        elif not _flattens(onnx, path, constants, first.R):
            steps = ", ".join(one.op_type for one in path) or "nothing"
            reason = f"{steps} between {between}"
        elif _input(node, LENGTHS) != _input(nodes[0], LENGTHS):
            reason = f"other lengths for {node.name!r}"
        elif any(_comes_from_lstm(made_by, _input(node, place)) for place in (H_0, C_0)):
            reason = f"an initial state of {node.name!r} that another node puts out"
        if reason:
            raise InputError(
                explain(
                    "from_onnx",
                    "several LSTM nodes must be the layers of one stack, each on the output of "
                    "the one before",
                    reason,
                    f"Pass node=, one of {', '.join(repr(one.name) for one in nodes)}",
                )
            )


def _input(node: Any, place: int) -> str:
    return node.input[place] if len(node.input) > place else ""


def _path(made_by: dict[str, Any], name: str) -> tuple[list[Any], str]:
    """Follow an input up through what only moves axes; give these operators and their source."""
    path: list[Any] = []
    while name in made_by and made_by[name].op_type in MOVES:
        path.insert(0, made_by[name])
        name = made_by[name].input[0]
    return [one for one in path if one.op_type != "Identity"], name


def _flattens(onnx: Any, path: list[Any], constants: dict[str, np.ndarray], R: np.ndarray) -> bool:
    """Tell whether a path turns (T, D, B, H) into (T, B, D·H), and does nothing else."""
    directions, _, units = R.shape

    def given(node: Any, name: str) -> Any:
        """Read what is an attribute in older models and an input in newer ones."""
        for attribute in node.attribute:
            if attribute.name == name:
                return list(onnx.helper.get_attribute_value(attribute))
        values = constants.get(_input(node, 1))
        return None if values is None else values.tolist()

    kinds = [node.op_type for node in path]
    if kinds == ["Squeeze"]:
        return directions == 1 and given(path[0], "axes") in ([1], [-3])
    if kinds != ["Transpose", "Reshape"]:
        return False
    if any(option.name == "allowzero" and option.i for option in path[1].attribute):
        return False
    flat = given(path[1], "shape") in ([0, 0, -1], [0, 0, directions * units])
    return flat and given(path[0], "perm") == [0, 2, 1, 3]


def _comes_from_lstm(made_by: dict[str, Any], name: str) -> bool:
    """Tell whether a value is computed from an LSTM's numbers; its shape alone does not count."""
    waiting, seen = [name], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in made_by or made_by[name].op_type == "Shape":
            continue
        if made_by[name].op_type == "LSTM":
            return True
        seen.add(name)
        waiting += made_by[name].input
    return False


def _layer(cells: list[_Weights]) -> LSTM:
    first = cells[0]
    layer = LSTM(
        first.W.shape[2],
        first.R.shape[2],
        len(cells),
        bias=first.B is not None,
        bidirectional=len(first.W) == 2,
        peephole=first.P is not None,
        hard_sigmoid=first.is_hard,
        dtype=torch.float64 if first.W.dtype == np.float64 else torch.float32,
    )
    directions = [_arrays(cell, d) for cell in cells for d in range(len(cell.W))]
    with torch.no_grad():
        for parameters, arrays in zip(layer.all_weights, directions, strict=True):
            for parameter, array in zip(parameters, arrays, strict=True):
                parameter.copy_(torch.as_tensor(array))
    return layer


def _arrays(cell: _Weights, direction: int) -> list[np.ndarray]:
    """Give the parameters of one direction in the layer's order."""
    arrays = [cell.W[direction], cell.R[direction]]
    if cell.B is not None:
        arrays += np.split(cell.B[direction], 2)
    found = [_reordered(array, FROM_ONNX) for array in arrays]
    if cell.P is not None:
        found.append(_reordered(cell.P[direction], PEEPHOLES_FROM_ONNX))
    return found


def _constants(onnx: Any, model: Any) -> dict[str, np.ndarray]:
    """List the graph's arrays by name: initializers, and the tensors of Constant nodes."""
    found = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    found[node.output[0]] = onnx.numpy_helper.to_array(attribute.t)
                elif attribute.name in ("value_ints", "value_floats"):
                    values = onnx.helper.get_attribute_value(attribute)
                    found[node.output[0]] = np.asarray(values)
    return found


def _reordered(array: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    parts = np.split(array, len(order))
    return np.concatenate([parts[gate] for gate in order])
