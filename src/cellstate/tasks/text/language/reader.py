"""A trained language model as something that reads tokens and says what may come next."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from cellstate import network, runtime
from cellstate.tasks.text.language.plan import LanguagePlan
from cellstate.tasks.weights import fill

if TYPE_CHECKING:
    from cellstate.nn.language import LanguageNetwork

State = dict[str, tuple[np.ndarray, np.ndarray]]
"""By layer: h and c, each (1, B, H) float32."""


class AbstractReader(ABC):
    """Reads tokens of B rows; every array is NumPy's, whatever computes."""

    @abstractmethod
    def hidden(self, tokens_TB: np.ndarray, state: State | None) -> tuple[np.ndarray, State]:
        """Run the memory: its output (T, B, H) float32, and the state after the last step."""

    @abstractmethod
    def logits(self, hidden_TBH: np.ndarray) -> np.ndarray:
        """Give log odds (T, B, V) of the next token, up to a constant."""

    def log_probabilities(self, hidden_TBH: np.ndarray) -> np.ndarray:
        """Give log p (T, B, V) of the next token, float64."""
        return log_softmax(self.logits(hidden_TBH))

    def next(self, tokens_TB: np.ndarray, state: State | None) -> tuple[np.ndarray, State]:
        """Read some tokens and give log p (B, V) of what comes after the last one."""
        hidden_TBH, after = self.hidden(tokens_TB, state)
        return self.log_probabilities(hidden_TBH[-1:])[0], after


class ChainReader(AbstractReader):
    """Runs on the kernels alone.

    Parameters
    ----------
    layers : tuple of network.Layer
        The last one is the output layer.
    tensors : dict of str to np.ndarray
    """

    def __init__(self, layers: tuple[network.Layer, ...], tensors: dict[str, np.ndarray]) -> None:
        self._body = runtime.Chain(layers[:-1], tensors)
        self._head = runtime.Chain(layers[-1:], tensors)

    def hidden(self, tokens_TB: np.ndarray, state: State | None) -> tuple[np.ndarray, State]:
        """Run all layers but the last."""
        if len(tokens_TB) == 1:
            said, after = self._body.step(tokens_TB[0], state)
            return said[None], dict(after)
        said, after = self._body.sequence(tokens_TB, state)
        return said, dict(after)

    def logits(self, hidden_TBH: np.ndarray) -> np.ndarray:
        """Run the last layer."""
        return self._head.sequence(hidden_TBH)[0]


class TorchReader(AbstractReader):
    """Runs through torch, for a network that is no chain."""

    def __init__(self, model: LanguageNetwork) -> None:
        self._model = model.eval()

    def hidden(self, tokens_TB: np.ndarray, state: State | None) -> tuple[np.ndarray, State]:
        """Run the memory."""
        import torch

        from cellstate.ops.problem import LSTMState

        given = {
            name: LSTMState(*(torch.from_numpy(np.array(part)) for part in pair))
            for name, pair in (state or {}).items()
        }
        with torch.inference_mode():
            said = self._model.hidden(torch.from_numpy(tokens_TB.astype(np.int64)), given)
        after = {name: (s.h.numpy(), s.c.numpy()) for name, s in said.state.items()}
        return said.raw.numpy(), after

    def logits(self, hidden_TBH: np.ndarray) -> np.ndarray:
        """Run the adaptive softmax over all clusters."""
        import torch

        with torch.inference_mode():
            return self._model.log_odds(torch.from_numpy(np.array(hidden_TBH))).numpy()


def make_reader(plan: LanguagePlan, tensors: dict[str, np.ndarray]) -> AbstractReader:
    """Choose how a network runs: without torch wherever it is a chain."""
    if plan.cutoffs:
        return TorchReader(build_network(plan, tensors))
    return ChainReader(layers_of(plan), tensors)


def layers_of(plan: LanguagePlan) -> tuple[network.Layer, ...]:
    """Describe the network of a plan with a full softmax, as `LanguageNetwork.layers` does.

    Examples
    --------
    >>> plan = LanguagePlan(9, 4, 8, 2, tie=True, cutoffs=())
    >>> [layer.name for layer in layers_of(plan)]
    ['embedding', 'memory_0', 'memory_1', 'output']
    """
    widths = [plan.embedding_size, *([plan.hidden_size] * plan.num_layers)]
    widths[-1] = plan.width
    memories = [
        network.LSTM(f"memory_{k}", widths[k], widths[k + 1]) for k in range(plan.num_layers)
    ]
    return (
        network.Embedding("embedding", plan.vocabulary, plan.embedding_size),
        *memories,
        network.Linear("output", plan.width, plan.vocabulary),
    )


def build_network(plan: LanguagePlan, tensors: dict[str, np.ndarray]) -> Any:
    """Make the network in torch and fill in its weights.

    Raises
    ------
    ValueError
        The weights do not fit the plan.
    """
    from cellstate.extras import require
    from cellstate.train import isolated

    require("torch", extra="train")
    with isolated(0):
        model = plan.build()
    fill(model, tensors)
    return model.eval()


def reordered(state: State, rows: np.ndarray) -> State:
    """Give the state whose row k is the row ``rows[k]`` of another one."""
    return {name: (h[:, rows].copy(), c[:, rows].copy()) for name, (h, c) in state.items()}


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Turn log odds into log probabilities over the last axis, in float64.

    Examples
    --------
    >>> np.exp(log_softmax(np.log([1.0, 3.0]))).round(6).tolist()
    [0.25, 0.75]
    """
    logits = np.asarray(logits, dtype=np.float64)
    centred = logits - logits.max(-1, keepdims=True)
    return centred - np.log(np.exp(centred).sum(-1, keepdims=True))
