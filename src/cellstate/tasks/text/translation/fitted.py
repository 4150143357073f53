"""A trained translation network with its vocabularies: sentences in, sentences out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cellstate.data.text.batches import length_batches
from cellstate.data.text.tokenizer import BOS, EOS, PAD, UNK, Tokenizer
from cellstate.tasks.text.beam import BeamSearch, Coverage, Hypothesis
from cellstate.tasks.text.translation import words
from cellstate.tasks.text.translation.plan import SUBWORDS, Plan
from cellstate.tasks.text.translation.task import batch_of, source_batch

if TYPE_CHECKING:
    from torch import Tensor

    from cellstate.nn.decoder import DecoderState, Source

TOKENS_AT_ONCE = 4000
"""Source tokens of a batch, padding counted, times hypotheses: wider beams take fewer sentences."""
ROWS_AT_ONCE = 128
SPARE_TOKENS = 10
"""Tokens that a translation may have beyond twice what its source leads to expect."""
END_SIGN = "⏎"
"""What stands for the end of a sentence in an alignment."""


@dataclass(frozen=True)
class Alignment:
    """Where the decoder looked while it wrote.

    Attributes
    ----------
    source, target : tuple of str
        Tokens; both end with ``"⏎"``, which stands for the end of the sentence.
    weights : np.ndarray
        (target, source); each row sums to 1.
    translation : str
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    weights: np.ndarray
    translation: str


@dataclass(frozen=True)
class Search:
    """How to search; see `cellstate.tasks.text.beam.BeamSearch`."""

    beam: int = 5
    length_penalty: float = 1.0
    coverage_penalty: float = 0.0


