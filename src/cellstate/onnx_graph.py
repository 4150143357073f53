"""An ONNX graph under construction: nodes, constants and the standard `LSTM` operator.

The operator stacks its gates in the order i, o, f, c and has no projection; a stack of layers is
one node each. See https://onnx.ai/onnx/operators/onnx__LSTM.html.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellstate.errors import ExportError, explain
from cellstate.extras import require

OPSET = 17
IR_VERSION = 8
TO_ONNX = (0, 3, 1, 2)  # from i, f, g, o to i, o, f, c
BATCHES, STEPS = (1, 2, 7), (1, 2, 33)  # sizes at which a graph is compared with what it came from
TOLERANCE = 2e-5  # of numbers up to one, and in proportion of larger ones

Array = NDArray[Any]
Values = Sequence[Any]  # the axes of an input or output: sizes, and names of free ones


class Graph:
    """Nodes and constants in the order in which they are added.

    Examples
    --------
    >>> graph = Graph()
    >>> graph.node("Relu", ["x"], "y")
    'y'
    >>> x = graph.value("x", ("batch", 3))
    >>> model = graph.model("rectifier", [x], [graph.value("y", ("batch", 3))])
    >>> run(session_of(model), {"x": np.array([[-1.0, 0.0, 2.0]], np.float32)})["y"]
    array([[0., 0., 2.]], dtype=float32)
    """

    def __init__(self) -> None:
        self._onnx: Any = require("onnx", extra="onnx")
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def node(self, operator: str, inputs: Sequence[str], output: str, **options: Any) -> str:
        """Add a node of one output, and give the output's name."""
        self.nodes(operator, inputs, [output], **options)
        return output

    def nodes(
        self, operator: str, inputs: Sequence[str], outputs: Sequence[str], **options: Any
    ) -> None:
        """Add a node of several outputs."""
        made = self._onnx.helper.make_node(operator, list(inputs), list(outputs), **options)
        self._nodes.append(made)

    def constant(self, name: str, values: Any) -> str:
        """Add an array, and give its name."""
        self._constants.append(self._onnx.numpy_helper.from_array(np.asarray(values), name))
        return name

    def value(self, name: str, axes: Values, dtype: Any = np.float32) -> Any:
        """Describe an input or output of the graph."""
        kind = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self._onnx.helper.make_tensor_value_info(name, kind, list(axes))

    def lstm(
        self,
        x: str,
        layers: Sequence[Sequence[Sequence[Array]]],
        *,
        peepholes: Sequence[Sequence[Array]] = (),
        prefix: str = "",
        lengths: str = "",
        **options: Any,
    ) -> str:
        """Add a stack of LSTM layers, one node each, and give the name of its output.

        Reads the states ``{prefix}h_0`` and ``{prefix}c_0``, (L·D, B, H), and writes
        ``{prefix}h_n`` and ``{prefix}c_n``.

        Parameters
        ----------
        x : str
            Input (T, B, I).
        layers : sequence
            For each layer and direction the arrays weight_ih, weight_hh and, if there are biases,
            bias_ih and bias_hh, gates in the order i, f, g, o.
        peepholes : sequence
            For each layer and direction the weights by which i, f and o see the cell state, (3H,).
        prefix : str
            Goes before every name.
        lengths : str
            Name of the valid steps of each row, if there are any.
        **options
            More attributes of every node.
        """
        L, D = len(layers), len(layers[0])
        states = {name: [f"{prefix}{name}_layer{k}" for k in range(L)] for name in ("h_0", "c_0")}
        cuts = self.constant(f"{prefix}directions", np.full(L, D))
        for name, parts in states.items():
            self.nodes("Split", [prefix + name, cuts], parts, axis=0)
        for k, cells in enumerate(layers):
            own = f"{prefix}{{}}_layer{k}".format
            names = [
                self.constant(own("W"), np.stack([_gates(cell[0]) for cell in cells])),
                self.constant(own("R"), np.stack([_gates(cell[1]) for cell in cells])),
            ]
            if len(cells[0]) == 4:
                both = [np.concatenate([_gates(cell[2]), _gates(cell[3])]) for cell in cells]
                names.append(self.constant(own("B"), np.stack(both)))
            else:
                names.append("")
            names += [lengths, states["h_0"][k], states["c_0"][k]]
            if peepholes:
                seen = np.stack([_reordered(one, (0, 2, 1)) for one in peepholes[k]])
                names.append(self.constant(own("P"), seen))
            self.nodes(
                "LSTM",
                [x, *names],
                [own("Y"), own("h_n"), own("c_n")],
                hidden_size=cells[0][1].shape[1],
                direction="bidirectional" if D == 2 else "forward",
                **options,
            )
            # (T, D, B, H) to (T, B, D·H)
            rows = self.node("Transpose", [own("Y")], own("rows"), perm=[0, 2, 1, 3])
            shape = self.constant(own("shape"), np.array([0, 0, -1]))
            x = self.node("Reshape", [rows, shape], own("y"))
        for name in ("h_n", "c_n"):
            self.node(
                "Concat", [f"{prefix}{name}_layer{k}" for k in range(L)], prefix + name, axis=0
            )
        return x

    def model(
        self,
        name: str,
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        metadata: Mapping[str, str] | None = None,
    ) -> Any:
        """Make the model and let onnx check it."""
        helper = self._onnx.helper
        graph = helper.make_graph(self._nodes, name, inputs, outputs, self._constants)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="cellstate",
        )
        if metadata:
            helper.set_model_props(model, dict(metadata))
        self._onnx.checker.check_model(model, full_check=True)
        return model


