"""The recurrence as pure functions on tensors: no modules, no configuration, no files.

`lstm` is the public op; `backends.BACKENDS` lists what can run it.
"""

from cellstate.ops.lstm import lstm
from cellstate.ops.problem import CellWeights, LSTMResult, LSTMState, LSTMTrace

__all__ = ["CellWeights", "LSTMResult", "LSTMState", "LSTMTrace", "lstm"]
