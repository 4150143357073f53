"""Linear-chain conditional random field: tags that are chosen together, not one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import Function, once_differentiable

from cellstate.errors import ShapeError, explain

START_SPREAD = 0.1
"""Transitions are drawn from ±this at first: small beside what emissions soon are."""


# torch's annotation of it does not fit a Function's static method.
_once_differentiable = cast("Any", once_differentiable)


class Allowed(NamedTuple):
    """Which tags may follow which; all may where a part is None.

    Attributes
    ----------
    pairs : Tensor
        (K, K) bool, from tag (row) to tag (column).
    start, end : Tensor
        (K,) bool, tags that a sequence may begin and end with.
    """

    pairs: Tensor
    start: Tensor
    end: Tensor


class Scores(NamedTuple):
    """Transition scores with minus infinity where a transition is forbidden.

    Attributes
    ----------
    pairs : Tensor
        (K, K)
    start, end : Tensor
        (K,)
    """

    pairs: Tensor
    start: Tensor
    end: Tensor


class CRF(nn.Module):
    r"""A distribution over whole tag sequences.

    .. math::

        s(y) &= a_{y_1} + \sum_t e_{t, y_t} + \sum_t A_{y_t, y_{t+1}} + b_{y_n}  \quad (1) \\
        p(y) &= \exp(s(y)) / \sum_{y'} \exp(s(y'))                               \quad (2)

    with emissions e from a network, transitions A, start scores a and end scores b. A forbidden
    transition scores minus infinity, so that no forbidden sequence is ever likely or decoded. The
    empty sequence has one tagging, of score 0.

    Parameters
    ----------
    tags : int
        Number K of tags, at least 1.
    allowed : Allowed, optional
        Hard constraints; none by default.

    Examples
    --------
    >>> crf = CRF(2)
    >>> emissions = torch.tensor([[[5.0, 0.0], [0.0, 9.0], [5.0, 0.0]]])
    >>> crf.decode(emissions, torch.tensor([3])).tolist()
    [[0, 1, 0]]

    The second tag may not follow the first:

    >>> allowed = Allowed(torch.tensor([[True, False], [True, True]]), *torch.ones(2, 2) > 0)
    >>> CRF(2, allowed).decode(emissions, torch.tensor([3])).tolist()
    [[1, 1, 0]]

    References
    ----------
    J. Lafferty, A. McCallum and F. Pereira, "Conditional random fields", ICML 2001.
    """

    forbidden_pairs: Tensor
    forbidden_start: Tensor
    forbidden_end: Tensor

    def __init__(self, tags: int, allowed: Allowed | None = None) -> None:
        super().__init__()
        self.tags = tags
        shapes = {"pairs": (tags, tags), "start": (tags,), "end": (tags,)}
        for name, shape in shapes.items():
            given = None if allowed is None else cast("Tensor", getattr(allowed, name))
            if given is not None and given.shape != shape:
                must, do = f"allowed.{name} must be {shape}", "Give one entry for each tag"
                raise ShapeError(explain("CRF", must, str(tuple(given.shape)), do))
            forbidden = torch.zeros(shape, dtype=torch.bool) if given is None else ~given
            # Part of the network's plan rather than of its weights: not saved.
            self.register_buffer(f"forbidden_{name}", forbidden, persistent=False)
        self.pairs = nn.Parameter(torch.empty(tags, tags))
        self.start = nn.Parameter(torch.empty(tags))
        self.end = nn.Parameter(torch.empty(tags))
        for parameter in (self.pairs, self.start, self.end):
            nn.init.uniform_(parameter, -START_SPREAD, START_SPREAD)

    def scores(self) -> Scores:
        """Give the transition scores, forbidden ones as minus infinity."""
        return Scores(
            self.pairs.masked_fill(self.forbidden_pairs, -torch.inf),
            self.start.masked_fill(self.forbidden_start, -torch.inf),
            self.end.masked_fill(self.forbidden_end, -torch.inf),
        )

    def forward(self, emissions_BTK: Tensor, tags_BT: Tensor, lengths_B: Tensor) -> Tensor:
        """Give the negative log-likelihood of each row's tags, −log p(y).

        Parameters
        ----------
        emissions_BTK : Tensor
            Scores of each tag at each step. What lies beyond a row's length does not matter.
        tags_BT : Tensor
            Tag numbers, int64; any number within range beyond a row's length.
        lengths_B : Tensor
            Steps of each row, at least 0.

        Returns
        -------
        Tensor
            (B,) in nats; infinite where the tags break a constraint, 0 where a row is empty.
        """
        given = self.score(emissions_BTK, tags_BT, lengths_B)
        return self.log_partition(emissions_BTK, lengths_B) - given

    def score(self, emissions_BTK: Tensor, tags_BT: Tensor, lengths_B: Tensor) -> Tensor:
        """Add up the score of each row's tags, equation (1): (B,)."""
        self._check(emissions_BTK, lengths_B)
        B, T, _ = emissions_BTK.shape
        if T == 0:
            return emissions_BTK.new_zeros(B)
        scores, valid_BT = self.scores(), _valid(lengths_B, T)
        emitted_BT = emissions_BTK.gather(2, tags_BT[..., None]).squeeze(2)
        moved_BT = scores.pairs[tags_BT[:, :-1], tags_BT[:, 1:]]
        last_B1 = (lengths_B - 1).clamp(min=0)[:, None]
        ends_B = scores.start[tags_BT[:, 0]] + scores.end[tags_BT.gather(1, last_B1).squeeze(1)]
        total_B = torch.where(valid_BT, emitted_BT, 0.0).sum(1)
        total_B = total_B + torch.where(valid_BT[:, 1:], moved_BT, 0.0).sum(1)
        return total_B + torch.where(lengths_B > 0, ends_B, 0.0)

    def log_partition(self, emissions_BTK: Tensor, lengths_B: Tensor) -> Tensor:
        """Sum over all taggings, log Σ exp s(y): (B,), differentiable once.

        Notes
        -----
        One log-sum-exp a step forwards, and one backwards for the gradient, which is the marginal
        probabilities themselves: nothing is recorded step by step.
        """
        self._check(emissions_BTK, lengths_B)
        if emissions_BTK.shape[1] == 0:
            return emissions_BTK.new_zeros(emissions_BTK.shape[0])
        emissions_TBK = emissions_BTK.transpose(0, 1)
        return _log_partition(emissions_TBK, lengths_B, *self.scores())

    @torch.no_grad()
    def marginals(self, emissions_BTK: Tensor, lengths_B: Tensor) -> Tensor:
        """Give the probability of each tag at each step: (B, T, K), zero beyond the lengths."""
        self._check(emissions_BTK, lengths_B)
        if emissions_BTK.shape[1] == 0:
            return emissions_BTK.clone()
        scores, emissions_TBK = self.scores(), emissions_BTK.transpose(0, 1)
        alphas_TBK, log_sums_B = _forwards(emissions_TBK, lengths_B, scores)
        betas_TBK = torch.empty_like(alphas_TBK)
        for t, beta_BK, _ in _backwards(emissions_TBK, lengths_B, scores):
            betas_TBK[t] = beta_BK
        found_TBK = (alphas_TBK + betas_TBK - log_sums_B[:, None]).exp()
        valid_TB1 = _valid(lengths_B, len(alphas_TBK)).T[..., None]
        return torch.where(valid_TB1, found_TBK, 0.0).transpose(0, 1)

    @torch.no_grad()
    def decode(self, emissions_BTK: Tensor, lengths_B: Tensor) -> Tensor:
        """Find each row's best tags: (B, T) int64, zero beyond the lengths (Viterbi)."""
        self._check(emissions_BTK, lengths_B)
        B, T, K = emissions_BTK.shape
        tags_BT = torch.zeros(B, T, dtype=torch.int64, device=emissions_BTK.device)
        if T == 0 or B == 0:
            return tags_BT
        scores, valid_BT = self.scores(), _valid(lengths_B, T)
        best_BK = scores.start + emissions_BTK[:, 0]
        stay_BK = torch.arange(K, device=emissions_BTK.device).expand(B, K)
        came_from: list[Tensor] = []
        for t in range(1, T):
            reached_BK, from_BK = (best_BK[:, :, None] + scores.pairs).max(1)
            valid_B1 = valid_BT[:, t, None]
            best_BK = torch.where(valid_B1, reached_BK + emissions_BTK[:, t], best_BK)
            # Beyond a row's end its tag stays, so that all rows are followed back from one place.
            came_from.append(torch.where(valid_B1, from_BK, stay_BK))
        tag_B1 = (best_BK + scores.end).argmax(1, keepdim=True)
        tags_BT[:, T - 1] = tag_B1.squeeze(1)
        for t in range(T - 1, 0, -1):
            tag_B1 = came_from[t - 1].gather(1, tag_B1)
            tags_BT[:, t - 1] = tag_B1.squeeze(1)
        return torch.where(valid_BT, tags_BT, 0)

    def _check(self, emissions_BTK: Tensor, lengths_B: Tensor) -> None:
        shape = tuple(emissions_BTK.shape)
        if len(shape) != 3 or shape[2] != self.tags or lengths_B.shape != shape[:1]:
            must = f"emissions must be (batch, time, {self.tags}) and lengths (batch,)"
            given = f"{shape} and {tuple(lengths_B.shape)}"
            raise ShapeError(explain("CRF", must, given, "Give one score for each tag"))


