"""Which backend runs a problem: the list, the choice, and the table that explains it."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch

from cellstate.errors import InputError, did_you_mean, explain
from cellstate.ops import cpu, cudnn, reference, torch_cpu
from cellstate.ops.problem import Backend, Problem

# In order of preference: `auto` takes the first that can. The reference can always.
BACKENDS: tuple[Backend, ...] = (
    cudnn.BACKEND,
    cpu.BACKEND,
    torch_cpu.BACKEND,
    reference.BACKEND,
)


def select(name: str, problem: Problem) -> Backend:
    """Choose the backend that runs a problem.

    Parameters
    ----------
    name : str
        ``"auto"``, or the name of one of `BACKENDS`.
    problem : Problem
        What is to be run.

    Raises
    ------
    InputError
        No backend has this name, or the one that has it cannot run the problem.

    Examples
    --------
    >>> import torch
    >>> problem = Problem("cpu", torch.float32, steps=5, batch=2, input_size=3, hidden_size=4)
    >>> select("auto", problem).name
    'cpu'
    >>> select("auto", replace(problem, dtype=torch.bfloat16)).name
    'torch'
    """
    if name == "auto":
        return next(backend for backend in BACKENDS if backend.why_not(problem) is None)
    check_name("LSTM", name)
    chosen = next(backend for backend in BACKENDS if backend.name == name)
    if reason := chosen.why_not(problem):
        raise InputError(
            explain(
                "LSTM",
                f"the backend {name!r} must be able to run the call",
                f"one that it cannot: {reason}",
                "Use backend='auto', which takes the first that can",
            )
        )
    return chosen


def check_name(where: str, name: object) -> None:
    """Refuse a backend that does not exist.

    Raises
    ------
    InputError
        It is neither ``"auto"`` nor in `BACKENDS`.
    """
    names = ("auto", *(backend.name for backend in BACKENDS))
    if name not in names:
        raise InputError(
            explain(
                where,
                "backend must be " + " or ".join(map(repr, names)),
                repr(name),
                did_you_mean(str(name), names),
            )
        )


class Row(NamedTuple):
    """One cell of the table of `cellstate doctor`."""

    problem: str
    backend: str
    reason: str | None  # why not; None where the backend can
    chosen: bool  # by `auto`


def explain_table() -> list[Row]:
    """Say for typical problems which backend can run them, which one does, and why not the others.

    Returns
    -------
    list of Row
        One row for each pair of problem and backend, problem by problem.

    Examples
    --------
    >>> for row in explain_table()[:4]:
    ...     print(row.problem, "|", row.backend, "|", row.reason, "|", row.chosen)
    cpu float32 inference | cudnn | cuDNN takes tensors on a CUDA device, these are on cpu | False
    cpu float32 inference | cpu | None | True
    cpu float32 inference | torch | None | False
    cpu float32 inference | reference | None | False
    """
    rows: list[Row] = []
    for label, problem in _typical():
        chosen = select("auto", problem)
        rows.extend(
            Row(label, backend.name, backend.why_not(problem), backend is chosen)
            for backend in BACKENDS
        )
    return rows


def _typical() -> list[tuple[str, Problem]]:
    """List the problems that `explain_table` shows."""
    plain = Problem("cpu", torch.float32, steps=100, batch=32, input_size=64, hidden_size=64)
    kinds = [
        ("float32 inference", plain),
        ("float32 single step", replace(plain, steps=1, batch=1)),
        ("float32 training", replace(plain, needs_grad=True)),
        ("float64 training", replace(plain, needs_grad=True, dtype=torch.float64)),
        ("bfloat16 training", replace(plain, needs_grad=True, dtype=torch.bfloat16)),
        ("bidirectional, two layers", replace(plain, directions=2, layers=2)),
        ("projection", replace(plain, proj_size=32)),
        ("lengths", replace(plain, lengths=True)),
        ("reset", replace(plain, reset=True)),
        ("trace", replace(plain, trace=True)),
    ]
    return [
        (f"{device} {label}", replace(problem, device=device))
        for device in ("cpu", "cuda")
        for label, problem in kinds
    ]
