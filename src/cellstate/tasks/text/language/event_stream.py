"""A language model that reads piece by piece: how surprising text is, and what may come next."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from cellstate.artifact import model_fingerprint
from cellstate.data.text.tokenizer import BOS, EOS, PAD, SPECIALS, UNK, Tokenizer
from cellstate.errors import EventError, InputError, explain
from cellstate.runtime.chain import Chain
from cellstate.runtime.stream import AbstractStream, Answer, Field, States
from cellstate.tasks.text.language.plan import LanguagePlan
from cellstate.tasks.text.language.reader import layers_of, log_softmax

if TYPE_CHECKING:
    from cellstate.artifact import Manifest
    from cellstate.tasks.text.language_model import LanguageModel

MOST_CHARACTERS = 16_384
MOST_TOKENS = 1_024
"""Of one event; a longer text comes in several."""
LIKELIEST = 5
_WHERE = "event"


class LanguageStream(AbstractStream):
    """A language model's network, stepped event by event.

    An event brings a piece of text, or one token by its number; text is cut into tokens piece by
    piece, so that a piece should end where a token does. The answer says how surprising the piece
    was, given everything before it, and which tokens are likeliest to come next: the numbers of
    `LanguageModel.score_samples`. A model of running text has nothing to judge its first token by.

    Parameters
    ----------
    plan : LanguagePlan
        Of a network with a full softmax.
    tokenizer : Tokenizer
    tensors : dict of str to numpy.ndarray
    is_running : bool
        Whether the model knows one running text; otherwise each entity begins a document.
    weights : {"float32", "bf16", "int8"}
        How the matrices of LSTM layers are stored.

    Raises
    ------
    InputError
        The softmax is adaptive: such a network is no chain of layers.
    """

    task: ClassVar[str] = "language"
    needs_time: ClassVar[bool] = False

    def __init__(
        self,
        plan: LanguagePlan,
        tokenizer: Tokenizer,
        tensors: dict[str, np.ndarray],
        *,
        is_running: bool,
        weights: str = "float32",
    ) -> None:
        if plan.cutoffs:
            must = "a language model that reads events must have a full softmax"
            do = "Fit with softmax='full'"
            raise InputError(explain("stream", must, "an adaptive one", do))
        layers = layers_of(plan)
        self._plan, self._tokenizer, self._tensors = plan, tokenizer, tensors
        self._is_running, self._weights = is_running, weights
        self._body = Chain(layers[:-1], tensors, weights=weights)
        self._head = Chain(layers[-1:], tensors)
        self._never = [PAD, BOS, EOS] if is_running else [PAD, BOS]
        self._shown: dict[int, str] = {EOS: SPECIALS[EOS], UNK: SPECIALS[UNK]}
        # No flag of one byte: kernels take numbers at their places.
        self.state_dtype = np.dtype(
            [("begun", np.int32), ("memory", np.float32, (self._body.state_size,))]
        )
        self.inputs = (
            Field("text", "text", f"What comes next, {MOST_CHARACTERS:,} characters at most."),
            Field("token", "integer", "One token instead, by its number in the vocabulary."),
        )
        self.outputs = (
            Field("tokens", "integer", "Tokens that were read."),
            Field("bits", "number", "−log2 p of them, given everything before.", "bits"),
            Field("bits_per_token", "number", "Their mean; null without any.", "bits"),
            Field("next", "text", "The likeliest next tokens.", size=-1),
            Field("next_ids", "integer", "Their numbers in the vocabulary.", size=-1),
            Field("next_probabilities", "number", "Their probabilities.", size=-1),
        )

    @classmethod
    def of(cls, model: LanguageModel) -> Self:
        """Build it from a fitted estimator."""
        fitted = model.fitted_
        return cls(fitted.plan, fitted.tokenizer, fitted.tensors, is_running=fitted.is_running)

    @classmethod
    def from_artifact(
        cls, manifest: Manifest, tensors: dict[str, np.ndarray], *, weights: str = "float32"
    ) -> Self:
        """Build it from the parts of a model folder."""
        plan, prefix = dict(manifest.network["plan"]), "network."
        return cls(
            LanguagePlan(**{**plan, "cutoffs": tuple(plan["cutoffs"])}),
            Tokenizer.from_json(manifest.encoders["tokenizer"]),
            {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)},
            is_running=bool(manifest.encoders["is_running"]),
            weights=weights,
        )

    @cached_property
    def fingerprint(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Of network and tokenizer."""
        described = {
            "task": self.task,
            "plan": asdict(self._plan),
            "tokenizer": self._tokenizer.to_json(),
            "is_running": self._is_running,
            "weights": self._weights,
        }
        return model_fingerprint(described, self._tensors)

    def start(self, entities: Sequence[str]) -> States:
        """Make states before the first token; a document begins where another one ended."""
        states = np.zeros(len(entities), self.state_dtype)
        count = len(entities)
        states["memory"] = self._body.start_packed(count)
        if not self._is_running:
            self._body.step_packed(np.full(count, EOS), states["memory"])
            states["begun"] = 1
        return states

    def read(self, data: Mapping[str, Any]) -> NDArray[np.int64]:
        """Give an event's tokens, (n,).

        Raises
        ------
        EventError
            It brings neither text nor a token, or both; or one that cannot be read.
        """
        if not isinstance(data, Mapping) or not data or not data.keys() <= {"text", "token"}:
            raise _refused("an event must hold text or a token", "other names")
        text, token = data.get("text"), data.get("token")
        if (text is None) == (token is None):
            given = "neither" if text is None else "both"
            raise _refused("an event must hold text or a token", given)
        return self._of_number(token) if text is None else self._of_text(text)

    def step(
        self, states: States, rows: Sequence[Any], times: NDArray[np.int64]
    ) -> tuple[States, list[Answer | EventError]]:
        """Let each entity read one piece; times do not matter."""
        after = states.copy()
        lengths = np.array([len(row) for row in rows])
        tokens = np.zeros((len(rows), int(lengths.max(initial=0))), np.int64)
        for place, row in enumerate(rows):
            tokens[place, : len(row)] = row
        memory, begun = after["memory"], after["begun"]
        width = self._plan.width
        hidden = memory[:, -2 * width : -width].copy()  # of the last cell, before its c
        nats, judged = np.zeros(len(rows)), np.zeros(len(rows), np.int64)
        for step in range(tokens.shape[1]):
            at = np.flatnonzero(lengths > step)
            now = at[begun[at] != 0]
            if len(now):
                log_p = self._log_p(hidden[now])
                nats[now] -= log_p[np.arange(len(now)), tokens[now, step]]
                judged[now] += 1
            hidden[at] = self._body.step_packed(tokens[at, step], memory, at)
            begun[at] = 1
        log_p = self._log_p(hidden)
        answers: list[Answer | EventError] = [*self._answers(lengths, nats, judged, log_p)]
        for place in np.flatnonzero(~(np.isfinite(nats) & np.isfinite(log_p[:, UNK]))).tolist():
            after[place] = states[place]
            answers[place] = _refused("it must leave the network's numbers finite", "others")
        return after, answers

    def _answers(
        self, lengths: np.ndarray, nats: np.ndarray, judged: np.ndarray, log_p: np.ndarray
    ) -> list[Answer]:
        log_p[:, self._never] = -np.inf
        count = min(LIKELIEST, log_p.shape[1] - len(self._never))
        best = np.argpartition(-log_p, count - 1, axis=1)[:, :count]
        rows = np.arange(len(best))[:, None]
        order = np.lexsort((best, -log_p[rows, best]), axis=1)
        best = best[rows, order]
        chances = np.exp(log_p[rows, best])
        told = zip(
            lengths.tolist(),
            (nats / math.log(2)).tolist(),
            judged.tolist(),
            best.tolist(),
            chances.tolist(),
            strict=True,
        )
        return [
            {
                "tokens": length,
                "bits": total,
                "bits_per_token": total / count if count else None,
                "next": [self._show(number) for number in numbers],
                "next_ids": numbers,
                "next_probabilities": shares,
            }
            for length, total, count, numbers, shares in told
        ]

    def _log_p(self, hidden: NDArray[np.float32]) -> NDArray[np.float64]:
        """Give log p (B, V) of the next token."""
        return log_softmax(self._head.step(hidden)[0])

    def _show(self, token: int) -> str:
        if token not in self._shown:
            self._shown[token] = self._tokenizer.decode([token])
        return self._shown[token]

    def _of_text(self, text: Any) -> NDArray[np.int64]:
        if not isinstance(text, str):
            raise _refused("text must be text", type(text).__name__)
        if len(text) > MOST_CHARACTERS:
            must = f"text must have at most {MOST_CHARACTERS:,} characters"
            raise _refused(must, f"{len(text):,}")
        try:
            text.encode()
        except UnicodeEncodeError:  # half of a surrogate pair
            raise _refused("text must be made of Unicode characters", "something else") from None
        tokens = self._tokenizer.encode(text).astype(np.int64)
        if not 0 < len(tokens) <= MOST_TOKENS:
            raise _refused(f"text must have 1 to {MOST_TOKENS:,} tokens", f"{len(tokens):,}")
        return tokens

    def _of_number(self, token: Any) -> NDArray[np.int64]:
        if isinstance(token, bool) or not isinstance(token, int | np.integer):
            raise _refused("token must be an integer", type(token).__name__)
        if not 0 <= token < self._plan.vocabulary or token in self._never:
            must = f"token must be a number below {self._plan.vocabulary} that text can have"
            raise _refused(must, "another one")
        return np.array([token], np.int64)


def _refused(must: str, given: str) -> EventError:
    do = "Send a piece of text as 'text', or a token's number as 'token'"
    return EventError(explain(_WHERE, must, given, do))
