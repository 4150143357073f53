"""What network records get and how it is trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

SIZES = {"small": (48, 48, 1), "medium": (96, 96, 1), "large": (192, 192, 2)}
"""Size of the embeddings, units of the LSTM, and its layers."""
CODE_DROPOUT, DROPOUT = 0.2, 0.3

FEWEST_TO_SPLIT = 1000
"""Patients from which some are held out; of fewer, each network leaves out its own part."""
HELD_OUT, MOST_HELD_OUT, FOLDS = 0.1, 2000, 5
QUANTILES = (0.1, 0.5, 0.9)
"""Of the next visit's values; conformal widening gives the interval its coverage."""


@dataclass(frozen=True)
class Plan:
    """A network, apart from its weights and its vocabulary.

    Attributes
    ----------
    kind : str
        "codes", "risk" or "values".
    features, variables : int
    width, hidden, layers : int
    """

    kind: str
    features: int
    variables: int
    width: int
    hidden: int
    layers: int

    def build(self, lineage: np.ndarray, targets: np.ndarray, prior: np.ndarray) -> Any:
        """Make the trainable network.

        Parameters
        ----------
        lineage : np.ndarray
            (N, A) of `Vocabulary`.
        targets : np.ndarray
            (K,) nodes that are foretold; none but for codes.
        prior : np.ndarray
            (3, K) log odds of codes that come anew, back and again; or (1,) of an outcome.
        """
        import torch

        from cellstate.nn.records import CodesHead, RecordsNetwork, RiskHead, ValuesHead

        sizes = {"width": self.width, "hidden": self.hidden}
        if self.kind == "codes":
            start = torch.from_numpy(prior.astype(np.float32))
            head: Any = CodesHead(torch.from_numpy(targets), start, **sizes)
        elif self.kind == "risk":
            head = RiskHead(features=self.features, prior=float(prior[0]), dropout=DROPOUT, **sizes)
        else:
            head = ValuesHead(variables=self.variables, hidden=self.hidden)
        return RecordsNetwork(
            torch.from_numpy(lineage),
            features=self.features,
            head=head,
            layers=self.layers,
            code_dropout=CODE_DROPOUT,
            dropout=DROPOUT,
            **sizes,
        )

    def as_dict(self) -> dict[str, Any]:
        """Give JSON-ready data."""
        return asdict(self)


def training_defaults(patients: int) -> dict[str, Any]:
    """Choose batch size, epochs and rate.

    Examples
    --------
    >>> training_defaults(40)["epochs"]
    40
    """
    batch_size = 8 if patients < 200 else 32 if patients < 10_000 else 64
    per_epoch = -(-patients // batch_size)
    epochs = min(40, max(3, round(2000 / per_epoch)))
    return {
        "batch_size": batch_size,
        "epochs": epochs,
        "learning_rate": 3e-3,
        "schedule": "one_cycle",
        "weight_decay": 5e-2,
        "clip_norm": 1.0,
        "average": min(0.999, max(0.9, 1.0 - 10.0 / (epochs * per_epoch))),
        "patience": max(5, epochs // 3),
        "device": "auto" if patients >= 5000 else "cpu",
        "sanity": False,
    }
