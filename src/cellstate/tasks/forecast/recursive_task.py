"""How the recursive network is trained: stretches of the past, likelihood of each observation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from cellstate.tasks.forecast.lags import CLIP, Lags
from cellstate.tasks.forecast.plan import Plan
from cellstate.tasks.forecast.recursive import centred, inward

if TYPE_CHECKING:
    import torch

    from cellstate.data import Panel
    from cellstate.data.windows import Windows
    from cellstate.train import StepLoss

VALID_ROWS = 256
MOST_VALID = 2048
FEWEST_SEEN = 2  # observations before a series has a spread to speak of


class RecursiveTask:
    """Stretches of `context + horizon` observations as batches, and their likelihood.

    Training counts every observation of a stretch; validation only those of the horizon.
    """

    def __init__(
        self,
        plan: Plan,
        panel: Panel,
        train: Windows,
        valid: Windows | None,
        *,
        batch_size: int,
        steps_per_epoch: int,
    ) -> None:
        self.plan, self.train, self.valid = plan, train, valid
        self.batch_size, self._steps = batch_size, steps_per_epoch
        self._inputs, self._target, self._unit = read(plan, panel)
        self._offsets, self._lengths = panel.offsets, panel.lengths

    def train_batches(self, rng: np.random.Generator) -> Iterator[dict[str, np.ndarray]]:
        """Yield one epoch of batches."""
        for _ in range(self._steps):
            yield self._batch(self.train, self.train.sample(rng, self.batch_size), 0)

    def valid_batches(self) -> Iterator[dict[str, np.ndarray]]:
        """Yield the validation stretches, evenly thinned where there are very many."""
        if self.valid is None:
            return
        count = min(len(self.valid), MOST_VALID)
        chosen = np.linspace(0, len(self.valid) - 1, count).round().astype(np.int64)
        for start in range(0, count, VALID_ROWS):
            yield self._batch(self.valid, chosen[start : start + VALID_ROWS], self.plan.context)

    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return self._steps

    def loss(self, model: torch.nn.Module, batch: dict[str, torch.Tensor], state: Any) -> StepLoss:
        """Score each observation under the distribution that the past gave it."""
        import torch

        from cellstate.nn import heads, losses
        from cellstate.train import StepLoss

        raw, _ = model(batch["inputs"].transpose(0, 1))
        raw, target = raw.transpose(0, 1), batch["target"]
        count = torch.isfinite(target).sum()
        if self.plan.distribution == "negative_binomial":
            counts = heads.NegativeBinomial.from_raw(raw, scale=batch["unit"])
            return StepLoss(losses.negative_log_likelihood(counts, target), count)
        raw, start = raw[..., :-1], raw[..., -1].sigmoid() * batch["inputs"][..., Lags.SEASONAL]
        if self.plan.distribution == "student_t":
            distribution = heads.StudentT.from_raw(raw, shift=start)
            loss = losses.negative_log_likelihood(distribution, target)
        else:
            median = self.plan.taus.index(0.5)
            quantiles = heads.monotone_quantiles(raw, median=median) + start[..., None]
            loss = losses.pinball(quantiles, target, self.plan.taus)
        return StepLoss(loss, count)

    def _batch(self, windows: Windows, indices: np.ndarray, skip: int) -> dict[str, np.ndarray]:
        series, cutoffs = windows.series(indices), windows.cutoffs(indices)
        steps = np.arange(-self.plan.context, self.plan.horizon)
        within = cutoffs[:, None] + steps
        outside = (within < 0) | (within >= self._lengths[series][:, None])
        rows = np.where(outside, 0, self._offsets[series][:, None] + within)
        target = np.where(outside, np.float32(np.nan), self._target[rows])
        target[:, :skip] = np.nan
        inputs = np.where(outside[..., None], np.float32(0), self._inputs[rows])
        return {"inputs": inputs, "target": target, "unit": self._unit[rows]}


def read(plan: Plan, panel: Panel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read a panel, with scaled covariates, as the network sees it: causally, row by row.

    Returns
    -------
    inputs : np.ndarray
        (rows, features) float32.
    target : np.ndarray
        (rows,) float32: what the head is to say of each observation, NaN where missing or where
        too little came before it; counts stay counts.
    unit : np.ndarray
        (rows,) float32, by which the head's mean of counts is multiplied.
    """
    rows = len(panel.target)
    own = np.zeros((rows, Lags.SIZE), np.float32)
    target, unit = np.full(rows, np.nan, np.float32), np.ones(rows, np.float32)
    lags = Lags.start(len(panel), plan.season)
    series = np.arange(len(panel))
    for step in range(int(panel.lengths.max())):
        going = panel.lengths[series] > step
        if not going.all():
            series, lags = series[going], lags.take(np.flatnonzero(going))
        at = panel.offsets[series] + step
        y = inward(plan, panel.target[at])
        level, width = lags.anchor(centred(plan))
        own[at] = lags.features(centred(plan))
        unit[at] = width
        said = np.clip((y - level) / width, -CLIP, CLIP) if centred(plan) else y
        target[at] = np.where(lags.scale.count >= FEWEST_SEEN, said, np.nan)
        lags = lags.observe(y, plan.recent)
    owner = np.repeat(np.arange(len(panel)), panel.lengths)
    inputs = np.concatenate([own, panel.future, panel.static[owner]], axis=1, dtype=np.float32)
    return inputs, target, unit
