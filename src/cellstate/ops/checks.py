"""What must hold of the operands of a recurrence, checked once, at the public edge.

Both edges use these checks, `cellstate.ops.lstm` and `cellstate.nn.LSTM`, each with its own name
and its own order of axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from cellstate.errors import ArgumentTypeError, InputError, ShapeError, explain
from cellstate.ops.operators import define
from cellstate.ops.problem import Recompute


def describe(value: object) -> str:
    """Describe what was given: shape, dtype and device of a tensor, the type of anything else.

    Examples
    --------
    >>> describe(torch.zeros(2, 3))
    '(2, 3), float32 on cpu'
    >>> describe([1])
    'list'
    """
    if not isinstance(value, Tensor):
        return type(value).__name__
    dtype = str(value.dtype).removeprefix("torch.")
    return f"{tuple(value.shape)}, {dtype} on {value.device}"


def autocast_dtype(device: str) -> torch.dtype | None:
    """Give the dtype that autocast would convert to on a kind of device; None where it is off."""
    on = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
    return torch.get_autocast_dtype(device) if on else None


def check_tensor(where: str, name: str, value: object, form: str) -> Tensor:
    """Require a tensor of a floating dtype."""
    if not isinstance(value, Tensor):
        raise ArgumentTypeError(
            explain(
                where, f"{name} must be a tensor {form}", describe(value), "Use torch.as_tensor"
            )
        )
    if not value.is_floating_point():
        raise ShapeError(
            explain(
                where,
                f"{name} must be a tensor {form} of a floating dtype",
                describe(value),
                "Convert it with .float()",
            )
        )
    return value


def check_input(where: str, x: object, axes: str, features: int) -> Tensor:
    """Require an input of three axes, two of which `axes` names, the last of `features`."""
    form = f"({axes}, input={features})"
    x = check_tensor(where, "x", x, form)
    if x.dim() != 3 or x.shape[-1] != features:
        do = (
            f"Build the layer with input_size={x.shape[-1]} or project x to {features} features"
            if x.dim() == 3
            else "Add the missing axis with x.unsqueeze or merge those that are too many"
        )
        raise ShapeError(explain(where, f"x must be {form}", describe(x), do))
    return x


def check_like(where: str, name: str, value: Tensor, x: Tensor, *, dtype: bool = True) -> None:
    """Require the device of the input, and its dtype unless autocast will convert."""
    if value.device != x.device:
        raise ShapeError(
            explain(
                where,
                f"x and {name} must be on one device",
                f"x on {x.device}, {name} on {value.device}",
                "Move one of them with .to(device)",
            )
        )
    if dtype and value.dtype != x.dtype and autocast_dtype(x.device.type) is None:
        raise ShapeError(
            explain(
                where,
                f"x and {name} must have one dtype",
                f"x of {x.dtype}, {name} of {value.dtype}",
                f"Convert x with x.to({value.dtype}) or the layer with .to({x.dtype})",
            )
        )


def check_shape(where: str, name: str, value: Tensor, axes: str, sizes: Sequence[int]) -> None:
    """Require sizes, whose meaning `axes` names."""
    if tuple(value.shape) != tuple(sizes):
        raise ShapeError(
            explain(
                where,
                f"{name} must be ({axes}) = {tuple(sizes)}",
                describe(value),
                f"Give {name} these sizes, or build the layer for the ones it has",
            )
        )


def check_lengths(where: str, lengths: object, batch: int, steps: int) -> Tensor:
    """Require one number of valid steps for each row.

    Returns
    -------
    Tensor
        (B,) int64 on the CPU.
    """
    try:
        given = torch.as_tensor(lengths)
    except (TypeError, ValueError, RuntimeError) as problem:
        raise ArgumentTypeError(_bad_lengths(where, batch, steps, describe(lengths))) from problem
    integral = not (given.is_floating_point() or given.is_complex() or given.dtype == torch.bool)
    if not (integral or given.numel() == 0) or given.shape != (batch,):
        raise ShapeError(_bad_lengths(where, batch, steps, describe(given)))
    counts = given.detach().to("cpu", torch.int64)
    if torch.compiler.is_compiling():  # a graph has no values; they are checked when it runs
        return _counts_op(counts, steps, where)
    return _check_counts(counts, steps, where)


def _check_counts(counts: Tensor, steps: int, where: str) -> Tensor:
    """Require numbers of valid steps, (B,) int64 on the CPU, to be in 0 … `steps`."""
    values = counts
    while torch._C._functorch.is_batchedtensor(values):  # pyright: ignore
        values = cast("Tensor", torch._C._functorch.get_unwrapped(values))  # pyright: ignore
    low, high = (int(values.min()), int(values.max())) if values.numel() else (0, 0)
    if low < 0 or high > steps:
        wrong = f"a length of {low if low < 0 else high}"
        raise InputError(_bad_lengths(where, counts.shape[-1], steps, wrong))
    return counts


def _bad_lengths(where: str, batch: int, steps: int, given: str) -> str:
    must = f"lengths must be {batch} integers (one a row), each in 0 … {steps} (the time steps)"
    return explain(where, must, given, "Count the valid steps of each row, zero included")


def _own_counts(counts: Tensor, steps: int, where: str) -> Tensor:
    return _check_counts(counts, steps, where).clone()


def _fake_counts(counts: Tensor, steps: int, where: str) -> Tensor:
    return torch.empty_like(counts)


def _batched_counts(
    info: object, axes: tuple[int, None, None], counts: Tensor, steps: int, where: str
) -> tuple[Tensor, int]:
    """Check what `vmap` stacked along an axis."""
    return _counts_op(counts.movedim(axes[0], 0), steps, where), 0


_counts_op = define(
    "counts", "(Tensor counts, SymInt steps, str where) -> Tensor", _own_counts, _fake_counts
)
torch.library.register_vmap("cellstate::counts", _batched_counts)


def check_reset(where: str, reset: object, axes: str, sizes: Sequence[int], x: Tensor) -> Tensor:
    """Require a mask over the first two axes of the input."""
    # A message composed before it is needed would fix the sizes of a graph that is captured.
    wrong: type[InputError] | None = None
    if not isinstance(reset, Tensor):
        wrong = ArgumentTypeError
    elif reset.dtype != torch.bool or tuple(reset.shape) != tuple(sizes):
        wrong = ShapeError
    if wrong is not None:
        must = f"reset must be a bool tensor ({axes}) = {tuple(sizes)}"
        do = "Mark with True the steps before which the state starts anew"
        raise wrong(explain(where, must, describe(reset), do))
    assert isinstance(reset, Tensor)
    check_like(where, "reset", reset, x, dtype=False)
    return reset


def check_rate(where: str, rate: object) -> float:
    """Require a share in 0 … 1."""
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
        raise InputError(
            explain(
                where,
                "dropout must be a number in 0 … 1, the share of elements that are zeroed",
                repr(rate),
                "Use 0 for none",
            )
        )
    return float(rate)


def check_recompute(where: str, recompute: object) -> Recompute:
    """Require one of the three ways to spend time for memory."""
    if recompute is False or recompute is True or recompute == "sqrt":
        return cast("Recompute", recompute)
    raise InputError(
        explain(
            where,
            "recompute must be False, True or 'sqrt'",
            repr(recompute),
            "Use 'sqrt' for sequences that do not fit, True to halve the memory",
        )
    )


def check_keys(where: str, keys: object, cells: int) -> Tensor:
    """Require one key for each cell, (L·D,) int64 on the CPU."""
    given = keys if isinstance(keys, Tensor) else None
    fits = given is not None and given.dtype == torch.int64 and tuple(given.shape) == (cells,)
    if given is None or not fits or given.device.type != "cpu":
        must = f"keys must be ({cells},) int64 on the CPU, one for each cell"
        raise ShapeError(explain(where, must, describe(keys), "Use noise.draw_keys(cells)"))
    return given
