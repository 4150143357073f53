"""Trained networks run without torch: float32 NumPy arrays through the kernels of csrc."""

from cellstate.runtime.chain import Chain
from cellstate.runtime.moments import read_moment, show_moment
from cellstate.runtime.network_stream import NetworkStream
from cellstate.runtime.session import Session
from cellstate.runtime.snapshot import Snapshot
from cellstate.runtime.state import FrameState, LSTMState, State
from cellstate.runtime.stream import AbstractStream, Answer, Field, States

__all__ = [
    "AbstractStream",
    "Answer",
    "Chain",
    "Field",
    "FrameState",
    "LSTMState",
    "NetworkStream",
    "Session",
    "Snapshot",
    "State",
    "States",
    "read_moment",
    "show_moment",
]
