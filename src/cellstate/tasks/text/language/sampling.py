"""How the next token is chosen: what is ruled out, what is kept, and the draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.errors import InputError, explain


@dataclass(frozen=True)
class Sampling:
    """Settings of generation; what is left out changes nothing.

    Parameters
    ----------
    tokens : int
        Most tokens to add, at least 1.
    temperature : float
        What log odds are divided by, at least 0; 0 always takes the likeliest token.
    top_k : int, optional
        Draw among so many of the likeliest tokens, at least 1.
    top_p : float, optional
        Draw among the likeliest tokens that together have this probability, above 0 and at most 1.
    typical : float, optional
        Draw among the tokens whose surprise is nearest to the expected one and that together have
        this probability, above 0 and at most 1.
    repetition_penalty : float
        What log probabilities of tokens already written are multiplied by, at least 1.
    no_repeat : int, optional
        No sequence of so many tokens is written twice, at least 1.
    stop : tuple of str
        Texts at which generation ends; they are left out of the answer.
    begin : str
        What the added text must begin with.
    beams : int
        Above 1, search for the likeliest text with so many hypotheses side by side, instead of
        drawing.
    length_penalty : float
        How much a search favours long texts, at least 0: 0 compares probabilities as they are.

    References
    ----------
    A. Holtzman et al., "The curious case of neural text degeneration", ICLR 2020 (top-p).

    C. Meister et al., "Locally typical sampling", TACL 2023.

    N. Keskar et al., "CTRL", 2019, arXiv:1909.05858 (repetition penalty).
    """

    tokens: int = 200
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    typical: float | None = None
    repetition_penalty: float = 1.0
    no_repeat: int | None = None
    stop: tuple[str, ...] = ()
    begin: str = ""
    beams: int = 1
    length_penalty: float = 1.0

    def __post_init__(self) -> None:
        _whole("tokens", self.tokens)
        _whole("top_k", self.top_k)
        _whole("no_repeat", self.no_repeat)
        _whole("beams", self.beams)
        _within("temperature", self.temperature, least=0.0)
        _within("repetition_penalty", self.repetition_penalty, least=1.0)
        _within("length_penalty", self.length_penalty, least=0.0)
        _share("top_p", self.top_p)
        _share("typical", self.typical)
        stops: object = self.stop
        if not isinstance(stops, tuple | list) or not all(
            isinstance(text, str) and text for text in stops
        ):
            do = r"For example stop=('\n\n',)"
            raise _fail("stop", "texts of at least one character", stops, do)
        begin: object = self.begin
        if not isinstance(begin, str):
            raise _fail("begin", "a text", begin, "Leave it out for none")
        draws = (self.top_k, self.top_p, self.typical)
        if self.beams > 1 and (any(d is not None for d in draws) or self.temperature != 1.0):
            must = "beams above 1 search and draw nothing, so there is nothing to shape"
            do = "Leave temperature, top_k, top_p and typical out, or take beams=1"
            raise InputError(explain("Sampling", must, f"beams={self.beams} with them", do))


def constrained(
    log_p_V: np.ndarray,
    history: Sequence[int],
    sampling: Sampling,
    allowed: Sequence[int] | None = None,
) -> np.ndarray:
    """Rule tokens out and penalise those already written; what is left need not sum to 1.

    Parameters
    ----------
    log_p_V : np.ndarray
        (V,) log probabilities, ``-inf`` for tokens that are never written.
    history : sequence of int
        Tokens read and written so far.
    sampling : Sampling
    allowed : sequence of int, optional
        The only tokens that may come.

    Raises
    ------
    InputError
        Nothing is left to write.
    """
    log_p = np.array(log_p_V, dtype=np.float64)
    if allowed is not None:
        kept = np.full_like(log_p, -np.inf)
        kept[list(allowed)] = log_p[list(allowed)]
        log_p = kept
    if sampling.repetition_penalty > 1.0 and len(history):
        written = np.unique(np.asarray(history, dtype=np.int64))
        log_p[written] *= sampling.repetition_penalty
    if sampling.no_repeat:
        log_p[_repeating(history, sampling.no_repeat)] = -np.inf
    if not np.isfinite(log_p.max()):
        must = "at least one token must be left to write"
        do = "Allow more tokens, or raise no_repeat"
        raise InputError(explain("generate", must, "none", do))
    return log_p


def choose(log_p_V: np.ndarray, sampling: Sampling, rng: np.random.Generator) -> int:
    """Draw a token, or take the likeliest one where the temperature is 0.

    Examples
    --------
    >>> log_p = np.log([0.2, 0.5, 0.3])
    >>> choose(log_p, Sampling(temperature=0), np.random.default_rng(0))
    1
    """
    if sampling.temperature == 0.0:
        return int(np.argmax(log_p_V))
    log_p = log_p_V / sampling.temperature
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    p *= _kept(p, sampling)
    cumulative = np.cumsum(p)
    drawn = int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))
    return min(drawn, int(np.flatnonzero(p)[-1]))


def _kept(p_V: np.ndarray, sampling: Sampling) -> np.ndarray:
    """Say which tokens are drawn from: those that every filter keeps, of what the last one left."""
    kept = p_V > 0
    if sampling.top_k is not None and sampling.top_k < kept.sum():
        kept &= _first(np.argsort(-p_V, kind="stable"), sampling.top_k)
    if sampling.top_p is not None:
        kept &= _nucleus(-p_V, p_V * kept, sampling.top_p)
    if sampling.typical is not None:
        left = p_V * kept
        left = left / left.sum()
        surprise = -np.log(np.where(left > 0, left, 1.0))
        distance = np.abs(surprise - float((left * surprise).sum()))
        kept &= _nucleus(np.where(left > 0, distance, np.inf), left, sampling.typical)
    return kept


def _nucleus(rank_by: np.ndarray, p_V: np.ndarray, share: float) -> np.ndarray:
    """Keep the first tokens, in an order, that together have a share of the probability."""
    order = np.argsort(rank_by, kind="stable")
    cumulative = np.cumsum(p_V[order]) / p_V.sum()
    count = int(np.searchsorted(cumulative, share * (1 - 1e-12))) + 1
    return _first(order, count)


def _first(order: np.ndarray, count: int) -> np.ndarray:
    kept = np.zeros(len(order), dtype=bool)
    kept[order[:count]] = True
    return kept


def _repeating(history: Sequence[int], length: int) -> list[int]:
    """List the tokens that would complete a sequence of `length` for the second time."""
    tokens = list(history)
    if len(tokens) < length:
        return []
    end = tokens[len(tokens) - length + 1 :]
    return [
        tokens[k + length - 1]
        for k in range(len(tokens) - length + 1)
        if tokens[k : k + length - 1] == end
    ]


def _fail(name: str, must: str, given: Any, do: str) -> InputError:
    return InputError(explain("Sampling", f"{name} must be {must}", repr(given), do))


def _whole(name: str, value: Any) -> None:
    if value is None and name in ("top_k", "no_repeat"):
        return
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise _fail(name, "a whole number of at least 1", value, "Give 1 or more")


def _within(name: str, value: Any, *, least: float) -> None:
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not is_number or not least <= value < np.inf:
        raise _fail(name, f"a number of at least {least:g}", value, f"Give {least:g} or more")


def _share(name: str, value: Any) -> None:
    if value is None:
        return
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not is_number or not 0 < value <= 1:
        raise _fail(name, "above 0 and at most 1", value, "Leave it out to draw among all tokens")
