"""Which layers make a chain."""

from __future__ import annotations

from itertools import pairwise

from cellstate.errors import InputError, did_you_mean, explain
from cellstate.network.layers import (
    ACTIVATIONS,
    LSTM,
    MOST_FRAMES,
    Dropout,
    FrameStack,
    Layer,
    Linear,
    features_in,
    features_out,
)


def check(layers: tuple[Layer, ...], where: str = "network") -> None:
    """Require unique names, known activations, possible options and sizes that fit one another.

    Raises
    ------
    InputError
        The layers do not make a chain.

    Examples
    --------
    >>> check((LSTM("body", 3, 8), Linear("head", 8, 2)))
    """
    names = [layer.name for layer in layers]
    if not names or len(set(names)) < len(names) or not all(n and "." not in n for n in names):
        raise InputError(
            explain(
                where,
                "layers must have unique names without dots",
                ", ".join(map(repr, names)) or "no layers",
                "Name each layer for what it does, such as 'body' and 'head'",
            )
        )
    for layer in layers:
        _check_options(layer, where)
    sized = [layer for layer in layers if not isinstance(layer, Dropout)]
    for before, after in pairwise(sized):
        if features_out(before) != features_in(after):
            raise InputError(
                explain(
                    where,
                    f"{after.name!r} must take what {before.name!r} gives",
                    f"{features_out(before)} features for {features_in(after) or 'integers'}",
                    "Change one of the sizes",
                )
            )


def _check_options(layer: Layer, where: str) -> None:
    """Require what a description can say of a layer."""
    if isinstance(layer, Linear) and layer.activation not in ACTIVATIONS:
        raise InputError(
            explain(
                where,
                f"the activation of {layer.name!r} must be one of {', '.join(ACTIVATIONS)}",
                repr(layer.activation),
                did_you_mean(layer.activation, ACTIVATIONS),
            )
        )
    wrong: tuple[str, object] | None = None
    if isinstance(layer, FrameStack):
        if layer.inputs < 1:
            wrong = "inputs must be at least 1", layer.inputs
        if not 1 <= layer.frames <= MOST_FRAMES:
            wrong = f"frames must be in 1 … {MOST_FRAMES}", layer.frames
    elif isinstance(layer, LSTM):
        if layer.hidden_size < 1:
            wrong = "hidden_size must be at least 1", layer.hidden_size
        if layer.num_layers < 1:
            wrong = "num_layers must be at least 1", layer.num_layers
        if layer.proj_size and not 0 < layer.proj_size < layer.hidden_size:
            wrong = "proj_size must be smaller than hidden_size, or 0 for none", layer.proj_size
        if layer.cell_clip is not None and not 0 < layer.cell_clip < float("inf"):
            wrong = "cell_clip must be greater than zero, or None", layer.cell_clip
        for share in (layer.zoneout_c, layer.zoneout_h):
            if not 0 <= share < 1:
                wrong = "zoneout must be in 0 … 1, 1 excluded", share
    if wrong is not None:
        must, given = wrong
        do = "Correct the description, or leave the option out"
        raise InputError(explain(where, f"{layer.name!r}: {must}", repr(given), do))
