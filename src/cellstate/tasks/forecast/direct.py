"""The default network: reads a window in segments and answers for the whole horizon at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cellstate import network
from cellstate.data.windows import gather_windows
from cellstate.runtime import Chain
from cellstate.tasks.forecast.intervals import rising
from cellstate.tasks.forecast.model import AbstractForecastModel, State
from cellstate.tasks.forecast.plan import Plan
from cellstate.tasks.forecast.scaling import WindowScale, to_log
from cellstate.tasks.forecast.spread import PARTS, Spread, SpreadSoFar

if TYPE_CHECKING:
    from cellstate.data import Panel
    from cellstate.nn.segments import SegmentNetwork

BIG = 30.0  # in units: far beyond any forecastable move


@dataclass(frozen=True)
class Description:
    """The network of a plan as layer descriptions."""

    encoder: tuple[network.Layer, ...]
    query: tuple[network.Layer, ...]
    position: network.Embedding
    decoder: tuple[network.Layer, ...]
    skip: tuple[network.Layer, ...]


def describe(plan: Plan) -> Description:
    """Say of which layers the network of a plan consists."""
    width = plan.width
    memory = network.LSTM("memory", width, width, plan.layers, plan.dropout * (plan.layers > 1))
    per_step = 2 + plan.past + plan.known
    known = plan.segment * (2 + plan.known) + plan.static
    return Description(
        encoder=(network.Linear("embed", plan.segment * per_step, width, "relu"), memory),
        query=(network.Linear("query", known, width),),
        position=network.Embedding("position", plan.answers, width),
        decoder=(
            memory,
            network.Dropout("drop", plan.dropout),
            network.Linear("head", width, plan.segment * (len(plan.taus) + 1)),
        ),
        skip=(network.Linear("skip", plan.context, plan.horizon),) if plan.line else (),
    )


def build(plan: Plan) -> SegmentNetwork:
    """Make the trainable network."""
    from cellstate.nn.segments import SegmentNetwork

    parts = describe(plan)
    return SegmentNetwork(parts.encoder, parts.query, parts.position, parts.decoder, parts.skip)


@dataclass(frozen=True)
class Encoded:
    """B windows as the network takes them.

    Attributes
    ----------
    segments : np.ndarray
        (S, B, features), float32.
    queries : np.ndarray
        (B, J, what is known of a segment to forecast), float32.
    base : np.ndarray
        (B, J · segment), normalised: each step's value one season before; the head adds to it.
    ahead : int
        Steps to forecast, at most the horizon.
    window : np.ndarray
        (B, L), normalised, 0 where missing.
    scale : WindowScale
    """

    segments: np.ndarray
    queries: np.ndarray
    base: np.ndarray
    ahead: int
    window: np.ndarray
    scale: WindowScale


def inward(plan: Plan, y: np.ndarray) -> np.ndarray:
    """Take the logarithm if the plan does."""
    return to_log(y) if plan.log else y


def encode(
    plan: Plan,
    y: np.ndarray,
    spread: np.ndarray,
    past: np.ndarray,
    known: np.ndarray,
    static: np.ndarray,
) -> Encoded:
    """Normalise windows and cut them into segments.

    Parameters
    ----------
    plan : Plan
    y : np.ndarray
        (B, L), NaN where missing.
    spread : np.ndarray
        (B,) deviation of the series so far, after the logarithm.
    past : np.ndarray
        (B, L, Cp), scaled, without NaN; as are the next two.
    known : np.ndarray
        (B, L + h, Cf), for a forecast of h steps, at most the horizon.
    static : np.ndarray
        (B, Cs)
    """
    rows, context = y.shape
    u = inward(plan, y)
    scale = WindowScale.of(u, spread, recent=plan.recent, far=plan.far, log=plan.log)
    seen = np.isfinite(u)
    z = np.clip(np.where(seen, scale.normalise(u), 0.0), -BIG, BIG).astype(np.float32)
    steps = np.concatenate(
        [z[..., None], seen[..., None], past, known[:, :context]], axis=-1, dtype=np.float32
    )
    count = context // plan.segment
    cut = steps[:, context - count * plan.segment :]
    segments = cut.reshape(rows, count, -1).swapaxes(0, 1)

    steps_ahead = known.shape[1] - context
    answers = math.ceil(steps_ahead / plan.segment)
    total = answers * plan.segment
    lag = context - plan.season + np.arange(total) % plan.season
    base, base_seen = z[:, lag], seen[:, lag].astype(np.float32)
    ahead = known[:, context : context + total]
    ahead = np.pad(ahead, ((0, 0), (0, total - ahead.shape[1]), (0, 0)), mode="edge")
    queries = np.concatenate([base[..., None], base_seen[..., None], ahead], axis=-1)
    queries = queries.reshape(rows, answers, -1)
    every = np.broadcast_to(static[:, None], (rows, answers, plan.static))
    queries = np.concatenate([queries, every], axis=-1, dtype=np.float32)
    return Encoded(np.ascontiguousarray(segments), queries, base, steps_ahead, z, scale)


def decode(plan: Plan, raw: np.ndarray, base: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Turn the head's outputs (B, J, ·) into normalised quantiles (B, h, Q), rising along Q.

    The last output of each step is the logit of a gate: how much of the value one season before
    (`base`) the forecast starts from. The linear part (B, h) moves all quantiles alike.
    """
    ahead = line.shape[1]
    raw = raw.reshape(len(raw), -1, len(plan.taus) + 1)[:, :ahead]
    gate = 1 / (1 + np.exp(-raw[..., -1:]))
    start = gate * base[:, :ahead, None] + line[..., None]
    return rising(raw[..., :-1], plan.taus) + start


