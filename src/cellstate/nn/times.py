"""The times of irregular sequences: brought into the layout of the ops, and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from cellstate.errors import ArgumentTypeError, InputError, explain
from cellstate.nn import sequences
from cellstate.nn.sequences import Sequences
from cellstate.ops import checks
from cellstate.ops.problem import is_transformed


def read_sequences(
    where: str,
    values: Tensor,
    *,
    features: int,
    batch_first: bool,
    lengths: Tensor | Sequence[int] | int | None,
) -> Sequences:
    """Bring values into the layout of the ops; a packed sequence has no place for times."""
    if isinstance(values, PackedSequence):  # pyright: ignore[reportUnnecessaryIsInstance]
        must = "x must be a padded tensor, whose times stand beside it"
        do = "Unpack it with torch.nn.utils.rnn.pad_packed_sequence and give lengths"
        raise ArgumentTypeError(explain(where, must, "a PackedSequence", do))
    return sequences.read(
        where, values, features=features, batch_first=batch_first, lengths=lengths, reset=None
    )


def valid_steps(form: Sequences) -> Tensor | None:
    """Say which steps of which rows are no padding, (T, B) bool; None where all are."""
    if form.lengths is None:
        return None
    device = form.x.device
    return torch.arange(form.x.shape[0], device=device)[:, None] < form.lengths.to(device)


def read_times(where: str, times: object, form: Sequences, before: Tensor) -> Tensor:
    """Bring times into (T, B) float64, or count the steps where none are given.

    Parameters
    ----------
    where : str
        Who asks.
    times : Tensor, optional
        In the layout of the input's first two axes, integers or of a floating dtype.
    form : Sequences
        The input.
    before : Tensor
        Time of the step before the first, (B,) float64, NaN where there was none.

    Raises
    ------
    ShapeError, ArgumentTypeError, InputError
        They have the wrong type or shape, are not finite, or go back.
    """
    steps = form.x.shape[0]
    if times is None:
        first = torch.where(before.isnan(), 0.0, before + 1)
        return first + torch.arange(steps, device=form.x.device, dtype=torch.float64)[:, None]
    read = _numbers(where, "times", times, form).detach().to(torch.float64)
    if not (torch.compiler.is_compiling() or is_transformed()):
        earlier = torch.cat([before[None], read[:-1]]) if steps else read
        wrong = ~(read.abs() < torch.inf) | (read < earlier)
        do = "Sort each row by time, and leave out steps whose time is not known"
        _refuse_any(where, "times must be finite and must not decrease", wrong, form, do)
    return read


def read_gaps(where: str, gaps: object, form: Sequences) -> Tensor:
    """Bring gaps of each variable into (T, B, I), of the input's dtype; none is below zero."""
    read = _numbers(where, "gaps", gaps, form, (form.x.shape[2],))
    if not (torch.compiler.is_compiling() or is_transformed()):
        wrong = ~((read >= 0) & (read < torch.inf)).all(-1)
        do = "Count from each variable's last measurement, or give times"
        _refuse_any(where, "gaps must be finite and not negative", wrong, form, do)
    return read.to(form.x.dtype)


def read_mask(where: str, mask: object, form: Sequences) -> Tensor:
    """Bring a mask of what was measured into (T, B, I)."""
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        must = "mask must be a bool tensor, True where a variable was measured"
        raise ArgumentTypeError(explain(where, must, checks.describe(mask), "Compare it with zero"))
    return _time_major(where, "mask", mask, form, (form.x.shape[2],))


def _numbers(
    where: str, name: str, value: object, form: Sequences, last: tuple[int, ...] = ()
) -> Tensor:
    if not isinstance(value, Tensor) or value.is_complex() or value.dtype == torch.bool:
        must = f"{name} must be a tensor of numbers"
        raise ArgumentTypeError(explain(where, must, checks.describe(value), "Use torch.as_tensor"))
    return _time_major(where, name, value, form, last)


def _time_major(
    where: str, name: str, value: Tensor, form: Sequences, last: tuple[int, ...]
) -> Tensor:
    """Require the input's first axes, and those that `last` sizes, and make them (T, B, …)."""
    steps, batch = form.x.shape[:2]
    axes, sizes = {
        None: ("time", (steps,)),
        0: ("batch, time", (batch, steps)),
        1: ("time, batch", (steps, batch)),
    }[form.batch_axis]
    axes = f"{axes}, input" if last else axes
    checks.check_shape(where, name, value, axes, (*sizes, *last))
    checks.check_like(where, name, value, form.x, dtype=False)
    if form.batch_axis is None:
        return value.unsqueeze(1)
    return value.transpose(0, 1) if form.batch_axis == 0 else value


def _refuse_any(where: str, must: str, wrong_TB: Tensor, form: Sequences, do: str) -> None:
    """Name the first row and step that is wrong and no padding; never what it holds."""
    valid = valid_steps(form)
    wrong_TB = wrong_TB if valid is None else wrong_TB & valid
    if bool(wrong_TB.any()):
        row, step = (int(number) for number in wrong_TB.t().nonzero()[0])
        given = f"something else at row {row}, step {step} (from 0)"
        raise InputError(explain(where, must, given, do))


def read_state(
    where: str, state: object, sizes: Mapping[str, int | None], form: Sequences
) -> list[Tensor]:
    """Bring the parts of a state into (B, size), or (B,) where the size is None.

    `h` and `c` have an axis of one layer in front, as those of `cellstate.nn.LSTM`; `since` and
    `time` are float64, as times are. One sequence alone has no batch axis.
    """
    kind = checks.describe(state)
    if not isinstance(state, tuple | list) or len(cast("tuple[object]", state)) != len(sizes):
        must = f"state must be ({', '.join(sizes)}), as a call returns it"
        raise ArgumentTypeError(explain(where, must, kind, "Give all, or none"))
    batched = form.batch_axis is not None
    parts: list[Tensor] = []
    for (name, size), value in zip(sizes.items(), cast("tuple[object]", state), strict=True):
        axes = {"layer": 1} if name in ("h", "c") else {}
        axes |= {"batch": form.x.shape[1]} if batched else {}
        axes |= {} if size is None else {"size": size}
        label, shown = f"state.{name}", ", ".join(axes)
        part = checks.check_tensor(where, label, value, f"({shown})")
        checks.check_shape(where, label, part, shown, tuple(axes.values()))
        timed = name in ("since", "time")
        checks.check_like(where, label, part, form.x, dtype=not timed)
        part = part.to(torch.float64) if timed else part
        if "layer" in axes:
            part = part.squeeze(0) if batched else part
        elif not batched:
            part = part.unsqueeze(0)
        parts.append(part)
    return parts


def write_state(
    parts: Sequence[Tensor], names: Sequence[str], form: Sequences
) -> tuple[Tensor, ...]:
    """Bring the parts of a state into the form in which `read_state` takes them."""
    batched = form.batch_axis is not None
    written: list[Tensor] = []
    for name, part in zip(names, parts, strict=True):
        if name in ("h", "c"):
            part = part.unsqueeze(0) if batched else part
        elif not batched:
            part = part.squeeze(0)
        written.append(part)
    return tuple(written)


def write_steps(y: Tensor, form: Sequences) -> Tensor:
    """Bring (T, B, features) into the form in which the sequences came."""
    if form.batch_axis is None:
        return y.squeeze(1)
    return y.transpose(0, 1) if form.batch_axis == 0 else y
