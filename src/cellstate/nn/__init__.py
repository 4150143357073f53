"""Modules: parameters, their initial values, state and layout, over the functions of `ops`."""

from cellstate.nn.chain import Chain
from cellstate.nn.decay_lstm import DecayLSTM, DecayState
from cellstate.nn.foreign import from_keras, from_torch
from cellstate.nn.irregular import InputDecay
from cellstate.nn.lstm import LSTM
from cellstate.nn.observations import InputState
from cellstate.nn.onnx_export import to_onnx
from cellstate.nn.onnx_import import from_onnx
from cellstate.nn.quantized import QuantizedLSTM
from cellstate.nn.time_aware import TimeAwareLSTM, TimeState

__all__ = [
    "LSTM",
    "Chain",
    "DecayLSTM",
    "DecayState",
    "InputDecay",
    "InputState",
    "QuantizedLSTM",
    "TimeAwareLSTM",
    "TimeState",
    "from_keras",
    "from_onnx",
    "from_torch",
    "to_onnx",
]
