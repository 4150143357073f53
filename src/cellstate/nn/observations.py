"""What is known before each step of an irregular sequence, without a look ahead.

All of it is worked out for all steps at once: the place of a variable's last measurement before a
step is a running maximum over what was measured.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class InputState(NamedTuple):
    """What a sequence hands on about its measurements.

    `last` (B, I) is each variable's last measured value, or its mean before the first one; `since`
    (B, I) the time from there to the last step, or from the first step where nothing was measured;
    `time` (B,) the time of the last step, NaN before the first. Times are float64.
    """

    last: Tensor
    since: Tensor
    time: Tensor


class Observations(NamedTuple):
    """Each step's measurements, and what was known before it; all (T, B, I).

    `values` are zero where nothing was measured, `measured` is one where something was, else zero;
    `last` is the variable's last value before the step, `gaps` the time since then, zero in the
    padding.
    """

    values: Tensor
    measured: Tensor
    last: Tensor
    gaps: Tensor
    after: InputState


def observe(
    values: Tensor,
    before: InputState,
    *,
    times: Tensor | None,
    gaps: Tensor | None = None,
    mask: Tensor | None = None,
    valid: Tensor | None = None,
) -> Observations:
    """Find each variable's last measurement before each step.

    Parameters
    ----------
    values : Tensor
        (T, B, I), NaN where nothing was measured.
    before : InputState
        What was known before the first step.
    times : Tensor or None
        (T, B) float64, not decreasing; None where `gaps` are given.
    gaps : Tensor or None
        (T, B, I) of the values' dtype, where they are known already.
    mask : Tensor, optional
        (T, B, I) bool, False where a value was not measured either.
    valid : Tensor, optional
        (T, B) bool, False in the padding, which stands at the end of a row.

    Examples
    --------
    >>> values = torch.tensor([1.0, torch.nan, torch.nan, 4.0, torch.nan])[:, None, None]
    >>> start = InputState(torch.zeros(1, 1), torch.zeros(1, 1).double(), torch.tensor([torch.nan]))
    >>> times = torch.tensor([[0.0], [1.0], [3.0], [4.0], [4.5]]).double()
    >>> seen = observe(values, start, times=times)
    >>> seen.last.flatten().tolist(), seen.gaps.flatten().tolist()
    ([0.0, 1.0, 1.0, 1.0, 4.0], [0.0, 1.0, 3.0, 4.0, 0.5])
    """
    is_known = ~values.isnan()
    if mask is not None:
        is_known = is_known & mask
    if valid is not None:
        is_known = is_known & valid[..., None]
    # Products with zeros and ones, since a choice by `where` takes torch ten times as long.
    values = torch.nan_to_num(values, 0.0, torch.inf, -torch.inf)
    measured = is_known.view(torch.uint8).to(values.dtype)  # torch converts bool slowly
    if mask is not None or valid is not None:
        values = values.masked_fill(~is_known, 0)
    if values.shape[0] == 0:
        return Observations(values, measured, values, values, before)
    place = _places(is_known)
    known = torch.cat([before.last[None], values]).gather(0, place)
    if gaps is None:
        assert times is not None
        gaps, since, time = _gaps_of_times(times, place, before, valid)
        gaps = gaps.to(values.dtype)
    else:
        since, time = _since(gaps, place, valid), before.time
    if valid is not None:
        gaps = gaps.masked_fill(~valid[..., None], 0)  # those of the padding may be NaN
        since = torch.where(valid[0][:, None], since, before.since)
        time = torch.where(valid[0], time, before.time)
    return Observations(values, measured, known[:-1], gaps, InputState(known[-1], since, time))


def _places(is_known: Tensor) -> Tensor:
    """Say which step measured last, before each step and after all: (T + 1, B, I), 0 for none.

    Steps count from one. Each doubling looks twice as far back.
    """
    T = is_known.shape[0]
    dtype = torch.int16 if T < 2**15 else torch.int64
    steps = torch.arange(1, T + 1, dtype=dtype, device=is_known.device)[:, None, None]
    place = is_known.to(dtype) * steps
    back = 1
    while back < T:
        place = torch.cat([place[:back], torch.maximum(place[back:], place[:-back])])
        back *= 2
    return torch.cat([torch.zeros_like(place[:1]), place]).to(torch.int64)


def _gaps_of_times(
    times: Tensor, place: Tensor, before: InputState, valid: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Give the gap before each step, and after all of them since and time of `InputState`."""
    start = torch.where(before.time.isnan(), times[0], before.time)
    at = (start[:, None] - before.since)[None]
    moments = torch.cat([at, times[..., None].expand(-1, -1, at.shape[2])])
    when = moments.gather(0, place)
    time = times[-1] if valid is None else times.gather(0, _last_step(valid))[0]
    return times[..., None] - when[:-1], time[:, None] - when[-1], time


def _since(gaps: Tensor, place: Tensor, valid: Tensor | None) -> Tensor:
    """Give the time since the last measurement after all steps, (B, I), where gaps were given."""
    count = len(gaps) if valid is None else valid.sum(0)[:, None]
    last = None if valid is None else _last_step(valid)[..., None].expand_as(gaps[:1])
    gap = gaps[-1] if last is None else gaps.gather(0, last)[0]
    return torch.where(place[-1] == count, 0, gap.detach().double())


def _last_step(valid: Tensor) -> Tensor:
    """Give the number of each row's last step, (1, B), zero where it has none."""
    return (valid.sum(0, keepdim=True) - 1).clamp(min=0)
