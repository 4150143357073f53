"""Modules: parameters, their initial values, state and layout, over the functions of `ops`."""

from cellstate.nn.chain import Chain
from cellstate.nn.lstm import LSTM

__all__ = ["LSTM", "Chain"]
