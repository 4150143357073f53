"""A streamable network as ONNX, compared with `runtime.Chain` before anyone gets it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellstate import network
from cellstate.errors import InputError, explain
from cellstate.onnx_graph import (
    BATCHES,
    STEPS,
    Graph,
    lstm_options,
    require_equal,
    run,
    session_of,
    uncoupled,
)
from cellstate.runtime.cells import learned_start
from cellstate.runtime.chain import Chain
from cellstate.runtime.state import State

Array = NDArray[Any]


def chain_to_onnx(
    layers: tuple[network.Layer, ...],
    tensors: Mapping[str, Array],
    *,
    single_step: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> Any:
    """Write a streamable network as ONNX and compare it with `runtime.Chain`.

    Inputs are ``x`` and, for each LSTM layer, ``NAME.h_0`` and ``NAME.c_0``, each (L, B, H), for
    each frame stack ``NAME.frames_0`` (frames - 1, B, I); outputs ``y`` and the same states with
    ``_n``. Two runs, the second from the states that the first has returned, are one over the whole
    sequence. Time and batch are free; dropout does nothing.

    Of the cell's variants ONNX's `LSTM` operator has peepholes, coupled gates (as two of their
    own) and the hard sigmoid.

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
        Goes into the model's properties, beside ``form``, ``inputs``, ``outputs``, ``states`` and,
        where it was learned, ``start``: the first state of each layer without the batch axis.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    InputError, ShapeError
        The layers do not fit one another, none of them computes anything, a tensor is missing, or
        the operator has no such cells.
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
    for layer in computing:
        if isinstance(layer, network.LSTM):
            _check_cells(layer)
    chain = Chain(computing, tensors)  # checks the layers and their tensors
    model = _model(computing, tensors, single_step=single_step, metadata=metadata or {})
    _compare(chain, model, single_step=single_step)
    return model


def _check_cells(layer: network.LSTM) -> None:
    """Require cells that the operator has."""
    lacking = {
        "a projection": layer.proj_size,
        "layer norm": layer.layer_norm,
        "a bound of the cell state (its clip bounds the gates before activation)": layer.cell_clip,
        "zoneout": layer.zoneout_c or layer.zoneout_h,
    }
    if found := [name for name, is_set in lacking.items() if is_set]:
        raise InputError(
            explain(
                "export",
                f"the cells of {layer.name!r} must be those that ONNX's LSTM operator has",
                ", ".join(found),
                "Serve the model with cellstate, or train it without",
            )
        )


def _model(
    layers: tuple[network.Layer, ...],
    tensors: Mapping[str, Array],
    *,
    single_step: bool,
    metadata: Mapping[str, str],
) -> Any:
    graph = Graph()
    first = layers[0]
    inputs, outputs, states = [_input(graph, first, single_step)], list[Any](), dict[str, str]()
    x = "x"
    if single_step:
        axis = graph.constant("time_axis", np.array([0]))
        x = graph.node("Unsqueeze", [x, axis], "x_of_one_step")
    features = None
    for layer in layers:
        x = _add(graph, layer, tensors, x)
        features = network.features_out(layer)
        for part, axes in _state_axes(layer).items():
            before, after = f"{layer.name}.{part}_0", f"{layer.name}.{part}_n"
            inputs.append(graph.value(before, axes))
            outputs.append(graph.value(after, axes))
            states[before] = after
    if single_step:
        graph.node("Squeeze", [x, "time_axis"], "y")
    else:
        graph.node("Identity", [x], "y")
    outputs.insert(0, graph.value("y", (*_lead(single_step), features)))
    properties = {
        "form": "step" if single_step else "sequence",
        "inputs": json.dumps([one.name for one in inputs]),
        "outputs": json.dumps([one.name for one in outputs]),
        "states": json.dumps(states),
    }
    learned = learned_start(layers, tensors)
    if learned:
        start = {
            f"{name}.{part}_0": values.tolist()
            for name, held in learned.items()
            for part, values in held._asdict().items()
        }
        properties["start"] = json.dumps(start)
    return graph.model("network", inputs, outputs, {**metadata, **properties})


def _state_axes(layer: network.Layer) -> dict[str, tuple[int | str, ...]]:
    """Give the axes of a layer's states, by name."""
    if isinstance(layer, network.LSTM):
        return dict.fromkeys("hc", (layer.num_layers, "batch", layer.hidden_size))
    if isinstance(layer, network.FrameStack) and layer.frames > 1:
        return {"frames": (layer.frames - 1, "batch", layer.inputs)}
    return {}


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
            stack = range(layer.num_layers)
            cells = [[[floats(f"{p}_l{k}") for p in parts]] for k in stack]
            peepholes = [[floats(f"weight_ch_l{k}")] for k in stack] if layer.peephole else []
            if layer.coupled:
                cells = [[[uncoupled(part, 3) for part in cell]] for (cell,) in cells]
                peepholes = [[uncoupled(seen, 2)] for (seen,) in peepholes]
            options = lstm_options(hard_sigmoid=layer.hard_sigmoid)
            return graph.lstm(x, cells, peepholes=peepholes, prefix=f"{name}.", **options)
        case network.LayerNorm():
            scales = [graph.constant(f"{name}.{p}", floats(p)) for p in ("weight", "bias")]
            return graph.node(
                "LayerNormalization", [x, *scales], f"{name}.y", axis=-1, epsilon=layer.eps
            )
        case network.Embedding():
            table = graph.constant(f"{name}.weight", floats("weight"))
            return graph.node("Gather", [table, x], f"{name}.y", axis=0)
        case network.FrameStack():
            return _add_frames(graph, layer, x)
        case network.Dropout():
            return x


def _add_frames(graph: Graph, layer: network.FrameStack, x: str) -> str:
    """Put each step's inputs beside those before, from slices that end alike."""
    name, kept = layer.name, layer.frames - 1
    if not kept:
        return x
    every = graph.node("Concat", [f"{name}.frames_0", x], f"{name}.every", axis=0)
    last = graph.constant(f"{name}.last", np.array([np.iinfo(np.int64).max]))
    axis = graph.constant(f"{name}.axis", np.array([0]))
    slices: list[str] = []
    for k in range(layer.frames):
        first = graph.constant(f"{name}.first_{k}", np.array([k]))
        end = graph.constant(f"{name}.end_{k}", np.array([k - kept])) if k < kept else last
        slices.append(graph.node("Slice", [every, first, end, axis], f"{name}.frame_{k}"))
    first = graph.constant(f"{name}.first_kept", np.array([-kept]))
    graph.node("Slice", [every, first, last, axis], f"{name}.frames_n")
    return graph.node("Concat", slices, f"{name}.y", axis=-1)


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
    for batch in BATCHES:
        for steps in (None,) if single_step else STEPS:
            lead = (batch,) if steps is None else (steps, batch)
            if isinstance(first, network.Embedding):
                x: Array = rng.integers(0, first.count, lead)
            else:
                features = network.features_in(first) or 0
                x = rng.standard_normal((*lead, features), dtype=np.float32)
            state = chain.zero_state(batch)
            for held in state.values():
                for part in held:
                    rng.standard_normal(part.shape, out=part, dtype=np.float32)
            yield x, state


def _named(state: State, end: str) -> dict[str, Array]:
    return {
        f"{name}.{part}_{end}": array
        for name, held in state.items()
        for part, array in held._asdict().items()
        if array.size
    }
