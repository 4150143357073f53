"""Trained networks run without torch: float32 NumPy arrays through the kernels of csrc."""

from cellstate.runtime.chain import Chain
from cellstate.runtime.state import FrameState, LSTMState, State

__all__ = ["Chain", "FrameState", "LSTMState", "State"]
