"""What was said of rows that training left out: enough to score without the rows themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.tasks.evaluation import Evaluation
from cellstate.tasks.text.classification.baseline import Baseline
from cellstate.tasks.text.classification.explaining import telling_rows
from cellstate.tasks.text.classification.fitted import Fitted
from cellstate.tasks.text.classification.fitting import Rows
from cellstate.tasks.text.classification.labels import Labels
from cellstate.tasks.text.classification.scoring import compare, probabilities_of

CHOSEN = (
    "These rows chose when training stopped and how probabilities are calibrated: expect a little "
    "less on new data."
)


@dataclass(frozen=True)
class Held:
    """Answers for rows that were left out.

    Attributes
    ----------
    truth : np.ndarray
        (n, K) bool
    networks, linear, baseline : np.ndarray
        (n, K) answers before the softmax, of the networks, of the linear model mixed with them,
        and of the baseline.
    lengths : np.ndarray
        (n,) tokens of each text.
    examples : tuple of tuple of str and int
        A few of the texts, and their rows in the arrays.
    is_crossed : bool
        Whether each network left out rows of its own.
    """

    truth: np.ndarray
    networks: np.ndarray
    linear: np.ndarray
    baseline: np.ndarray
    lengths: np.ndarray
    examples: tuple[tuple[str, int], ...]
    is_crossed: bool

    @classmethod
    def of(
        cls,
        fitted: Fitted,
        labels: Labels,
        rows: Rows,
        said: np.ndarray,
        linear: np.ndarray,
        baseline: np.ndarray,
    ) -> Held:
        """Keep the answers, and a few texts to show."""
        left = np.flatnonzero(rows.held.any(0))
        truth = labels.truth(rows.targets[left])
        probabilities = fitted.from_answers(said[left], linear[left])
        lengths = (
            fitted.encoder.encode([rows.texts[k] for k in left]).lengths if len(left) else left
        )
        examples: list[tuple[str, int]] = []
        if len(left):
            told = telling_rows(truth, probabilities, fitted.named(probabilities))
            examples = [(rows.texts[left[k]], k) for k in told]
        is_crossed = not bool((rows.held == rows.held[0]).all())
        said, linear, baseline = said[left], linear[left], baseline[left]
        return cls(truth, said, linear, baseline, lengths, tuple(examples), is_crossed)

    def evaluation(self, fitted: Fitted, labels: Labels, baseline: Baseline) -> Evaluation:
        """Score them."""
        count = len(self.truth)
        protocol = f"Protocol: {count:,} rows that were held out of training."
        if self.is_crossed:
            protocol = (
                f"Protocol: {count:,} training rows, each answered by networks and baselines that "
                "learned from the others."
            )
        said = probabilities_of(fitted, baseline, self.networks, self.linear, self.baseline)
        return compare(
            fitted, labels, baseline, self.truth, said, protocol=protocol, notes=(CHOSEN,)
        )

    def as_dict(self) -> dict[str, Any]:
        """Give the part that is JSON-ready."""
        return {"examples": [list(one) for one in self.examples], "is_crossed": self.is_crossed}

    def tensors(self) -> dict[str, np.ndarray]:
        """Give the arrays for the model's file."""
        return {
            "held.truth": self.truth.astype(np.uint8),
            "held.networks": self.networks,
            "held.linear": self.linear,
            "held.baseline": self.baseline,
            "held.lengths": self.lengths,
        }

    @classmethod
    def from_parts(cls, data: dict[str, Any], tensors: dict[str, np.ndarray]) -> Held:
        """Read both back."""
        arrays = {
            name: np.array(tensors[f"held.{name}"])
            for name in ("networks", "linear", "baseline", "lengths")
        }
        examples = tuple((str(text), int(row)) for text, row in data["examples"])
        truth = np.array(tensors["held.truth"]).astype(bool)
        return cls(truth=truth, examples=examples, is_crossed=bool(data["is_crossed"]), **arrays)
