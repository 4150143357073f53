"""A streamable network as data: a short list of layer descriptions with tensor names.

`cellstate.nn.Chain` builds modules from such a list, `cellstate.runtime.Chain` runs it without
torch; one description, so both give the same numbers.

A layer called ``name`` owns the tensors ``name.weight``, ``name.bias`` (linear, layer norm,
embedding) or those of `LSTM.tensors` (torch's names and gate order i, f, g, o). Two chains that
name the same layer share its tensors.
"""

from cellstate.network.checks import check
from cellstate.network.description import from_json, to_json
from cellstate.network.layers import (
    ACTIVATIONS,
    KINDS,
    LSTM,
    Dropout,
    Embedding,
    FrameStack,
    Layer,
    LayerNorm,
    Linear,
    Recurrent,
    features_in,
    features_out,
)

__all__ = [
    "ACTIVATIONS",
    "KINDS",
    "LSTM",
    "Dropout",
    "Embedding",
    "FrameStack",
    "Layer",
    "LayerNorm",
    "Linear",
    "Recurrent",
    "check",
    "features_in",
    "features_out",
    "from_json",
    "to_json",
]
