"""The LSTM cells of a description, packed for the kernels once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellstate import _native, network
from cellstate.errors import InputError, ShapeError, explain
from cellstate.runtime.state import Floats, LSTMState

Tensors = Mapping[str, NDArray[Any]]


def pack_cell(
    layer: network.LSTM, k: int, tensors: Tensors, stored: str
) -> tuple[_native.PackedLSTM, _native.Variant | None]:
    """Pack one layer of a stack, and say how its cell departs from the plain one.

    Raises
    ------
    InputError, ShapeError
        A tensor is missing, of another shape, or not finite where `stored` is "int8".
    """
    H = layer.hidden_size
    own = {
        name.rpartition("_l")[0]: take(tensors, f"{layer.name}.{name}", shape)
        for name, shape in layer.tensors(k).items()
    }
    if stored == "int8":
        for name in ("weight_ih", "weight_hh", "weight_hr"):
            if name in own:
                _check_finite(f"{layer.name}.{name}_l{k}", own[name])
    bias = own["bias_ih"] + own["bias_hh"]
    packed = _native.PackedLSTM(
        _after_zeros(own["weight_ih"], 4 * H),
        _after_zeros(own["weight_hh"], 4 * H),
        _after_zeros(bias, 4 * H),
        own.get("weight_hr"),
        stored=stored,
    )
    if layer.is_plain:
        return packed, None
    rows = {"weight_ch": 3 * H, "norm_ih": 4 * H, "norm_hh": 4 * H, "norm_c": H, "norm_c_bias": H}
    more = {name: _after_zeros(own[name], n).copy() for name, n in rows.items() if name in own}
    return packed, _native.Variant(
        coupled=layer.coupled,
        hard_sigmoid=layer.hard_sigmoid,
        cell_clip=layer.cell_clip or 0.0,
        zoneout_c=layer.zoneout_c,
        zoneout_h=layer.zoneout_h,
        peephole=more.get("weight_ch"),
        norm_ih=more.get("norm_ih"),
        norm_hh=more.get("norm_hh"),
        norm_c=more.get("norm_c"),
        norm_c_bias=more.get("norm_c_bias"),
    )


def learned_start(layers: tuple[network.Layer, ...], tensors: Tensors) -> dict[str, LSTMState]:
    """Find the learned states before the first step, (L, P) and (L, H), by layer."""
    start: dict[str, LSTMState] = {}
    for layer in layers:
        if isinstance(layer, network.LSTM) and layer.learn_initial_state:
            h, c = (
                take(tensors, f"{layer.name}.initial_{part}", (layer.num_layers, size)).copy()
                for part, size in (("h", layer.output_size), ("c", layer.hidden_size))
            )
            start[layer.name] = LSTMState(h, c)
    return start


def take(tensors: Tensors, name: str, shape: tuple[int, ...]) -> Floats:
    """Find one tensor of a layer, dense and float32.

    Raises
    ------
    InputError
        It is missing.
    ShapeError
        It has another shape, or is not floating point.
    """
    advice = "Pass the tensors that were saved with this description"
    if name not in tensors:
        raise InputError(
            explain(
                "runtime.Chain", f"tensors must hold {name!r}", f"{len(tensors)} others", advice
            )
        )
    tensor = np.asarray(tensors[name])
    if tensor.shape != shape or tensor.dtype.kind != "f":
        raise ShapeError(
            explain(
                "runtime.Chain",
                f"{name!r} must hold floating point numbers of shape {shape}",
                f"{tensor.shape} {tensor.dtype}",
                advice,
            )
        )
    return np.ascontiguousarray(tensor, np.float32)


def _after_zeros(stacked: Floats, rows: int) -> Floats:
    """Put zeros before what stacks f, g, o (or f, o) alone: the kernels know every gate."""
    if len(stacked) == rows:
        return stacked
    missing = np.zeros((rows - len(stacked), *stacked.shape[1:]), np.float32)
    return np.concatenate([missing, stacked])


def _check_finite(name: str, tensor: Floats) -> None:
    if not np.isfinite(tensor).all():
        raise InputError(
            explain(
                "runtime.Chain",
                f"{name!r} must be finite to be stored as int8",
                f"{np.count_nonzero(~np.isfinite(tensor))} infinite or NaN entries",
                "Look into the training that made them",
            )
        )
