"""A streamable network as ONNX, compared with `runtime.Chain` before anyone gets it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellstate import network
from cellstate.errors import InputError, explain
from cellstate.onnx_graph import BATCHES, STEPS, Graph, require_equal, run, session_of
from cellstate.runtime.chain import Chain
from cellstate.runtime.state import State, zero_state

Array = NDArray[Any]


def chain_to_onnx(
    layers: tuple[network.Layer, ...],
    tensors: Mapping[str, Array],
    *,
    single_step: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> Any:
    """Write a streamable network as ONNX and compare it with `runtime.Chain`.

    Inputs are ``x`` and, for each LSTM layer, ``NAME.h_0`` and ``NAME.c_0``, each (L, B, H);
    outputs ``y``, ``NAME.h_n`` and ``NAME.c_n``. Two runs, the second from the states that the
    first has returned, are one over the whole sequence. Time and batch are free; dropout does
    nothing.

    Parameters
    ----------
    layers : tuple of network.Layer
        The description.
    tensors : mapping of str to numpy.ndarray
        Weights by name, as for `runtime.Chain`; float64 is rounded to float32.
    single_step : bool
        Take one step, x (B, inputs) and y (B, outputs), instead of (T, B, ·). An embedding takes
        int64, (B,) or (T, B).
    metadata : mapping of str to str, optional
        Goes into the model's properties, beside ``form``, ``inputs``, ``outputs`` and ``states``.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    InputError, ShapeError
        The layers do not fit one another, none of them computes anything, or a tensor is missing.
    MissingExtraError
        `onnx` or `onnxruntime` is not installed.
    ExportError
        ONNX Runtime gives other numbers for 1, 2 and 7 rows and 1, 2 and 33 steps.

    Examples
    --------
    >>> from cellstate.onnx_graph import run, session_of
    >>> layers = (network.Linear("double", 1, 1),)
    >>> tensors = {"double.weight": np.full((1, 1), 2.0), "double.bias": np.zeros(1)}
    >>> model = chain_to_onnx(layers, tensors, single_step=True)
    >>> run(session_of(model), {"x": np.full((1, 1), 21, np.float32)})
    {'y': array([[42.]], dtype=float32)}
    """
    computing = tuple(one for one in layers if not isinstance(one, network.Dropout))
    if not computing:
        raise InputError(
            explain(
                "export",
                "the network must have a layer that computes",
                f"{len(layers)} layers of dropout",
                "Export a network with a linear, LSTM, norm or embedding layer",
            )
        )
    chain = Chain(computing, tensors)  # checks the layers and their tensors
    model = _model(computing, tensors, single_step=single_step, metadata=metadata or {})
    _compare(chain, model, single_step=single_step)
    return model


def _model(
    layers: tuple[network.Layer, ...],
    tensors: Mapping[str, Array],
    *,
    single_step: bool,
    metadata: Mapping[str, str],
) -> Any:
    graph = Graph()
    first = layers[0]
    inputs, states = [_input(graph, first, single_step)], list[str]()
    outputs: list[Any] = []
    x = "x"
    if single_step:
        axis = graph.constant("time_axis", np.array([0]))
        x = graph.node("Unsqueeze", [x, axis], "x_of_one_step")
    features = None
    for layer in layers:
        x = _add(graph, layer, tensors, x)
        features = network.features_out(layer)
        if isinstance(layer, network.LSTM):
            axes = (layer.num_layers, "batch", layer.hidden_size)
            inputs += [graph.value(f"{layer.name}.{part}", axes) for part in ("h_0", "c_0")]
            outputs += [graph.value(f"{layer.name}.{part}", axes) for part in ("h_n", "c_n")]
            states.append(layer.name)
    if single_step:
        graph.node("Squeeze", [x, "time_axis"], "y")
    else:
        graph.node("Identity", [x], "y")
    outputs.insert(0, graph.value("y", (*_lead(single_step), features)))
    properties = {
        "form": "step" if single_step else "sequence",
        "inputs": json.dumps([one.name for one in inputs]),
        "outputs": json.dumps([one.name for one in outputs]),
        "states": json.dumps(
            {f"{name}.{part}_0": f"{name}.{part}_n" for name in states for part in "hc"}
        ),
    }
    return graph.model("network", inputs, outputs, {**metadata, **properties})


def _lead(single_step: bool) -> tuple[str, ...]:
    return ("batch",) if single_step else ("time", "batch")


def _input(graph: Graph, first: network.Layer, single_step: bool) -> Any:
    if isinstance(first, network.Embedding):
        return graph.value("x", _lead(single_step), np.int64)
    return graph.value("x", (*_lead(single_step), network.features_in(first)))


def _add(graph: Graph, layer: network.Layer, tensors: Mapping[str, Array], x: str) -> str:
    """Add one layer, (T, B, ·) in and out."""
    name = layer.name

    def floats(part: str) -> Array:
        return np.ascontiguousarray(tensors[f"{name}.{part}"], np.float32)

    match layer:
        case network.Linear():
            weight = graph.constant(f"{name}.weight", np.ascontiguousarray(floats("weight").T))
            product = graph.node("MatMul", [x, weight], f"{name}.product")
            bias = graph.constant(f"{name}.bias", floats("bias"))
            total = graph.node("Add", [product, bias], f"{name}.sum")
            operator = {"identity": "Identity", "relu": "Relu", "tanh": "Tanh"}[layer.activation]
            return graph.node(operator, [total], f"{name}.y")
        case network.LSTM():
            parts = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            cells = [[[floats(f"{p}_l{k}") for p in parts]] for k in range(layer.num_layers)]
            return graph.lstm(x, cells, prefix=f"{name}.")
        case network.LayerNorm():
            scales = [graph.constant(f"{name}.{p}", floats(p)) for p in ("weight", "bias")]
            return graph.node(
                "LayerNormalization", [x, *scales], f"{name}.y", axis=-1, epsilon=layer.eps
            )
        case network.Embedding():
            table = graph.constant(f"{name}.weight", floats("weight"))
            return graph.node("Gather", [table, x], f"{name}.y", axis=0)
        case network.Dropout():
            return x


def _compare(chain: Chain, model: Any, *, single_step: bool) -> None:
    session = session_of(model)
    for x, state in _problems(chain, single_step=single_step):
        feeds = {"x": x} | _named(state, "0")
        y, after = (chain.step if single_step else chain.sequence)(x, state)
        size = f"x {x.shape}"
        require_equal("export", size, {"y": y} | _named(after, "n"), run(session, feeds))


def _problems(chain: Chain, *, single_step: bool) -> Iterator[tuple[Array, State]]:
    """Draw inputs and states that differ from zero and from each other, of every size."""
    rng = np.random.default_rng(0)
    first = chain.layers[0]
    recurrent = tuple(one for one in chain.layers if isinstance(one, network.LSTM))
    for batch in BATCHES:
        for steps in (None,) if single_step else STEPS:
            lead = (batch,) if steps is None else (steps, batch)
            if isinstance(first, network.Embedding):
                x: Array = rng.integers(0, first.count, lead)
            else:
                features = network.features_in(first) or 0
                x = rng.standard_normal((*lead, features), dtype=np.float32)
            state = zero_state(recurrent, batch)
            for held in state.values():
                for part in held:
                    rng.standard_normal(part.shape, out=part, dtype=np.float32)
            yield x, state


def _named(state: State, end: str) -> dict[str, Array]:
    return {
        f"{name}.{letter}_{end}": part
        for name, held in state.items()
        for letter, part in zip("hc", held, strict=True)
    }
