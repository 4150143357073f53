"""Dynamic evaluation: a language model that goes on learning from the text it is scored on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cellstate.errors import InputError, explain
from cellstate.tasks.text.language.stream_score import stretches

if TYPE_CHECKING:
    import torch

    from cellstate.nn.language import LanguageNetwork

STATISTICS = 200
"""Stretches of the training text from which the usual size of gradients is learned."""


@dataclass(frozen=True)
class DynamicEvaluation:
    r"""After each stretch, take one step on it, and be drawn back to the trained weights.

    .. math:: \theta \leftarrow \theta - \eta \frac{g}{r + \epsilon}
              + \lambda \frac{r}{\bar r}(\theta_0 - \theta)

    with the gradient g of the stretch's mean loss and its root mean square r over training text.
    Each token is scored before it is learned from. Choose the numbers on held-out text.

    Parameters
    ----------
    rate : float
        η, above 0.
    decay : float
        λ, in 0 … 1.
    epsilon : float
        ε, above 0.
    steps : int
        Tokens of a stretch, at least 1.

    References
    ----------
    B. Krause et al., "Dynamic evaluation of neural sequence models", ICML 2018.
    """

    rate: float = 1e-4
    decay: float = 1e-3
    epsilon: float = 1e-5
    steps: int = 20

    def __post_init__(self) -> None:
        checks = (
            ("rate", self.rate > 0, "above 0"),
            ("decay", 0 <= self.decay <= 1, "at least 0 and at most 1"),
            ("epsilon", self.epsilon > 0, "above 0"),
            ("steps", self.steps >= 1, "at least 1"),
        )
        for name, fits, must in checks:
            if not fits:
                given = repr(getattr(self, name))
                do = "Choose it on held-out text"
                raise InputError(explain("DynamicEvaluation", f"{name} must be {must}", given, do))


def score_dynamically(
    model: LanguageNetwork,
    tokens: np.ndarray,
    training: np.ndarray,
    settings: DynamicEvaluation,
) -> np.ndarray:
    """Read a text as one stream and learn from it on the way.

    Parameters
    ----------
    model : LanguageNetwork
        Its weights move.
    tokens : np.ndarray
        (N,) what is scored.
    training : np.ndarray
        (M,) text that the model was trained on.
    settings : DynamicEvaluation

    Returns
    -------
    np.ndarray
        (N - 1,) float64: log p of each token but the first, nats.
    """
    import torch
    from torch.nn.functional import log_softmax

    model.eval()
    parameters = [p for p in model.parameters() if p.requires_grad]
    trained = [p.detach().clone() for p in parameters]
    roots = _root_mean_squares(model, training, settings.steps)
    middle = float(torch.cat([root.flatten() for root in roots]).mean()) or 1.0
    # No weight may be drawn back by more than the whole way.
    pulls = [(settings.decay * root / middle).clamp(max=1.0) for root in roots]
    rates = [settings.rate / (root + settings.epsilon) for root in roots]
    log_p = np.empty(max(0, len(tokens) - 1))
    state = None
    for first, last in stretches(len(tokens) - 1, settings.steps):
        text = torch.from_numpy(np.asarray(tokens[first : last + 1], dtype=np.int64))[:, None]
        odds_TBV, after = model(text[:-1], state)
        said = log_softmax(odds_TBV, -1).gather(-1, text[1:, :, None])[:, 0, 0]
        log_p[first:last] = said.detach().double().numpy()
        gradients = torch.autograd.grad(-said.mean(), parameters)
        with torch.no_grad():
            for own, start, pull, rate, gradient in zip(
                parameters, trained, pulls, rates, gradients, strict=True
            ):
                own.lerp_(start, pull).addcmul_(gradient, rate, value=-1.0)
        state = {name: type(s)(s.h.detach(), s.c.detach()) for name, s in after.items()}
    return log_p


def _root_mean_squares(
    model: LanguageNetwork, training: np.ndarray, steps: int
) -> list[torch.Tensor]:
    """Learn the usual size of each weight's gradient on text that the model knows."""
    import torch

    parameters = [p for p in model.parameters() if p.requires_grad]
    squares = [torch.zeros_like(p) for p in parameters]
    cuts = stretches(len(training) - 1, steps)
    count = min(STATISTICS, len(cuts))
    for place in np.linspace(0, len(cuts) - 1, count).astype(int):
        first, last = cuts[place]
        text = torch.from_numpy(np.asarray(training[first : last + 1], dtype=np.int64))[:, None]
        gradients = torch.autograd.grad(model.loss(text[:-1], text[1:]).nats, parameters)
        for total, gradient in zip(squares, gradients, strict=True):
            total.add_(gradient.square(), alpha=1.0 / count)
    return [total.sqrt() for total in squares]
