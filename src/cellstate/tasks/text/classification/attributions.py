"""What each word adds to what a network says of a text: integrated gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

STEPS = 32
"""Points on the way from nothing to the text at which the gradient is taken."""
STEPS_AT_ONCE = 16


@dataclass(frozen=True)
class Explanation:
    """A text in words, and what each adds to one label.

    Attributes
    ----------
    text : str
    label : object
        The label that the values speak of.
    probability : float
        What the label was given.
    words : tuple of str
    spans : np.ndarray
        (N, 2) where each word begins and ends in the text.
    values : np.ndarray
        (N,) what each adds to the label's score, in nats of log odds; above 0 it speaks for it.
    baseline : float
        The score without any word; with `values` it adds up to the label's score.

    Examples
    --------
    >>> spans = np.array([[0, 4], [5, 9]])
    >>> values = np.array([2.0, 0.1])
    >>> print(Explanation("good film", "+", 0.9, ("good", "film"), spans, values, 0.0))
    '+' with probability 0.90: good +2.00, film +0.10
    """

    text: str
    label: Any
    probability: float
    words: tuple[str, ...]
    spans: np.ndarray
    values: np.ndarray
    baseline: float

    def pieces(self) -> tuple[tuple[str, ...], np.ndarray]:
        """Cut the whole text into words and what lies between, which has no value (NaN)."""
        parts: list[str] = []
        values: list[float] = []
        end = 0
        for (first, last), value in zip(self.spans, self.values, strict=True):
            if first > end:
                parts.append(self.text[end:first])
                values.append(np.nan)
            parts.append(self.text[first:last])
            values.append(float(value))
            end = max(end, int(last))
        if end < len(self.text):
            parts.append(self.text[end:])
            values.append(np.nan)
        return tuple(parts), np.array(values, dtype=np.float64)

    def __str__(self) -> str:
        order = np.argsort(-np.abs(self.values), kind="stable")[:8]
        words = ", ".join(f"{self.words[k]} {self.values[k]:+.2f}" for k in order)
        return f"{self.label!r} with probability {self.probability:.2f}: {words}"


def integrated_gradients(
    answer: Callable[[Any, Any], Any], x_TE: Any, label: int, *, steps: int = STEPS
) -> tuple[np.ndarray, float]:
    r"""Share a score out among the words.

    With :math:`x` the words' vectors and :math:`F` the label's score above the mean of the others,

    .. math:: a_t = x_t \cdot \int_0^1 \frac{\partial F(\alpha x)}{\partial x_t}\,d\alpha, \qquad
              \sum_t a_t = F(x) - F(0)

    The integral is a sum at the middles of equal steps; what it misses of the sum over the words is
    shared out in proportion to their sizes, so that the equation holds.

    Parameters
    ----------
    answer : callable
        (vectors (B, T, E), lengths (B,)) -> scores (B, K)
    x_TE : Tensor
        (T, E)
    label : int
    steps : int

    Returns
    -------
    values : np.ndarray
        (T,) float64
    baseline : float
        F(0)

    References
    ----------
    M. Sundararajan, A. Taly, Q. Yan, "Axiomatic attribution for deep networks", ICML 2017.
    """
    import torch

    def score(x_BTE: Any) -> Any:
        scores_BK = answer(x_BTE, torch.full((len(x_BTE),), x_BTE.shape[1]))
        others = scores_BK.sum(1) - scores_BK[:, label]
        return scores_BK[:, label] - others / max(1, scores_BK.shape[1] - 1)

    total = torch.zeros_like(x_TE)
    for start in range(0, steps, STEPS_AT_ONCE):
        places = torch.arange(start, min(start + STEPS_AT_ONCE, steps))
        way = ((places + 0.5) / steps)[:, None, None] * x_TE
        way.requires_grad_()
        total += torch.autograd.grad(score(way).sum(), way)[0].sum(0)
    values = (total * x_TE).sum(1).double().numpy() / steps
    with torch.no_grad():
        first, last = score(torch.stack([torch.zeros_like(x_TE), x_TE])).double().tolist()
    sizes = np.abs(values)
    missing = (last - first) - values.sum()
    if sizes.sum() > 0:
        values = values + missing * sizes / sizes.sum()
    return values, float(first)


def occlusion(answer: Callable[[Any, Any], Any], x_TE: Any, label: int) -> np.ndarray:
    """Measure by how much the label's score falls where one word's vector is zero: (T,) float64.

    The check on `integrated_gradients`: slower, and blind to words that stand in for each other.
    """
    import torch

    with torch.no_grad():
        without = x_TE[None] * (1.0 - torch.eye(len(x_TE)))[..., None]
        every = torch.cat([x_TE[None], without])
        scores_BK = answer(every, torch.full((len(every),), len(x_TE))).double()
        others = scores_BK.sum(1) - scores_BK[:, label]
        scores_B = scores_BK[:, label] - others / max(1, scores_BK.shape[1] - 1)
        return (scores_B[0] - scores_B[1:]).numpy()
