"""torch's LSTM on the CPU: oneDNN where it can, ATen otherwise."""

from __future__ import annotations

import torch

from cellstate.ops import torch_fused
from cellstate.ops.problem import Backend, Forward, Operands, Problem

# Rows up to which the cells one by one beat oneDNN, whose products are faster but which reorders
# the weights at each call: measured for H = 16 … 512, where they draw level at 24 … 128 rows.
_FEW_ROWS = 16
_DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


def why_not(problem: Problem) -> str | None:
    """Say in one sentence why torch's CPU path cannot run the problem, or None."""
    if problem.device != "cpu":
        return f"torch's CPU path takes tensors on cpu, these are on {problem.device}"
    if problem.dtype not in _DTYPES:
        return f"torch's CPU path has no {problem.dtype}"
    return torch_fused.why_not(problem)


def step(problem: Problem, operands: Operands) -> Forward:
    """Run one step without gradient, cell by cell where torch has such a cell and it is quicker."""
    plain = not (problem.proj_size or problem.lengths or problem.directions == 2)
    if plain and problem.batch <= _FEW_ROWS:
        return torch_fused.step(problem, operands)
    return torch_fused.forward(problem, operands)


BACKEND = Backend(name="torch", why_not=why_not, forward=torch_fused.forward, step=step)
