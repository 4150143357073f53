"""What a language model thinks of one running text: log p of each token after all before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cellstate.errors import InputError, explain
from cellstate.tasks.text.language.reader import AbstractReader, State

MOST_NUMBERS = 4_000_000
"""Log probabilities held at once."""
MOST_STEPS = 1024


@dataclass(frozen=True)
class NeuralCache:
    r"""Remember what followed when the memory looked as it does now.

    .. math:: p(w) = (1 - \lambda)\,p_{LSTM}(w)
              + \lambda \frac{\sum_i [x_{i+1} = w]\, e^{\theta h_t \cdot h_i}}
                             {\sum_i e^{\theta h_t \cdot h_i}}

    over the last `size` places i. Nothing is trained. Choose the numbers on held-out text, never
    on what is to be scored.

    Parameters
    ----------
    size : int
        Places that are remembered, at least 1.
    theta : float
        How sharply likeness counts, at least 0.
    weight : float
        λ, in 0 … 1.

    References
    ----------
    E. Grave, A. Joulin, N. Usunier, "Improving neural language models with a continuous cache",
    ICLR 2017.
    """

    size: int = 1000
    theta: float = 0.3
    weight: float = 0.1

    def __post_init__(self) -> None:
        checks = (
            ("size", self.size >= 1, "at least 1"),
            ("theta", self.theta >= 0, "at least 0"),
            ("weight", 0 <= self.weight < 1, "at least 0 and below 1"),
        )
        for name, fits, must in checks:
            if not fits:
                given = repr(getattr(self, name))
                do = "Choose it on held-out text"
                raise InputError(explain("NeuralCache", f"{name} must be {must}", given, do))


def score_stream(
    reader: AbstractReader,
    tokens: np.ndarray,
    cache: NeuralCache | None = None,
    state: State | None = None,
) -> np.ndarray:
    """Read a text as one stream.

    Parameters
    ----------
    reader : AbstractReader
    tokens : np.ndarray
        (N,)
    cache : NeuralCache, optional
    state : dict, optional
        Where the reading goes on from.

    Returns
    -------
    np.ndarray
        (N - 1,) float64: log p of each token but the first, nats.
    """
    log_p = np.empty(max(0, len(tokens) - 1))
    memory = None if cache is None else _Memory(cache)
    steps = 1
    for first, last in stretches(len(tokens) - 1, 1 if not len(log_p) else MOST_STEPS):
        now = np.asarray(tokens[first:last], dtype=np.int64)
        wanted = np.asarray(tokens[first + 1 : last + 1], dtype=np.int64)
        hidden_TBH, state = reader.hidden(now[:, None], state)
        for start in range(0, len(now), steps):
            part = slice(start, start + steps)
            said = reader.log_probabilities(hidden_TBH[part])[:, 0]
            steps = max(1, min(MOST_STEPS, MOST_NUMBERS // said.shape[1]))
            log_p[first + start : first + start + len(said)] = said[
                np.arange(len(said)), wanted[part][: len(said)]
            ]
        if memory is not None:
            log_p[first:last] = memory.mixed(hidden_TBH[:, 0], wanted, log_p[first:last])
    return log_p


def stretches(length: int, steps: int) -> list[tuple[int, int]]:
    """Cut a length into stretches of at most `steps`.

    Examples
    --------
    >>> stretches(5, 2)
    [(0, 2), (2, 4), (4, 5)]
    """
    return [(first, min(first + steps, length)) for first in range(0, length, steps)]


class _Memory:
    """The places that a cache remembers."""

    def __init__(self, cache: NeuralCache) -> None:
        self.cache = cache
        self.hidden_SH = np.empty((0, 0), np.float32)
        self.followed_S = np.empty(0, np.int64)

    def mixed(self, hidden_TH: np.ndarray, wanted_T: np.ndarray, log_p_T: np.ndarray) -> np.ndarray:
        """Mix log p of the tokens that came next with what the cache says; then remember them."""
        cache, steps = self.cache, len(hidden_TH)
        before = self.hidden_SH if len(self.hidden_SH) else hidden_TH[:0]
        keys_KH = np.concatenate([before, hidden_TH])
        followed_K = np.concatenate([self.followed_S, wanted_T])
        likeness_TK = cache.theta * (hidden_TH @ keys_KH.T).astype(np.float64)
        place_K, now_T = np.arange(len(keys_KH)), len(before) + np.arange(steps)
        seen_TK = (place_K < now_T[:, None]) & (place_K >= now_T[:, None] - cache.size)
        likeness_TK[~seen_TK] = -np.inf
        top_T1 = likeness_TK.max(1, keepdims=True)
        any_T = np.isfinite(top_T1[:, 0])
        weights_TK = np.exp(likeness_TK - np.where(np.isfinite(top_T1), top_T1, 0.0))
        same_TK = followed_K == wanted_T[:, None]
        share_T = (weights_TK * same_TK).sum(1) / np.where(any_T, weights_TK.sum(1), 1.0)
        self.hidden_SH, self.followed_S = keys_KH[-cache.size :], followed_K[-cache.size :]
        mixed_T = (1 - cache.weight) * np.exp(log_p_T) + cache.weight * share_T
        return np.where(any_T, np.log(mixed_T), log_p_T)
