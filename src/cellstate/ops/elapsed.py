"""The op for irregular time: a plain cell, and a change of its state before each step.

Equations stand in `cellstate.ops.between`. On the CPU, in float32 and float64, a step is one call
of the kernels, forward and backward, and the gradients of the weights and of the input are
products over all steps at once (`cellstate.ops.cpu_elapsed`). Elsewhere the eager loop runs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cellstate.ops import checks, cpu_elapsed
from cellstate.ops.between import Change, Decay, Discount, Given, Steps, loop
from cellstate.ops.problem import CellWeights, is_transformed


def run(
    x: Tensor,
    h: Tensor,
    c: Tensor,
    weights: CellWeights,
    change: Change,
    lengths: Tensor | None = None,
    *,
    beside: Tensor | None = None,
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
    beside : Tensor, optional
        Further features (T, B, J) after those of `x`, such as masks; they carry no gradient, which
        saves the time for it.

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
    beside = None if beside is None else beside.detach()
    given = Given(x, h, c, weights, change, beside, lengths)
    if checks.autocast_dtype(x.device.type) is not None:
        dtype = weights.weight_hh.dtype
        given = given.with_tensors([None if t is None else t.to(dtype) for t in given.tensors()])
    with torch.autocast(x.device.type, enabled=False):
        return (cpu_elapsed.run if _fits_kernels(given) else loop)(given)


def _fits_kernels(given: Given) -> bool:
    """Say whether the CPU kernels can read the tensors: plain ones of one dtype, no graph's."""
    tensors, dtype = [t for t in given.tensors() if t is not None], given.x.dtype
    return (
        dtype in (torch.float32, torch.float64)
        and given.x.shape[0] * given.x.shape[1] > 0
        and all(t.dtype == dtype and t.device.type == "cpu" for t in tensors)
        and all(type(t) is Tensor or type(t) is torch.nn.Parameter for t in tensors)
        and not torch.compiler.is_compiling()
        and not is_transformed()
    )


__all__ = ["Change", "Decay", "Discount", "Steps", "run"]
