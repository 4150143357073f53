"""Trained networks with their words: texts in, answers out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cellstate.data.text.batches import length_batches
from cellstate.data.text.tokenizer import Tokenizer
from cellstate.tasks.calibration import sigmoid, softmax
from cellstate.tasks.text.classification.baseline import Baseline
from cellstate.tasks.text.classification.plan import Plan
from cellstate.tasks.text.classification.words import WordEncoder, Words

ROWS_AT_ONCE = 128


@dataclass(frozen=True)
class Mix:
    """How the answers of networks and of a linear model become one; chosen on rows held out.

    Attributes
    ----------
    linear : float
        Weight of the linear model's answers; the networks' have 1.
    temperature : float
        What the sum is divided by.
    """

    linear: float = 0.0
    temperature: float = 1.0

    def __call__(self, networks: np.ndarray, linear: np.ndarray) -> np.ndarray:
        """Mix answers (n, K) before the softmax."""
        return (networks + self.linear * linear) / self.temperature


@dataclass(frozen=True)
class Fitted:
    """What training leaves, apart from the labels' names.

    Attributes
    ----------
    plan : Plan
    tokenizer : Tokenizer
    longest : int or None
    models : list
        Networks on the CPU, in evaluation mode, whose answers are averaged; of those that stand on
        a language model, every second one reads from the end.
    record : dict
        Of the training, JSON-ready.
    linear : Baseline or None
        A linear model of words and their pieces, whose answers are added to the networks'.
    mix : Mix
    thresholds : np.ndarray
        (K,) probability from which a label is named; empty where each text has one class.
    """

    plan: Plan
    tokenizer: Tokenizer
    longest: int | None
    models: list[Any]
    record: dict[str, Any]
    linear: Baseline | None
    mix: Mix
    thresholds: np.ndarray

    @cached_property
    def encoder(self) -> WordEncoder:
        """What cuts texts for these networks."""
        return encoder_of(self.plan, self.tokenizer, self.longest)

    @property
    def is_multi(self) -> bool:
        """Whether a text has any number of labels."""
        return len(self.thresholds) > 0

    def is_backward(self, place: int) -> bool:
        """Whether the network at this place reads from the end."""
        return self.plan.is_pretrained and place % 2 == 1

    def answers(self, texts: Sequence[str]) -> np.ndarray:
        """Give the networks' mean answers before the softmax: (n, K) float64."""
        words = self.encoder.encode(texts)
        parts = [
            answers(model, self.encoder, words, is_backward=self.is_backward(place))
            for place, model in enumerate(self.models)
        ]
        return np.mean(parts, axis=0)

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Give each label its probability: (n, K) float64."""
        said = self.answers(texts)
        linear = self.linear_answers(texts) if self.mix.linear > 0 else np.zeros_like(said)
        return self.from_answers(said, linear)

    def linear_answers(self, texts: Sequence[str]) -> np.ndarray:
        """Give the linear model's answers before the softmax: (n, K) float64."""
        assert self.linear is not None, "the networks are mixed with a linear model"
        return self.linear.answers(texts)

    def from_answers(self, networks: np.ndarray, linear: np.ndarray) -> np.ndarray:
        """Turn answers before the softmax into probabilities."""
        mixed = self.mix(networks, linear)
        return sigmoid(mixed) if self.is_multi else softmax(mixed)

    def named(self, probabilities: np.ndarray) -> np.ndarray:
        """Tell which labels are named: (n, K) bool."""
        if self.is_multi:
            return probabilities >= self.thresholds
        return np.eye(probabilities.shape[1], dtype=bool)[probabilities.argmax(1)]

    def network(self) -> dict[str, Any]:
        """Describe the networks, JSON-ready."""
        return {
            "kind": "text classifier",
            "plan": asdict(self.plan),
            "networks": len(self.models),
            "mix": asdict(self.mix),
            "thresholds": self.thresholds.tolist(),
        }

    def tensors(self) -> dict[str, np.ndarray]:
        """Give the weights of all networks and of the linear model."""
        linear = {} if self.linear is None else self.linear.tensors("linear")
        return linear | {
            f"network.{place}.{name}": tensor.numpy()
            for place, model in enumerate(self.models)
            for name, tensor in model.state_dict().items()
        }


def encoder_of(plan: Plan, tokenizer: Tokenizer, longest: int | None) -> WordEncoder:
    """Make what cuts texts for networks of a plan."""
    return WordEncoder(tokenizer, plan.pieces, longest, is_framed=plan.is_pretrained)


def answers(model: Any, encoder: WordEncoder, words: Words, *, is_backward: bool) -> np.ndarray:
    """Run one network: (n, K) float64, before the softmax."""
    import torch

    from cellstate.tasks.text.classification.task import run

    said: np.ndarray | None = None
    with torch.inference_mode():
        for chosen in length_batches(words.lengths, rows=ROWS_AT_ONCE):
            batch = encoder.batch(words, chosen, is_backward=is_backward)
            part = run(model, {name: torch.from_numpy(a) for name, a in batch.items()})
            if said is None:
                said = np.empty((len(words), part.shape[1]))
            said[chosen] = part.double().numpy()
    assert said is not None, "there is at least one text"
    return said


def restored(
    network: dict[str, Any],
    tokenizer: Tokenizer,
    longest: int | None,
    linear: Baseline,
    weights: dict[str, np.ndarray],
    record: dict[str, Any],
) -> Fitted:
    """Build what `Fitted.network` describes and fill in weights in the form of `Fitted.tensors`."""
    import torch

    from cellstate import train

    plan = Plan(**network["plan"])
    models = []
    for place in range(int(network["networks"])):
        with train.isolated(0):
            model = plan.build().eval()
        prefix = f"network.{place}."
        state = {
            name.removeprefix(prefix): torch.from_numpy(np.array(value))
            for name, value in weights.items()
            if name.startswith(prefix)
        }
        try:
            model.load_state_dict(state)
        except RuntimeError as problem:  # names or shapes that do not fit the plan
            raise ValueError(str(problem)) from problem
        models.append(model)
    thresholds = np.array(network["thresholds"], dtype=np.float64)
    mix = Mix(**network["mix"])
    return Fitted(plan, tokenizer, longest, models, record, linear, mix, thresholds)
