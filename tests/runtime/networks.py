"""Networks to run and the exact answer for each: the equations in float64 NumPy."""

from __future__ import annotations

import numpy as np

from cellstate import _native, network
from cellstate.runtime.state import Memory

STACK = (
    network.Linear("stem", 5, 7, "relu"),
    network.Dropout("drop", 0.3),
    network.LayerNorm("norm", 7),
    network.LSTM("body", 7, 33, num_layers=2),
    network.Linear("head", 33, 3, "tanh"),
)
TEXT = (
    network.Embedding("letters", 11, 6),
    network.LSTM("body", 6, 16),
    network.Linear("head", 16, 11),
)

VARIANTS = {
    "peephole": {"peephole": True},
    "coupled": {"coupled": True},
    "coupled with peepholes": {"coupled": True, "peephole": True},
    "layer norm": {"layer_norm": True},
    "hard sigmoid": {"hard_sigmoid": True},
    "cell clip": {"cell_clip": 0.3},
    "zoneout": {"zoneout_c": 0.3, "zoneout_h": 0.1},
    "projection": {"proj_size": 5},
    "learned start": {"learn_initial_state": True},
}
VARIANTS["all"] = {name: value for one in VARIANTS.values() for name, value in one.items()}


def varied(name, inputs=3, hidden=19, layers=2):
    """Describe a network with a variant of the cell, of odd sizes."""
    cells = network.LSTM("body", inputs, hidden, layers, **VARIANTS[name])
    return (cells, network.Linear("head", cells.output_size, 2))


STACKED = (
    network.FrameStack("last", 3, 4),
    network.Dropout("drop", 0.1),
    network.Linear("stem", 12, 6, "relu"),
    network.FrameStack("one", 6, 1),
    network.LayerNorm("norm", 6),
    network.LSTM("body", 6, 9, peephole=True),
    network.FrameStack("outputs", 9, 2),
)


def random_tensors(layers, rng, dtype=np.float32):
    """Draw weights as torch does, so that gates are neither shut nor saturated."""
    tensors = {}

    def draw(name, shape, fan):
        bound = 1 / np.sqrt(fan)
        tensors[name] = rng.uniform(-bound, bound, shape).astype(dtype)

    for layer in layers:
        match layer:
            case network.Linear():
                draw(f"{layer.name}.weight", (layer.outputs, layer.inputs), layer.inputs)
                draw(f"{layer.name}.bias", (layer.outputs,), layer.inputs)
            case network.LayerNorm():
                draw(f"{layer.name}.weight", (layer.size,), 1)
                draw(f"{layer.name}.bias", (layer.size,), 1)
            case network.Embedding():
                draw(f"{layer.name}.weight", (layer.count, layer.size), 1)
            case network.LSTM():
                H = layer.hidden_size
                for k in range(layer.num_layers):
                    for part, shape in layer.tensors(k).items():
                        draw(f"{layer.name}.{part}", shape, H)
                        if part.startswith(("norm_ih", "norm_hh", "norm_c_l")):
                            tensors[f"{layer.name}.{part}"] += 1
                if layer.learn_initial_state:
                    draw(f"{layer.name}.initial_h", (layer.num_layers, layer.output_size), 1)
                    draw(f"{layer.name}.initial_c", (layer.num_layers, H), 1)
    return tensors


def random_state(layers, batch, rng):
    """Draw states that differ from zero and from each other."""
    return {
        name: tuple(
            rng.standard_normal((part.number, batch, part.width)).astype(np.float32)
            for part in parts
        )
        for name, parts in Memory(layers).parts.items()
    }


def random_input(layers, steps, batch, rng):
    if isinstance(layers[0], network.Embedding):
        return rng.integers(0, layers[0].count, (steps, batch))
    width = network.features_in(layers[0])
    return rng.standard_normal((steps, batch, width)).astype(np.float32)


def native_step(packed, x, h, c, h_out, c_out):
    """Run the kernel over one step."""
    _native.lstm_forward(packed, x[np.newaxis], h, c, h_out[np.newaxis], None, c_out)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def exact_lstm(weight_ih, weight_hh, bias, x_TBI, h_BH, c_BH):
    """Run one layer in float64: every hidden state and the last cell state."""
    weight_ih, weight_hh, bias, x_TBI, h_BH, c_BH = (
        np.asarray(a, np.float64) for a in (weight_ih, weight_hh, bias, x_TBI, h_BH, c_BH)
    )
    y_TBH = np.empty((len(x_TBI), *h_BH.shape))
    for t, x_BI in enumerate(x_TBI):
        i, f, g, o = np.split(x_BI @ weight_ih.T + h_BH @ weight_hh.T + bias, 4, axis=1)
        c_BH = sigmoid(f) * c_BH + sigmoid(i) * np.tanh(g)
        y_TBH[t] = h_BH = sigmoid(o) * np.tanh(c_BH)
    return y_TBH, c_BH


def exact_chain(layers, tensors, x, state):
    """Run a whole chain in float64."""
    exact = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    after = {}
    for layer in layers:
        name = layer.name
        match layer:
            case network.Linear():
                x = x @ exact[f"{name}.weight"].T + exact[f"{name}.bias"]
                x = {"identity": lambda v: v, "relu": lambda v: v.clip(0), "tanh": np.tanh}[
                    layer.activation
                ](x)
            case network.LayerNorm():
                centred = x - x.mean(-1, keepdims=True)
                x = centred / np.sqrt(x.var(-1, keepdims=True) + layer.eps)
                x = x * exact[f"{name}.weight"] + exact[f"{name}.bias"]
            case network.Embedding():
                x = exact[f"{name}.weight"][x]
            case network.LSTM():
                h, c = (part.astype(np.float64) for part in state[name])
                for k in range(layer.num_layers):
                    bias = exact[f"{name}.bias_ih_l{k}"] + exact[f"{name}.bias_hh_l{k}"]
                    weights = exact[f"{name}.weight_ih_l{k}"], exact[f"{name}.weight_hh_l{k}"]
                    x, c[k] = exact_lstm(*weights, bias, x, h[k], c[k])
                    h[k] = x[-1] if len(x) else h[k]
                after[name] = (h, c)
    return x, after