def _valid(lengths_B: Tensor, steps: int) -> Tensor:
    """Tell which steps lie within the lengths: (B, T)."""
    return torch.arange(steps, device=lengths_B.device) < lengths_B[:, None]


def _forwards(emissions_TBK: Tensor, lengths_B: Tensor, scores: Scores) -> tuple[Tensor, Tensor]:
    """Sum over all ways to each tag, (T, B, K), and over all to the end, (B,), as logarithms."""
    valid_TB = _valid(lengths_B, len(emissions_TBK)).T
    alphas_TBK = torch.empty_like(emissions_TBK, memory_format=torch.contiguous_format)
    alpha_BK = scores.start + emissions_TBK[0]
    alphas_TBK[0] = alpha_BK
    for t in range(1, len(emissions_TBK)):
        reached_BK = (alpha_BK[:, :, None] + scores.pairs).logsumexp(1) + emissions_TBK[t]
        alpha_BK = torch.where(valid_TB[t, :, None], reached_BK, alpha_BK)
        alphas_TBK[t] = alpha_BK
    log_sums_B = (alpha_BK + scores.end).logsumexp(1)
    return alphas_TBK, torch.where(lengths_B > 0, log_sums_B, 0.0)


def _backwards(emissions_TBK: Tensor, lengths_B: Tensor, scores: Scores) -> Any:
    """Yield, from the last step on, (t, sum over all ways from each tag to the end, next step).

    The third part is (B, K, K): what each pair of tags at t and t + 1 adds to the ways from t; None
    at the last step.
    """
    T, B, K = emissions_TBK.shape
    end_BK = scores.end.expand(B, K)
    beta_BK = end_BK
    yield T - 1, beta_BK, None
    for t in range(T - 2, -1, -1):
        onwards_BKK = scores.pairs + (emissions_TBK[t + 1] + beta_BK)[:, None, :]
        inside_B1 = (t + 1 < lengths_B)[:, None]
        beta_BK = torch.where(inside_B1, onwards_BKK.logsumexp(2), end_BK)
        yield t, beta_BK, onwards_BKK


