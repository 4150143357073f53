"""Windows over a panel: made when asked for, never all at once."""

from __future__ import annotations

from typing import Literal

import numpy as np

from cellstate.data.panel import Panel
from cellstate.errors import InputError, explain

Bound = int | np.ndarray | None


class Windows:
    """Pairs of a context and the steps that follow it, over all series of a panel.

    A window is a series and a cutoff: the number of the series' rows that are known. The context
    is the last `context` of them, padded with missing values on the left where there are fewer.
    Windows without an observed value in the context or in the target are left out.

    Parameters
    ----------
    panel : Panel
    context, horizon : int
        Steps before and after the cutoff, at least 1.
    target_from, target_until : int or ndarray (N,), optional
        Rows of each series between which the whole target must lie; the context may reach back
        before them. Default: the whole series. Past the end counts as the end.
    stride : int
        Periods between cutoffs of one series, counted back from the last one.
    last : int, optional
        Keep only so many windows of each series, the latest.
    partial : bool
        Also windows whose target ends after the series does; what is beyond is missing.

    Raises
    ------
    InputError
        A length is not positive, or there is no window at all.

    Notes
    -----
    Memory is one integer a window. Order is by series, then by time.

    Examples
    --------
    >>> import polars
    >>> from cellstate.data.frames import to_panel
    >>> panel = to_panel(polars.DataFrame({"ds": range(5), "y": [1.0, 2.0, 3.0, 4.0, 5.0]}))
    >>> windows = Windows(panel, context=3, horizon=2)
    >>> len(windows), windows.gather([0])["context"].tolist()
    (3, [[nan, nan, 1.0]])
    """

    def __init__(
        self,
        panel: Panel,
        context: int,
        horizon: int,
        *,
        target_from: Bound = None,
        target_until: Bound = None,
        stride: int = 1,
        last: int | None = None,
        partial: bool = False,
    ) -> None:
        for name, length in (("context", context), ("horizon", horizon), ("stride", stride)):
            if not isinstance(length, (int, np.integer)) or length < 1:
                raise InputError(
                    explain("Windows", f"{name} must be 1 or more", repr(length), "Give an integer")
                )
        self.panel, self.context, self.horizon = panel, context, horizon
        lengths = panel.lengths
        begin = np.maximum(1, _bound(target_from, lengths, 1))
        end = np.minimum(lengths, _bound(target_until, lengths, lengths))
        last_cutoff = end - 1 if partial else end - horizon
        self._cutoffs, self._counts = _cutoffs(panel, begin, last_cutoff, context, horizon, stride)
        if last is not None:
            self._keep_last(last)
        self._starts = np.concatenate([[0], np.cumsum(self._counts)])
        if len(self) == 0:
            raise InputError(
                explain(
                    "Windows",
                    f"horizon={horizon} must leave a series at least one observed step before "
                    "the target and one in it",
                    f"series of at most {int(lengths.max())} steps",
                    "Give longer series or a smaller horizon",
                )
            )

    def _keep_last(self, last: int) -> None:
        ends = np.cumsum(self._counts)
        rank_from_end = np.repeat(ends, self._counts) - np.arange(len(self._cutoffs))
        self._cutoffs = self._cutoffs[rank_from_end <= last]
        self._counts = np.minimum(self._counts, last)

    def __len__(self) -> int:
        return len(self._cutoffs)

    @property
    def counts(self) -> np.ndarray:
        """Windows of each series, shape (N,)."""
        return self._counts

    def series(self, indices: np.ndarray | list[int]) -> np.ndarray:
        """Give the series' number of windows."""
        return np.searchsorted(self._starts, np.asarray(indices), side="right") - 1

    def cutoffs(self, indices: np.ndarray | list[int]) -> np.ndarray:
        """Give the number of known rows of windows."""
        return self._cutoffs[indices]

    def sample(
        self,
        rng: np.random.Generator,
        n: int,
        weights: Literal["windows", "series"] | np.ndarray = "windows",
    ) -> np.ndarray:
        """Draw `n` windows with replacement.

        Parameters
        ----------
        rng : Generator
        n : int
        weights : {"windows", "series"} or ndarray (N,)
            Each window is equally likely, or each series that has windows, or each series in
            proportion to its weight; windows of one series are equally likely.

        Returns
        -------
        ndarray (n,), int64
        """
        if isinstance(weights, str) and weights == "windows":
            return rng.integers(len(self), size=n)
        share = (self._counts > 0) * (1.0 if isinstance(weights, str) else np.asarray(weights))
        chosen = rng.choice(len(share), size=n, p=share / share.sum())
        return self._starts[chosen] + rng.integers(self._counts[chosen])

    def gather(self, indices: np.ndarray | list[int]) -> dict[str, np.ndarray]:
        """Make windows, see `gather_windows`; also their `series` and `cutoff`, (n,)."""
        series, cutoffs = self.series(indices), self.cutoffs(indices)
        arrays = gather_windows(self.panel, series, cutoffs, self.context, self.horizon)
        return {"series": series, "cutoff": cutoffs, **arrays}


