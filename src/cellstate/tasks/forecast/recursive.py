"""The autoregressive network: one step of memory an observation, sampled paths for the horizon.

Before each observation y_t the network sees lags of the past (`lags.py`), the covariates known
for t and the static ones, and puts out the parameters of y_t's distribution. Forecasts draw paths:
each draw is observed in turn, as if it had happened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cellstate import network
from cellstate.runtime import Chain
from cellstate.tasks.forecast.intervals import rising
from cellstate.tasks.forecast.lags import CLIP, Lags
from cellstate.tasks.forecast.model import AbstractForecastModel, State, take
from cellstate.tasks.forecast.plan import Plan
from cellstate.tasks.forecast.running_scale import RunningScale
from cellstate.tasks.forecast.sampling import from_quantiles, negative_binomial, student_t
from cellstate.tasks.forecast.scaling import from_log, to_log

if TYPE_CHECKING:
    from cellstate import nn
    from cellstate.data import Panel

PATHS = 400
SEED = 20_011  # of the paths: a forecast is a function of the state
SMALLEST_SCALE = 1e-6  # as in `cellstate.nn.heads`


def describe(plan: Plan) -> tuple[network.Layer, ...]:
    """Say of which layers the network of a plan consists."""
    inputs = Lags.SIZE + plan.known + plan.static
    outputs = {"student_t": 3 + 1, "negative_binomial": 2, "quantiles": len(plan.taus) + 1}
    between = plan.dropout * (plan.layers > 1)
    return (
        network.LSTM("memory", inputs, plan.width, plan.layers, between),
        network.Dropout("drop", plan.dropout),
        network.Linear("head", plan.width, outputs[plan.distribution]),
    )


def build(plan: Plan) -> nn.Chain:
    """Make the trainable network."""
    from cellstate.nn import Chain

    return Chain(describe(plan))


def centred(plan: Plan) -> bool:
    """Whether values are measured from their level; counts are only divided by it.

    Where they are, the head's last output is the logit of a gate: how much of the value one season
    before the distribution starts from.
    """
    return plan.distribution != "negative_binomial"


def inward(plan: Plan, y: np.ndarray) -> np.ndarray:
    """Take the logarithm if the plan does; counts stay counts."""
    return to_log(y) if plan.log and centred(plan) else y


class RecursiveModel(AbstractForecastModel):
    """A trained recursive network; the state of a series is its memory cells and its lags."""

    rows_at_once = 256
    least_ahead = 1

    def __init__(
        self,
        plan: Plan,
        networks: tuple[dict[str, np.ndarray], ...],
        weights: str = "float32",
    ) -> None:
        self.plan = plan
        (tensors,) = networks
        self._chain = Chain(describe(plan), tensors, weights=weights)

    def start(self, series: int) -> State:
        """Begin with nothing known."""
        lags = Lags.start(series, self.plan.season)
        shape = (series, self.plan.layers, self.plan.width)
        return _pack(lags, np.zeros(shape, np.float32), np.zeros(shape, np.float32))

    def state_at(self, panel: Panel, series: np.ndarray, ends: np.ndarray) -> State:
        """Read histories into states."""
        every, at = np.unique(series, return_inverse=True)
        state = self.start(len(every))
        wanted = {name: values[at].copy() for name, values in state.items()}
        for step in range(int(ends.max(initial=0))):
            going = np.flatnonzero(panel.lengths[every] > step)
            rows = panel.offsets[every[going]] + step
            moved = self.advance(
                take(state, going),
                panel.target[rows],
                panel.past[rows],
                panel.future[rows],
                panel.static[every[going]],
            )
            for name, values in moved.items():
                state[name][going] = values
            arrived = np.flatnonzero(ends == step + 1)
            for name, values in wanted.items():
                values[arrived] = state[name][at[arrived]]
        return wanted

    def advance(
        self,
        state: State,
        y: np.ndarray,
        past: np.ndarray,
        known: np.ndarray,
        static: np.ndarray,
    ) -> State:
        """Move each state by one period."""
        _, _, state = self._read(state, known, static)
        return _observe(state, inward(self.plan, y), self.plan.recent)

    def _forecast(self, state: State, known: np.ndarray, static: np.ndarray) -> np.ndarray:
        rows, ahead = known.shape[:2]
        copies, width = np.arange(rows), 1  # the paths are one until the first draws are observed
        paths = np.empty((rows, ahead, PATHS))
        level, unit = _lags(state).anchor(centred(self.plan))
        # Draws feed the unit of the next ones: without an end, a path could run away.
        least = (level - CLIP * unit if centred(self.plan) else level)[:, None]
        most = (level + CLIP * unit)[:, None]
        rng = np.random.default_rng(SEED)
        for step in range(ahead):
            level, unit = _lags(state).anchor(centred(self.plan))
            raw, start, state = self._read(state, known[copies, step], static)
            moves = self._draw(raw.reshape(rows, width, -1), unit.reshape(rows, width), rng, step)
            y = np.clip((level + unit * start).reshape(rows, width) + moves, least, most)
            paths[:, step] = y
            if step + 1 == ahead:
                break
            if width == 1:
                copies, width = np.repeat(copies, PATHS), PATHS
                state, static = take(state, copies), static[copies]
            state = _observe(state, y.reshape(-1), self.plan.recent)
        quantiles = np.quantile(paths, self.plan.taus, axis=-1).transpose(1, 2, 0)
        return from_log(quantiles) if self.plan.log and centred(self.plan) else quantiles

    def _read(
        self, state: State, known: np.ndarray, static: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, State]:
        """Take one step of memory before an observation.

        Returns
        -------
        raw : np.ndarray
            (R, ·) parameters of the distribution.
        start : np.ndarray
            (R,) what it is measured from, in units from the level.
        state : State
            Moved in its memory cells, not yet in its lags.
        """
        features = _lags(state).features(centred(self.plan))
        inputs = np.concatenate([features, known, static], axis=1, dtype=np.float32)
        held = {"memory": (state["h"].swapaxes(0, 1), state["c"].swapaxes(0, 1))}
        raw, held = self._chain.step(inputs, held)
        h, c = (part.swapaxes(0, 1) for part in held["memory"])
        start = np.zeros(len(raw))
        if centred(self.plan):
            raw, gate = raw[:, :-1], raw[:, -1].astype(np.float64)
            start = features[:, Lags.SEASONAL] / (1 + np.exp(-gate))
        return raw, start, {**state, "h": h, "c": c}

    def _draw(
        self, raw: np.ndarray, unit: np.ndarray, rng: np.random.Generator, step: int
    ) -> np.ndarray:
        """Draw a move from the anchor for each path, (R, paths); `raw` may be of one for all."""
        raw = raw.astype(np.float64)
        u = 1 - rng.random((1, PATHS))  # (0, 1], the same for every row
        if self.plan.distribution == "student_t":
            freedom = 2 + np.logaddexp(raw[..., 0], 0)
            spread = np.logaddexp(raw[..., 2], 0) + SMALLEST_SCALE
            noise = student_t(u, rng.random((1, PATHS)), freedom)
            return unit * (raw[..., 1] + spread * noise)
        if self.plan.distribution == "negative_binomial":
            mean = unit * (np.logaddexp(raw[..., 0], 0) + SMALLEST_SCALE)
            shape = np.logaddexp(raw[..., 1], 0) + SMALLEST_SCALE
            mean, shape = (np.broadcast_to(part, (len(part), PATHS)) for part in (mean, shape))
            return negative_binomial(np.array([SEED]), step, mean, shape, PATHS)
        values = rising(raw, self.plan.taus)
        return unit * from_quantiles(u, values, np.asarray(self.plan.taus))


def _lags(state: State) -> Lags:
    scale = RunningScale(state["level"], state["spread"], state["count"])
    return Lags(state["recent"], scale)


def _pack(lags: Lags, h: np.ndarray, c: np.ndarray) -> State:
    scale = lags.scale
    held = {"level": scale.level, "spread": scale.spread, "count": scale.count}
    return {"recent": lags.recent, **held, "h": h, "c": c}


def _observe(state: State, y: np.ndarray, memory: int) -> State:
    return _pack(_lags(state).observe(y, memory), state["h"], state["c"])
