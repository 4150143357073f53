"""The op for irregular time: a plain cell, and a change of its state before each step.

Equations stand in `cellstate.ops.between`. On the CPU, in float32 and float64, a step is one call
of the kernels, forward and backward, and the gradients of the weights and of the input are
products over all steps at once (`cellstate.ops.cpu_elapsed`). Elsewhere the eager loop runs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cellstate.ops import checks, cpu_elapsed
from cellstate.ops.between import Change, Decay, Discount, Steps, loop
from cellstate.ops.problem import CellWeights, is_transformed


def run(
    x: Tensor,
    h: Tensor,
    c: Tensor,
    weights: CellWeights,
    change: Change,
    lengths: Tensor | None = None,
) -> Steps:
    """Run a plain cell over sequences, with a change of its state before each step.

    Parameters
    ----------
    x : Tensor
        Input (T, B, I).
    h, c : Tensor
        State before the first change, each (B, H).
    weights : CellWeights
        Parameters of the cell, without projection, peepholes or norms.
    change : Decay or Discount
        What happens before each step, the first included.
    lengths : Tensor, optional
        Valid steps of each row, (B,) int64 on the CPU, each in 0 … T. NaN beyond reaches nothing.

    Returns
    -------
    Steps
        Outputs and final state.

    Notes
    -----
    Autocast is left at the door: a product of halves is no faster in a loop of small steps.

    Examples
    --------
    One unit whose gates are half open, and whose cell is halved before the second step:

    >>> cell = CellWeights(torch.tensor([[0.], [0.], [1.], [0.]]), torch.zeros(4, 1))
    >>> x, zero = torch.ones(2, 1, 1), torch.zeros(1, 1)
    >>> whole = run(x, zero, zero, cell, Decay(None, torch.full((2, 1, 1), 1.0)))
    >>> halved = run(x, zero, zero, cell, Decay(None, torch.full((2, 1, 1), 0.5)))
    >>> round(float(whole.c), 4), round(float(halved.c), 4)
    (0.5712, 0.476)
    """
    device = x.device
    if checks.autocast_dtype(device.type) is not None:
        dtype = weights.weight_hh.dtype
        x, h, c = x.to(dtype), h.to(dtype), c.to(dtype)
        change = type(change)(*(None if t is None else t.to(dtype) for t in change))
    with torch.autocast(device.type, enabled=False):
        if lengths is None:
            return _run(x, h, c, weights, change, None)
        valid_TB = torch.arange(x.shape[0], device=device)[:, None] < lengths.to(device)
        begun = (lengths > 0).to(device)[:, None]
        # NaN in the padding, or in a state that no step sees, may not meet a product over all rows.
        x = torch.where(valid_TB[..., None], x, 0)
        seen = torch.where(begun, h, 0), torch.where(begun, c, 0)
        steps = _run(x, *seen, weights, change.only(valid_TB), lengths)
        return Steps(steps.y, torch.where(begun, steps.h, h), torch.where(begun, steps.c, c))


def _run(
    x: Tensor, h: Tensor, c: Tensor, weights: CellWeights, change: Change, lengths: Tensor | None
) -> Steps:
    tensors = [x, h, c, *(t for t in (*weights, *change) if t is not None)]
    if _fits_kernels(tensors) and x.shape[0] * x.shape[1] > 0:
        return cpu_elapsed.run(x, h, c, weights, change, lengths)
    return loop(x, h, c, weights, change, lengths)


def _fits_kernels(tensors: list[Tensor]) -> bool:
    """Say whether the CPU kernels can read the tensors: plain ones of one dtype, no graph's."""
    dtype = tensors[0].dtype
    return (
        dtype in (torch.float32, torch.float64)
        and all(t.dtype == dtype and t.device.type == "cpu" for t in tensors)
        and all(type(t) is Tensor or type(t) is torch.nn.Parameter for t in tensors)
        and not torch.compiler.is_compiling()
        and not is_transformed()
    )


__all__ = ["Change", "Decay", "Discount", "Steps", "run"]