def gather_windows(
    panel: Panel, series: np.ndarray, cutoffs: np.ndarray, context: int, horizon: int
) -> dict[str, np.ndarray]:
    """Make windows at any cutoff, also at the very end of a series.

    Parameters
    ----------
    panel : Panel
    series, cutoffs : ndarray (n,)
        Numbers of series, and how many of each one's rows are known.
    context, horizon : int

    Returns
    -------
    dict of ndarray
        `context` (n, context) and `target` (n, horizon), float64 and NaN where missing, with
        `context_mask` and `target_mask`, true where observed; `past` (n, context, covariates),
        `future` (n, context + horizon, covariates) and `static` (n, covariates), float32 and NaN
        where missing or outside the series.
    """
    steps = np.arange(-context, horizon)
    within = cutoffs[:, None] + steps
    first, length = panel.offsets[series], panel.lengths[series]
    outside = (within < 0) | (within >= length[:, None])
    rows = np.where(outside, 0, first[:, None] + within)
    values = np.where(outside, np.nan, panel.target[rows])
    observed = ~np.isnan(values)
    windows = {
        "context": values[:, :context],
        "context_mask": observed[:, :context],
        "target": values[:, context:],
        "target_mask": observed[:, context:],
        "past": panel.past[rows[:, :context]],
        "future": panel.future[rows],
        "static": panel.static[series],
    }
    windows["past"][outside[:, :context]] = np.nan
    windows["future"][outside] = np.nan
    return windows


def split_windows(
    panel: Panel, context: int, horizon: int, validation: int, *, stride: int = 1
) -> tuple[Windows, Windows | None]:
    """Split into training windows and those whose target lies in the last steps of a series.

    No training window sees a validation step, not even in its target. A series too short for
    both gives training windows alone.

    Parameters
    ----------
    panel : Panel
    context, horizon : int
    validation : int
        Steps at the end of each series; fewer than `horizon` count as `horizon`.
    stride : int
        Of the validation windows.

    Returns
    -------
    train : Windows
    valid : Windows or None
        None where no series is long enough for both.
    """
    border = rows_to_learn(panel.lengths, horizon, validation)
    train = Windows(panel, context, horizon, target_until=border)
    if (border == panel.lengths).all():
        return train, None
    valid_from = np.where(border == panel.lengths, panel.lengths + 1, border)
    if not has_windows(panel, context, horizon, target_from=valid_from):
        return train, None
    return train, Windows(panel, context, horizon, target_from=valid_from, stride=stride)


def rows_to_learn(lengths: np.ndarray, horizon: int, validation: int) -> np.ndarray:
    """Count the first rows of each series that training may see: those before its validation.

    A series too short for both is learnt from whole.

    Examples
    --------
    >>> rows_to_learn(np.array([20, 6]), horizon=3, validation=4)
    array([16,  6])
    """
    border = lengths - max(validation, horizon)
    return np.where(border > horizon, border, lengths)


def has_windows(panel: Panel, context: int, horizon: int, *, target_from: Bound = None) -> bool:
    """Whether `Windows` of these lengths would find any."""
    begin = np.maximum(1, _bound(target_from, panel.lengths, 1))
    _, counts = _cutoffs(panel, begin, panel.lengths - horizon, context, horizon, 1)
    return bool(counts.any())


def _bound(given: Bound, lengths: np.ndarray, default: int | np.ndarray) -> np.ndarray:
    return np.broadcast_to(np.asarray(default if given is None else given), lengths.shape)


def _cutoffs(
    panel: Panel, begin: np.ndarray, end: np.ndarray, context: int, horizon: int, stride: int
) -> tuple[np.ndarray, np.ndarray]:
    """List the cutoffs from `begin` to `end`, inclusive, that have something to learn from."""
    counts = np.maximum(0, (end - begin) // stride + 1)
    series = np.repeat(np.arange(len(panel)), counts)
    number = np.arange(len(series)) - np.repeat(np.cumsum(counts) - counts, counts)
    cutoffs = end[series] - (counts[series] - 1 - number) * stride
    missing = np.isnan(panel.target)
    if not missing.any():
        return cutoffs, counts
    observed = np.concatenate([[0], np.cumsum(~missing)])
    first, last = panel.offsets[series], panel.offsets[series + 1]
    known = observed[first + cutoffs] - observed[np.maximum(first, first + cutoffs - context)]
    to_learn = observed[np.minimum(last, first + cutoffs + horizon)] - observed[first + cutoffs]
    kept = (known > 0) & (to_learn > 0)
    return cutoffs[kept], np.bincount(series[kept], minlength=len(panel))