class _LogPartition(Function):
    """The log-partition with the forward-backward algorithm as its gradient."""

    @staticmethod
    def forward(
        ctx: Any,
        emissions_TBK: Tensor,
        lengths_B: Tensor,
        pairs: Tensor,
        start: Tensor,
        end: Tensor,
    ) -> Tensor:
        """Sum forwards, and keep the sums on the way."""
        alphas_TBK, log_sums_B = _forwards(emissions_TBK, lengths_B, Scores(pairs, start, end))
        ctx.save_for_backward(emissions_TBK, lengths_B, pairs, start, end, alphas_TBK, log_sums_B)
        return log_sums_B

    @staticmethod
    @_once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Weigh the marginals of tags and of pairs of tags."""
        emissions_TBK, lengths_B, *parts, alphas_TBK, log_sums_B = cast(
            "tuple[Tensor, ...]", ctx.saved_tensors
        )
        scores, weight_B = Scores(*parts), gradients[0]
        tags_TBK = torch.zeros_like(alphas_TBK)
        pairs_KK = torch.zeros_like(scores.pairs)
        reduced_TBK = alphas_TBK - log_sums_B[:, None]  # log p of the way to a tag
        for t, beta_BK, onwards_BKK in _backwards(emissions_TBK, lengths_B, scores):
            here_B1 = (t < lengths_B)[:, None]
            share_BK = (reduced_TBK[t] + beta_BK).exp() * weight_B[:, None]
            tags_TBK[t] = torch.where(here_B1, share_BK, 0.0)
            if onwards_BKK is not None:
                share_BKK = (reduced_TBK[t][:, :, None] + onwards_BKK).exp()
                share_BKK = share_BKK * weight_B[:, None, None]
                inside_B11 = (t + 1 < lengths_B)[:, None, None]
                pairs_KK += torch.where(inside_B11, share_BKK, 0.0).sum(0)
        last_1BK = (lengths_B - 1).clamp(min=0)[None, :, None].expand(1, *tags_TBK.shape[1:])
        end_K = tags_TBK.gather(0, last_1BK).sum((0, 1))
        return tags_TBK, None, pairs_KK, tags_TBK[0].sum(0), end_K


_log_partition = cast("Callable[..., Tensor]", _LogPartition.apply)