def deviation(state: State) -> np.ndarray:
    """Give the deviation of each series so far, (R,)."""
    return _spread(state).deviation()


def _spread(state: State) -> Spread:
    return Spread(*(state[part] for part in PARTS))


class Network:
    """One trained network, run without torch."""

    def __init__(self, plan: Plan, tensors: dict[str, np.ndarray], weights: str) -> None:
        self.plan = plan
        parts = describe(plan)
        self._encoder = Chain(parts.encoder, tensors, weights=weights)
        self._query = Chain(parts.query, tensors)
        self._decoder = Chain(parts.decoder, tensors, weights=weights)
        self._skip = Chain(parts.skip, tensors) if parts.skip else None
        self._positions = tensors["position.weight"]

    def answer(self, encoded: Encoded) -> np.ndarray:
        """Give normalised quantiles, (B, h, Q)."""
        _, memory = self._encoder.sequence(encoded.segments)
        rows, answers, features = encoded.queries.shape
        queries, _ = self._query.sequence(encoded.queries.reshape(1, rows * answers, features))
        inputs = queries[0].reshape(rows, answers, -1) + self._positions[:answers]
        repeated = {
            name: (np.repeat(held[0], answers, axis=1), np.repeat(held[1], answers, axis=1))
            for name, held in memory.items()
        }
        raw, _ = self._decoder.step(inputs.reshape(rows * answers, -1), repeated)
        line = np.zeros((rows, encoded.ahead), np.float32)
        if self._skip is not None:
            line = self._skip.step(encoded.window, {})[0][:, : encoded.ahead]
        return decode(self.plan, raw.reshape(rows, answers, -1), encoded.base, line)


class DirectModel(AbstractForecastModel):
    """Trained direct networks, whose mean is the forecast; a series' state is its last window."""

    rows_at_once = 2048

    def __init__(
        self,
        plan: Plan,
        networks: tuple[dict[str, np.ndarray], ...],
        weights: str = "float32",
    ) -> None:
        self.plan = plan
        self._networks = [Network(plan, tensors, weights) for tensors in networks]
        self.least_ahead = plan.segment

    def state_at(self, panel: Panel, series: np.ndarray, ends: np.ndarray) -> State:
        """Read histories into states."""
        window = gather_windows(panel, series, ends, self.plan.context, 0)
        spread = SpreadSoFar.of(panel, inward(self.plan, panel.target)).at(series, ends)
        return {
            **vars(spread),
            "y": window["context"],
            "past": np.nan_to_num(window["past"]),
            "known": np.nan_to_num(window["future"]),
        }

    def start(self, series: int) -> State:
        """Begin with nothing known."""
        plan = self.plan
        return {
            **vars(Spread.start(series)),
            "y": np.full((series, plan.context), np.nan),
            "past": np.zeros((series, plan.context, plan.past), np.float32),
            "known": np.zeros((series, plan.context, plan.known), np.float32),
        }

    def advance(
        self,
        state: State,
        y: np.ndarray,
        past: np.ndarray,
        known: np.ndarray,
        static: np.ndarray,
    ) -> State:
        """Move each state by one period."""
        new = {"y": y, "past": np.nan_to_num(past), "known": np.nan_to_num(known)}
        spread = _spread(state).observe(inward(self.plan, y))
        shifted = {
            name: np.concatenate([state[name][:, 1:], values[:, None]], axis=1)
            for name, values in new.items()
        }
        return {**vars(spread), **shifted}

    def _forecast(self, state: State, known: np.ndarray, static: np.ndarray) -> np.ndarray:
        covariates = np.concatenate([state["known"], np.nan_to_num(known)], axis=1)
        encoded = encode(
            self.plan,
            state["y"],
            deviation(state),
            state["past"],
            covariates,
            np.nan_to_num(static),
        )
        z = np.mean([network.answer(encoded) for network in self._networks], axis=0)
        return encoded.scale.restore(z.astype(np.float64))
