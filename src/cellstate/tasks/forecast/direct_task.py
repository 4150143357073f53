"""How the direct network is trained: windows in, pinball loss out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from cellstate.tasks.forecast.direct import encode, inward
from cellstate.tasks.forecast.plan import Plan
from cellstate.tasks.forecast.spread import SpreadSoFar

if TYPE_CHECKING:
    import torch

    from cellstate.data.windows import Windows
    from cellstate.train import StepLoss

MEDIAN_WEIGHT = 1.0  # of the median's own absolute error, beside the mean over all quantiles
VALID_ROWS = 512  # in one validation batch
MOST_VALID = 1536  # validation windows looked at in one pass


class DirectTask:
    """Windows of a panel as batches, and their loss, in the unit of each series.

    A training window is measured by the whole training part of its series: what little precedes an
    early one says too little of how far a long horizon leads. Validation is measured as forecasts
    are, by what precedes the window.
    """

    def __init__(
        self,
        plan: Plan,
        train: Windows,
        valid: Windows | None,
        *,
        batch_size: int,
        steps_per_epoch: int,
    ) -> None:
        self.plan, self.train, self.valid = plan, train, valid
        self.batch_size, self._steps = batch_size, steps_per_epoch
        self._spread = SpreadSoFar.of(train.panel, inward(plan, train.panel.target))
        self._learnt = _ends(train)

    def train_batches(self, rng: np.random.Generator) -> Iterator[dict[str, np.ndarray]]:
        """Yield one epoch of batches."""
        for _ in range(self._steps):
            yield self._batch(self.train, self.train.sample(rng, self.batch_size))

    def valid_batches(self) -> Iterator[dict[str, np.ndarray]]:
        """Yield the validation windows, evenly thinned where there are very many."""
        if self.valid is None:
            return
        count = min(len(self.valid), MOST_VALID)
        chosen = np.linspace(0, len(self.valid) - 1, count).round().astype(np.int64)
        for start in range(0, count, VALID_ROWS):
            yield self._batch(self.valid, chosen[start : start + VALID_ROWS])

    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return self._steps

    def loss(self, model: torch.nn.Module, batch: dict[str, torch.Tensor], state: Any) -> StepLoss:
        """Compare the network's quantiles with the truth."""
        import torch

        from cellstate.nn.heads import monotone_quantiles
        from cellstate.train import StepLoss

        plan = self.plan
        raw, line = model(batch["segments"], batch["queries"], batch["window"])
        raw = raw.reshape(len(raw), -1, len(plan.taus) + 1)[:, : plan.horizon]
        middle = plan.taus.index(0.5)
        start = raw[..., -1:].sigmoid() * batch["base"][..., None]
        if line is not None:
            start = start + line[..., None]
        quantiles = monotone_quantiles(raw[..., :-1], median=middle) + start
        taus = torch.tensor(plan.taus, device=raw.device)
        seen = torch.isfinite(batch["target"])
        target = torch.where(seen, batch["target"], 0.0)
        error = target[..., None] - quantiles
        per_step = torch.maximum(taus * error, (taus - 1) * error).mean(-1)
        per_step = per_step + MEDIAN_WEIGHT * 0.5 * error[..., middle].abs()
        count = seen.sum()
        return StepLoss(torch.where(seen, per_step, 0.0).sum() / count.clamp_min(1), count)

    def _batch(self, windows: Windows, indices: np.ndarray) -> dict[str, np.ndarray]:
        raw = windows.gather(indices)
        is_training = windows is self.train
        seen_until = self._learnt[raw["series"]] if is_training else raw["cutoff"]
        plan = self.plan
        encoded = encode(
            plan,
            raw["context"],
            self._spread.at(raw["series"], seen_until).deviation(),
            np.nan_to_num(raw["past"]),
            np.nan_to_num(raw["future"]),
            np.nan_to_num(raw["static"]),
        )
        target = inward(plan, raw["target"])
        return {
            "segments": encoded.segments,
            "queries": encoded.queries,
            "base": encoded.base[:, : plan.horizon],
            "window": encoded.window,
            "target": encoded.scale.normalise(target).astype(np.float32),
        }


def _ends(windows: Windows) -> np.ndarray:
    """Give the last row of each series that a window touches, (N,); 0 where there is none."""
    ends = np.zeros(len(windows.panel), dtype=np.int64)
    last = np.cumsum(windows.counts) - 1
    has = windows.counts > 0
    ends[has] = windows.cutoffs(last[has]) + windows.horizon
    return ends
