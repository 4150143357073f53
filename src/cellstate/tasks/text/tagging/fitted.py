"""Trained networks with their vocabularies: sentences in, tags or probabilities out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cellstate.tasks.text.tagging.batches import batch_of, forms_of
from cellstate.tasks.text.tagging.plan import Plan
from cellstate.tasks.text.tagging.schemes import Span, spans
from cellstate.tasks.text.tagging.word_forms import FormEncoder
from cellstate.tasks.weights import fill

ROWS_AT_ONCE = 64
SENTENCES_AT_ONCE = 1024
"""Whose word forms are numbered together: memory, not speed, sets the limit."""


@dataclass(frozen=True)
class Fitted:
    """What training leaves.

    Attributes
    ----------
    plan : Plan
    forms : FormEncoder
    tags : tuple of str
        The networks' tags: BIOES where there are spans, else the tags as given.
    has_spans : bool
    networks : list of TaggingNetwork
        In float64 on the CPU and in evaluation mode: what float32 rounds differently for other
        companions in a batch must not show in predictions.
    record : dict
        Of the training, JSON-ready.
    """

    plan: Plan
    forms: FormEncoder
    tags: tuple[str, ...]
    has_spans: bool
    networks: list[Any]
    record: dict[str, Any]

    def decode(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """Find the best tags of each sentence, as the networks have them."""
        return [
            [self.tags[number] for number in row]
            for row in self._run(sentences, lambda crf, *given: crf.decode(*given).tolist())
        ]

    def spans(self, sentences: Sequence[Sequence[str]]) -> list[list[Span]]:
        """Find the spans of each sentence."""
        return [spans(row) for row in self.decode(sentences)]

    def marginals(self, sentences: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """Give the probability of each of the networks' tags: (words, K) float64 a sentence."""
        return self._run(sentences, lambda crf, *given: crf.marginals(*given).numpy())

    def _run(self, sentences: Sequence[Sequence[str]], answer: Callable[..., Any]) -> list[Any]:
        """Let the networks agree on emissions and transitions, and ask the CRF that they make."""
        import torch

        crf = self._together()
        answers: list[Any] = [None] * len(sentences)
        with torch.inference_mode():
            for first in range(0, len(sentences), SENTENCES_AT_ONCE):
                part = sentences[first : first + SENTENCES_AT_ONCE]
                forms = sorted({word for sentence in part for word in sentence}) or [""]
                numbers = {form: number for number, form in enumerate(forms)}
                table = self.forms.table(forms)
                order = sorted(range(len(part)), key=lambda row: len(part[row]))
                for start in range(0, len(order), ROWS_AT_ONCE):
                    rows = order[start : start + ROWS_AT_ONCE]
                    at = [np.array([numbers[w] for w in part[row]], np.int64) for row in rows]
                    arrays = batch_of(table, at)
                    batch = {name: torch.from_numpy(array) for name, array in arrays.items()}
                    lengths = batch["lengths"]
                    emissions = sum(
                        network(forms_of(batch), batch["at"], lengths) for network in self.networks
                    )
                    found = answer(crf, emissions / len(self.networks), lengths)
                    for row, of_row, length in zip(rows, found, lengths.tolist(), strict=True):
                        answers[first + row] = of_row[:length]
        return answers

    def _together(self) -> Any:
        """Make one CRF whose scores of a tagging are the mean of the networks' own.

        Scores are sums of emissions and transitions, so averaging these averages them: the
        tagging's probability is the normalised geometric mean.
        """
        import copy

        import torch

        crf = copy.deepcopy(self.networks[0].crf)
        with torch.no_grad():
            for name, parameter in crf.named_parameters():
                own = [network.crf.get_parameter(name) for network in self.networks]
                parameter.copy_(torch.stack(own).mean(0))
        return crf

    def network(self) -> dict[str, Any]:
        """Describe the networks, JSON-ready."""
        return {"kind": "tagging", "plan": asdict(self.plan), "networks": len(self.networks)}

    def tensors(self) -> dict[str, np.ndarray]:
        """Give the weights in float32, as they were trained."""
        return {
            f"network.{number}.{name}": tensor.float().numpy()
            for number, network in enumerate(self.networks)
            for name, tensor in network.state_dict().items()
        }


def restored(
    network: dict[str, Any],
    forms: FormEncoder,
    tags: Sequence[str],
    weights: dict[str, np.ndarray],
    record: dict[str, Any],
    *,
    has_spans: bool,
) -> Fitted:
    """Build what `Fitted.network` describes and fill in weights in the form of `Fitted.tensors`."""
    from cellstate import train

    plan = Plan(**network["plan"])
    networks = []
    for number in range(int(network["networks"])):
        with train.isolated(0):
            model = plan.build(tags, has_spans=has_spans).double().eval()
        fill(model, weights, f"network.{number}.")
        networks.append(model)
    if not networks:
        raise ValueError("no network")
    return Fitted(plan, forms, tuple(tags), has_spans, networks, record)
