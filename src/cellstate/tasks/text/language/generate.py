"""New text, one token at a time: from a prompt or a saved state, by drawing or by search."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from cellstate.data.text.tokenizer import BOS, EOS, PAD, UNK, Tokenizer
from cellstate.errors import InputError, explain
from cellstate.tasks.text.language.continuation import REMEMBERED, Continuation
from cellstate.tasks.text.language.fitting import FittedLanguage
from cellstate.tasks.text.language.reader import State, reordered
from cellstate.tasks.text.language.sampling import Sampling, choose, constrained
from cellstate.tasks.text.language.stream_score import MOST_STEPS, stretches

Allowed = Callable[[Sequence[int]], Sequence[int] | None]
"""Tokens written so far -> the only ones that may come next; None allows all."""

WHERE = "generate"


class Generation:
    """A text under way: iterate to get its pieces as they become certain.

    Pieces that might begin a stop text are held back until they do or do not.

    Parameters
    ----------
    fitted : FittedLanguage
    start : Continuation
        What was read.
    sampling : Sampling
    seed : int
    allowed : callable, optional
        See `Allowed`.

    Attributes
    ----------
    tokens : list of int
        What was written so far.
    text : str
        What was handed out so far.
    log_probability : float
        Of all tokens together, by the network, before anything was ruled out: nats.
    ended : str
        "" on the way; then "length", "stop" at a stop text, or "end" where the model ended a
        document.
    """

    def __init__(
        self,
        fitted: FittedLanguage,
        start: Continuation,
        sampling: Sampling,
        seed: int,
        allowed: Allowed | None = None,
    ) -> None:
        self.tokens: list[int] = []
        self.text = ""
        self.log_probability = 0.0
        self.ended = ""
        self._fitted, self._sampling, self._allowed = fitted, sampling, allowed
        self._rng = np.random.default_rng(seed)
        self._state, self._log_p = start.state, start.log_p
        self._history = list(start.history)
        self._forced = _encoded(fitted.tokenizer, sampling.begin, "begin")
        self._pieces = self._run()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return next(self._pieces)

    def finish(self) -> str:
        """Run to the end and give the whole text."""
        for _ in self:
            pass
        return self.text

    @property
    def state(self) -> Continuation:
        """Where it stands, after all tokens so far; those of a stop text were read too."""
        history = tuple(self._history[-REMEMBERED:])
        return Continuation(self._fitted.digest, self._state, self._log_p, history)

    def _run(self) -> Iterator[str]:
        stream = self._fitted.tokenizer.decoder(self._history)
        waiting = ""
        for token in self._search() if self._sampling.beams > 1 else self._draw():
            waiting += stream.push(token)
            cut = _stopped(waiting, self._sampling.stop)
            if cut is not None:
                self.ended, waiting = "stop", waiting[:cut]
                break
            sure = len(waiting) - _held_back(waiting, self._sampling.stop)
            if sure:
                self.text += waiting[:sure]
                yield waiting[:sure]
            waiting = waiting[sure:]
        else:
            waiting += stream.flush()
        if waiting:
            self.text += waiting
            yield waiting

    def _draw(self) -> Iterator[int]:
        for place in range(self._sampling.tokens):
            if place < len(self._forced):
                token = self._forced[place]
            else:
                log_p = self._ruled(self._log_p, self._history, self.tokens)
                token = choose(log_p, self._sampling, self._rng)
            self.log_probability += float(self._log_p[token])
            if token == EOS:
                self.ended = "end"
                return
            self._take(token)
            yield token
        self.ended = "length"

    def _search(self) -> Iterator[int]:
        """Find the likeliest tokens first, then hand them out."""
        from cellstate.extras import require

        torch = require("torch", extra="train")
        from cellstate.tasks.text.beam import BeamSearch

        reader = self._fitted.reader
        start = (self._state, None, [list(self._history)], [[]])

        def step(last: Any, held: Any) -> tuple[Any, Any]:
            state, log_p, histories, written = held
            if log_p is None:  # nothing is written yet: the odds are known
                log_p = np.repeat(self._log_p[None], len(last), 0)
            else:
                tokens = last.cpu().numpy()
                log_p, state = reader.next(tokens[None], state)
                histories = [[*h, int(t)] for h, t in zip(histories, tokens, strict=True)]
                written = [[*w, int(t)] for w, t in zip(written, tokens, strict=True)]
            ruled = [
                self._search_ruled(*one) for one in zip(log_p, histories, written, strict=True)
            ]
            return torch.from_numpy(np.stack(ruled)), (state, log_p, histories, written)

        def reorder(held: Any, rows: Any) -> Any:
            state, log_p, histories, written = held
            places = rows.cpu().numpy()
            kept = None if log_p is None else log_p[places]
            return (
                reordered(state, places),
                kept,
                [histories[k] for k in places],
                [written[k] for k in places],
            )

        settings = BeamSearch(self._sampling.beams, self._sampling.length_penalty)
        end = None if self._fitted.is_running else EOS
        found = settings(
            step, reorder, start, first=[UNK], end=end, max_length=self._sampling.tokens
        )[0]
        if not found:
            must, do = "at least one text must be possible", "Allow more tokens, or raise no_repeat"
            raise InputError(explain(WHERE, must, "none", do))
        for token in found[0].tokens.tolist():
            self.log_probability += float(self._log_p[token])
            self._take(token)
            yield token
        self.ended = "end" if found[0].is_complete else "length"

    def _search_ruled(
        self, log_p: np.ndarray, history: list[int], written: list[int]
    ) -> np.ndarray:
        if len(written) < len(self._forced):
            only = np.full_like(log_p, -np.inf)
            only[self._forced[len(written)]] = log_p[self._forced[len(written)]]
            return only
        return self._ruled(log_p, history, written)

    def _ruled(self, log_p: np.ndarray, history: list[int], written: Sequence[int]) -> np.ndarray:
        open_p = np.array(log_p)
        open_p[[PAD, UNK, BOS]] = -np.inf
        if self._fitted.is_running:
            open_p[EOS] = -np.inf
        allowed = None if self._allowed is None else self._allowed(tuple(written))
        return constrained(open_p, history[-REMEMBERED:], self._sampling, allowed)

    def _take(self, token: int) -> None:
        """Read what was written."""
        self.tokens.append(token)
        self._history.append(token)
        log_p, self._state = self._fitted.reader.next(np.array([[token]]), self._state)
        self._log_p = log_p[0]


def read_prompt(
    fitted: FittedLanguage,
    prompt: str,
    *,
    after: Continuation | None = None,
    unknown: str = "error",
) -> Continuation:
    """Read a prompt of any length, from the beginning or from where another text stopped.

    Raises
    ------
    InputError
        It is empty where there is nothing to go on from, holds what the vocabulary lacks, or the
        state is of another model.
    """
    if unknown not in ("error", "replace"):
        must, do = "unknown must be 'error' or 'replace'", "Take 'error' to be told"
        raise InputError(explain(WHERE, must, repr(unknown), do))
    if after is not None:
        after.check_model(WHERE, fitted.digest)
    tokens = _encoded(fitted.tokenizer, prompt, "prompt", replace=unknown == "replace")
    state: State | None = None if after is None else after.state
    history = [] if after is None else list(after.history)
    if after is None and not fitted.is_running:
        tokens = [EOS, *tokens]  # a document begins where another one ended
    if not tokens:
        if after is not None:
            return after
        must = "a prompt must hold at least one token, for the model has seen no beginnings"
        given = "an empty prompt" if not prompt else f"{prompt!r}, which has none"
        raise InputError(explain(WHERE, must, given, r"Give some text, a line break '\n' say"))
    numbers = np.array(tokens, dtype=np.int64)[:, None]
    log_p = np.empty(0)
    for first, last in stretches(len(numbers), MOST_STEPS):
        hidden, state = fitted.reader.hidden(numbers[first:last], state)
        if last == len(numbers):
            log_p = fitted.reader.log_probabilities(hidden[-1:])[0, 0]
    assert state is not None
    history = [*history, *tokens][-REMEMBERED:]
    return Continuation(fitted.digest, state, log_p, tuple(history))


def _encoded(tokenizer: Tokenizer, text: str, name: str, replace: bool = False) -> list[int]:
    given: object = text
    if not isinstance(given, str):
        do = "Decode bytes first"
        raise InputError(explain(WHERE, f"{name} must be a str", type(given).__name__, do))
    tokens = tokenizer.encode(text).tolist() if text else []
    if UNK in tokens and not replace:
        pieces = tokenizer.unknown(text)
        shown = ", ".join(map(repr, pieces[:5])) + (", …" if len(pieces) > 5 else "")
        what = "characters" if tokenizer.kind == "char" else "tokens"
        must = f"the {name} must be made of {what} that the model was trained on"
        do = "Leave them out, or pass unknown='replace' (--unknown replace) to read them as <unk>"
        raise InputError(explain(WHERE, must, shown, do))
    return tokens


def _stopped(text: str, stops: Sequence[str]) -> int | None:
    """Find where the first stop text begins."""
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    return min(places) if places else None


def _held_back(text: str, stops: Sequence[str]) -> int:
    """Count the last characters that might be the beginning of a stop text.

    Examples
    --------
    >>> _held_back("one, t", ("two", ", three"))
    3
    """
    return max(
        (n for stop in stops for n in range(1, len(stop)) if text.endswith(stop[:n])), default=0
    )
