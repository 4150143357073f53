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

    `values` are zero where nothing was measured, `measured` says where something was, `last` is the
    variable's last value before the step, `gaps` the time since then.
    """

    values: Tensor
    measured: Tensor
    last: Tensor
    gaps: Tensor
    after: InputState


def observe(
    values: Tensor,
    measured: Tensor,
    before: InputState,
    *,
    times: Tensor | None,
    gaps: Tensor | None,
    lengths: Tensor | None,
) -> Observations:
    """Find each variable's last measurement before each step.

    Parameters
    ----------
    values : Tensor
        (T, B, I), anything where `measured` is False.
    measured : Tensor
        (T, B, I) bool, False in the padding.
    before : InputState
        What was known before the first step.
    times : Tensor or None
        (T, B) float64, not decreasing; None where `gaps` are given.
    gaps : Tensor or None
        (T, B, I) of the values' dtype, where they are known already.
    lengths : Tensor, optional
        Valid steps of each row, (B,) int64 on the device of `values`.

    Examples
    --------
    >>> values = torch.tensor([1.0, torch.nan, torch.nan, 4.0, torch.nan])[:, None, None]
    >>> start = InputState(torch.zeros(1, 1), torch.zeros(1, 1).double(), torch.tensor([torch.nan]))
    >>> times = torch.tensor([[0.0], [1.0], [3.0], [4.0], [4.5]]).double()
    >>> seen = observe(values, ~values.isnan(), start, times=times, gaps=None, lengths=None)
    >>> seen.last.flatten().tolist(), seen.gaps.flatten().tolist()
    ([0.0, 1.0, 1.0, 1.0, 4.0], [0.0, 1.0, 3.0, 4.0, 0.5])
    """
    T = values.shape[0]
    values = torch.where(measured, values, 0)
    known = torch.cat([before.last[None], values])  # the state is what stands before all steps
    end = None if lengths is None else (lengths - 1).clamp(min=0)
    some = None if lengths is None else (lengths > 0)[:, None]
    if T == 0:
        return Observations(values, measured, known[:0], known[:0], before)
    if times is not None:
        start = torch.where(before.time.isnan(), times[0], before.time).nan_to_num()
        at = (start[:, None] - before.since)[None]
        marks = torch.where(measured, times[..., None], -torch.inf)
        when, place = torch.cat([at, marks]).cummax(0)
        gaps = (times[..., None] - when[:-1]).to(values.dtype)
        time = times[-1] if end is None else times.gather(0, end[None])[0]
        since = time[:, None] - when[-1]
    else:
        assert gaps is not None
        steps = torch.arange(1, T + 1, device=values.device)[:, None, None]
        marks = torch.where(measured, steps, 0)
        place = torch.cat([torch.zeros_like(marks[:1]), marks]).cummax(0).values
        count = torch.full_like(place[0, :, 0], T) if lengths is None else lengths
        rows = None if end is None else end[None, :, None].expand_as(gaps[:1])
        of_last = gaps[-1] if rows is None else gaps.gather(0, rows)[0]
        since = torch.where(place[-1] == count[:, None], 0, of_last.detach().double())
        time = before.time
    last = known.gather(0, place)
    if some is not None and lengths is not None:
        valid = torch.arange(T, device=values.device)[:, None] < lengths
        gaps = torch.where(valid[..., None], gaps, 0)  # those of the padding may be NaN
        since = torch.where(some, since, before.since)
        time = torch.where(some[:, 0], time, before.time)
    return Observations(values, measured, last[:-1], gaps, InputState(last[-1], since, time))