def uncoupled(array: Array, gates: int) -> Array:
    """Put the input gate before the gates f, g, o, or the peepholes f, o, of coupled cells.

    Coupled gates become two of their own: 1 - σ(a) = σ(-a), also of the hard sigmoid, so that i
    takes the weights of f with the sign changed. The operator's `input_forget` is left out: ONNX
    Runtime couples by f = 1 - i, its text does not say which, and many runtimes do not read it.

    Examples
    --------
    >>> uncoupled(np.array([1.0, 2.0, 3.0]), gates=3)
    array([-1.,  1.,  2.,  3.])
    """
    f, *others = np.split(array, gates)
    return np.concatenate([-f, f, *others])


def lstm_options(*, hard_sigmoid: bool, directions: int = 1) -> dict[str, Any]:
    """Give the operator's attributes of a variant, beside those of the plain cell."""
    if not hard_sigmoid:
        return {}
    return {
        "activations": ["HardSigmoid", "Tanh", "Tanh"] * directions,
        "activation_alpha": [1 / 6] * directions,
        "activation_beta": [0.5] * directions,
    }


def session_of(model: Any) -> Any:
    """Load a model into ONNX Runtime, on the CPU."""
    runtime = require("onnxruntime", extra="onnx")
    return runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def run(session: Any, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Give a session's outputs by name."""
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feeds)), strict=True))


def require_equal(
    where: str, size: str, ours: Mapping[str, Array], theirs: Mapping[str, Array]
) -> float:
    """Compare outputs by name, and give the largest difference.

    Raises
    ------
    ExportError
        It is beyond rounding.

    Examples
    --------
    >>> require_equal("to_onnx", "one row", {"y": np.ones(2)}, {"y": np.ones(2)})
    0.0
    """
    worst = 0.0
    for name, values in ours.items():
        difference = float(np.abs(values - theirs[name]).max(initial=0.0))
        allowed = TOLERANCE * max(1.0, float(np.abs(values).max(initial=0.0)))
        worst = max(worst, difference)
        if values.shape != theirs[name].shape or not difference <= allowed:
            raise ExportError(
                explain(
                    where,
                    f"{name} of {size} must equal the original's",
                    f"a difference of {difference:.3g}",
                    "Nothing was written. Please report this with the versions of onnx and "
                    "onnxruntime",
                )
            )
    return worst


def _gates(array: Array) -> Array:
    """Reorder the gates of a weight or bias."""
    return _reordered(array, TO_ONNX)


def _reordered(array: Array, order: Sequence[int]) -> Array:
    parts = np.split(array, len(order))
    return np.concatenate([parts[gate] for gate in order])