@dataclass(frozen=True)
class FittedTranslation:
    """What training leaves.

    Attributes
    ----------
    plan : Plan
    tokenizers : pair of Tokenizer
        Of source and target; the same one twice where they are shared.
    model : TranslationNetwork
        In evaluation mode.
    growth : float
        Target tokens for each source token in training.
    record : dict
        Of the training, JSON-ready.
    """

    plan: Plan
    tokenizers: tuple[Tokenizer, Tokenizer]
    model: Any
    growth: float
    record: dict[str, Any]

    def translate(self, texts: Sequence[str], search: Search) -> list[str]:
        """Translate sentences; what is empty stays empty."""
        sources = self.encoded(texts)
        said = self._search(sources, search)
        if any(UNK in row for row in said):
            looks = self._looks(sources, said)
            return [
                self._written(text, row, look)
                for text, row, look in zip(texts, said, looks, strict=True)
            ]
        return [self._written(text, row, None) for text, row in zip(texts, said, strict=True)]

    def align(self, texts: Sequence[str], search: Search) -> list[Alignment]:
        """Translate sentences and say where the decoder looked."""
        sources = self.encoded(texts)
        said = self._search(sources, search)
        return [
            Alignment(
                (*self._pieces(0, text, source), END_SIGN),
                (*self._names(row), END_SIGN) if len(source) else (END_SIGN,),
                look,
                self._written(text, row, look),
            )
            for text, source, row, look in zip(
                texts, sources, said, self._looks(sources, said), strict=True
            )
        ]

    def encoded(self, texts: Sequence[str], side: int = 0) -> list[np.ndarray]:
        """Number the tokens of sentences."""
        return self.tokenizers[side].encode_all(text.strip() for text in texts)

    def _search(self, sources: list[np.ndarray], search: Search) -> list[np.ndarray]:
        """Give the best translation of each sentence as token numbers."""
        said = [np.empty(0, np.int64)] * len(sources)
        full = np.flatnonzero([len(source) > 0 for source in sources])
        lengths = np.array([len(sources[row]) + 1 for row in full])
        tokens = max(1, TOKENS_AT_ONCE // search.beam)
        for batch in length_batches(lengths, rows=ROWS_AT_ONCE, tokens=tokens):
            rows = full[batch]
            found = self._search_batch([sources[row] for row in rows], search)
            for row, hypotheses in zip(rows, found, strict=True):
                said[row] = hypotheses[0].tokens
        return said

    def _search_batch(self, sources: list[np.ndarray], search: Search) -> list[list[Hypothesis]]:
        import torch

        settings = BeamSearch(search.beam, search.length_penalty)
        batch = {name: self._tensor(array) for name, array in source_batch(sources).items()}
        with torch.inference_mode():
            whole, start = self.model.encode(batch["source"], batch["lengths"])
            never = self._never()
            rows_B = torch.arange(len(sources), device=batch["source"].device)
            coverage = None
            if search.coverage_penalty:
                coverage = Coverage(search.coverage_penalty, _latest_look, whole.mask)
            expected = self.growth * batch["lengths"]
            return settings(
                partial(_step, self.model, never),
                partial(_reorder, whole, search.beam),
                _Beams(whole, rows_B, rows_B, start),
                first=torch.full_like(rows_B, BOS),
                end=EOS,
                max_length=(2 * expected).long() + SPARE_TOKENS,
                coverage=coverage,
            )

    def _never(self) -> list[int]:
        """List what is never written: an unknown word only where one can be copied."""
        copies = self.tokenizers[1].kind not in SUBWORDS
        return [PAD, BOS] if copies else [PAD, BOS, UNK]

    def _looks(self, sources: list[np.ndarray], said: list[np.ndarray]) -> list[np.ndarray]:
        """Give where the decoder looks while it writes: (target + 1, source + 1) for each."""
        import torch

        looks = [np.ones((1, 1))] * len(sources)
        full = np.flatnonzero([len(source) > 0 for source in sources])
        lengths = np.array([max(len(sources[row]), len(said[row])) + 1 for row in full])
        for batch in length_batches(lengths, rows=ROWS_AT_ONCE, tokens=TOKENS_AT_ONCE):
            rows = full[batch]
            arrays = batch_of((sources, said), rows)
            source_BS, lengths_B, target_BT = (
                self._tensor(arrays[name]) for name in ("source", "lengths", "target")
            )
            with torch.inference_mode():
                source, start = self.model.encode(source_BS, lengths_B)
                weights_BTS = self.model.decode(target_BT, source, start).weights.cpu().numpy()
            for row, weights_TS in zip(rows, weights_BTS, strict=True):
                looks[row] = weights_TS[: len(said[row]) + 1, : len(sources[row]) + 1]
        return looks

    def _written(self, text: str, said: np.ndarray, look: np.ndarray | None) -> str:
        """Write tokens as a sentence; an unknown word is copied from where the decoder looked."""
        tokenizer = self.tokenizers[1]
        if tokenizer.kind == "word":
            return words.joined(self._with_copies(text, said, look))
        if look is None or UNK not in said:
            return tokenizer.decode(said).strip()
        between = "" if tokenizer.kind == "char" else " "
        return between.join(self._with_copies(text, said, look)).strip()

    def _with_copies(self, text: str, said: np.ndarray, look: np.ndarray | None) -> list[str]:
        names = self._names(said)
        if look is not None and UNK in said:
            pieces = self._pieces(0, text, self.tokenizers[0].encode(text.strip()))
            for place in np.flatnonzero(said == UNK):
                names[place] = pieces[int(look[place, : len(pieces)].argmax())]
        return names

    def _names(self, numbers: np.ndarray) -> list[str]:
        tokenizer = self.tokenizers[1]
        if tokenizer.kind == "bpe":  # whose vocabulary shows bytes
            return [tokenizer.decode([number]) or "·" for number in numbers]
        return [tokenizer.vocabulary[number] for number in numbers]

    def _pieces(self, side: int, text: str, numbers: np.ndarray) -> list[str]:
        """Give the tokens of a text as they stand in it."""
        if not len(numbers):
            return []
        text = text.strip()
        return [text[a:b].strip() for a, b in self.tokenizers[side].spans(text)]

    def _tensor(self, array: np.ndarray) -> Any:
        import torch

        return torch.from_numpy(array).to(self.model.output_bias.device)

    @classmethod
    def restored(
        cls,
        network: dict[str, Any],
        tokenizers: tuple[Tokenizer, Tokenizer],
        weights: dict[str, np.ndarray],
        record: dict[str, Any],
    ) -> FittedTranslation:
        """Build what `network` describes and fill in weights in the form of `tensors`."""
        import torch

        from cellstate import train

        plan = Plan(**network["plan"])
        with train.isolated(0):
            model = plan.build().eval()
        named = dict(model.named_parameters())
        given = {
            name.removeprefix("network."): array
            for name, array in weights.items()
            if name.startswith("network.")
        }
        if {name: tuple(value.shape) for name, value in named.items()} != {
            name: array.shape for name, array in given.items()
        }:
            raise ValueError("the weights do not fit the plan")
        with torch.no_grad():
            for name, value in named.items():
                value.copy_(torch.from_numpy(given[name]))
        return cls(plan, tokenizers, model, float(network["growth"]), record)

    def network(self) -> dict[str, Any]:
        """Describe the network, JSON-ready."""
        return {"kind": "translation", "plan": asdict(self.plan), "growth": self.growth}

    def tensors(self) -> dict[str, np.ndarray]:
        """Give the weights, those that stand in two places once."""
        named = self.model.named_parameters()
        return {f"network.{name}": value.detach().cpu().numpy() for name, value in named}


@dataclass(frozen=True)
class _Beams:
    """A search's state: hypotheses of a sentence stand together and share its memory.

    Attributes
    ----------
    source : Source
        Of the A sentences that are still searched.
    rows, rows_of_hypotheses : Tensor
        (A,) which of all sentences these are, and (R,) which one each hypothesis translates.
    decoder : DecoderState
        Of R hypotheses.
    """

    source: Source
    rows: Tensor
    rows_of_hypotheses: Tensor
    decoder: DecoderState


def _step(model: Any, never: list[int], tokens_R: Tensor, beams: _Beams) -> tuple[Tensor, _Beams]:
    decoded = model.decode(tokens_R[:, None], beams.source, beams.decoder)
    log_probs_RV = model.logits(decoded.features[:, 0]).float().log_softmax(1)
    log_probs_RV[:, never] = float("-inf")
    return log_probs_RV, replace(beams, decoder=decoded.state)


def _latest_look(beams: _Beams) -> Tensor:
    assert beams.decoder.weights is not None, "there was a step"
    return beams.decoder.weights


def _reorder(whole: Source, beam: int, beams: _Beams, rows_R: Tensor) -> _Beams:
    row_R = beams.rows_of_hypotheses[rows_R]
    row_A = row_R.view(-1, beam)[:, 0]
    is_same = len(row_A) == len(beams.rows)
    source = beams.source if is_same else whole.rows(row_A)
    return _Beams(source, row_A, row_R, beams.decoder.rows(rows_R))
