"""Beam search over any function that scores the next token, many rows at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cellstate.errors import InputError, explain

if TYPE_CHECKING:
    from torch import Tensor

Step = Callable[["Tensor", Any], tuple["Tensor", Any]]
"""(tokens_R, state) -> (log_probs_RV, state): what may follow, for R hypotheses."""
Reorder = Callable[[Any, "Tensor"], Any]
"""(state, rows_R) -> state whose hypothesis k is hypothesis ``rows_R[k]`` of the old one."""


@dataclass(frozen=True)
class Hypothesis:
    """One result of a search.

    Attributes
    ----------
    tokens : np.ndarray
        (N,) int64, without the end token.
    score : float
        What hypotheses are ranked by: equation (1).
    log_prob : float
        Of all tokens together, of the end token too where there is one.
    is_complete : bool
        Whether it ended by itself; False where it was cut at the greatest length.
    """

    tokens: np.ndarray
    score: float
    log_prob: float
    is_complete: bool


@dataclass(frozen=True)
class Coverage:
    """How much of the source each hypothesis has looked at.

    Attributes
    ----------
    weight : float
        The penalty's weight β, at least 0.
    attention : callable
        state -> (R, S), the weights of the step that made the state, each row sums to 1.
    mask : Tensor
        (B, S) bool, True where a row has a source token.
    """

    weight: float
    attention: Callable[[Any], Tensor]
    mask: Tensor


@dataclass(frozen=True)
class BeamSearch:
    r"""Search for the likeliest continuations, `beam` hypotheses of a row side by side.

    Hypotheses are ranked by

    .. math::

        s(Y) = \frac{\log P(Y)}{((5 + |Y|) / 6)^\alpha}
               + \beta \sum_s \log \min\left(\sum_t a_{ts}, 1\right) \qquad (1)

    with length :math:`|Y|` (the end token counts), length penalty α, and, with a `Coverage`, its
    weight β and attention a. A row is done as soon as `beam` of its hypotheses have ended, or
    `n_best` have and no other can still surpass them; it then leaves the batch.

    Parameters
    ----------
    beam : int
        Hypotheses of a row kept at each step, at least 1; 1 is greedy search.
    length_penalty : float
        α of equation (1), at least 0: 0 prefers short results, 1 compares by mean log-probability,
        nearly.
    min_length : int
        Fewest tokens before the end token, at least 0.
    n_best : int
        Results of a row, 1 … `beam`.

    Raises
    ------
    InputError
        An argument is out of range.

    References
    ----------
    Y. Wu et al., "Google's neural machine translation system", 2016, arXiv:1609.08144, section 7.

    Examples
    --------
    A greedy choice between A and B falls for A (0.6), after which nothing is likely:

    >>> import torch
    >>> after = {0: [0.0, 0.6, 0.4], 1: [0.5, 0.25, 0.25], 2: [0.98, 0.01, 0.01]}
    >>> def step(tokens, state):
    ...     return torch.tensor([after[k] for k in tokens.tolist()]).log(), None
    >>> for beam in (1, 2):
    ...     search = BeamSearch(beam, length_penalty=0.0)
    ...     best = search(step, lambda state, rows: None, None, first=[0], end=0, max_length=4)
    ...     print(best[0][0].tokens.tolist(), round(best[0][0].log_prob, 3))
    [1] -1.204
    [2] -0.936
    """

    beam: int = 5
    length_penalty: float = 1.0
    min_length: int = 0
    n_best: int = 1

    def __post_init__(self) -> None:
        for name, least in (("beam", 1), ("length_penalty", 0), ("min_length", 0), ("n_best", 1)):
            if getattr(self, name) < least:
                given = f"{name}={getattr(self, name)!r}"
                must = f"{name} must be at least {least}"
                raise InputError(explain("BeamSearch", must, given, f"Give {least} or more"))
        if self.n_best > self.beam:
            must = f"n_best must be at most beam={self.beam}"
            do = "Widen the beam, or ask for fewer results"
            raise InputError(explain("BeamSearch", must, f"n_best={self.n_best}", do))

    def __call__(
        self,
        step: Step,
        reorder: Reorder,
        state: Any,
        *,
        first: Any,
        end: int | None,
        max_length: Any,
        coverage: Coverage | None = None,
    ) -> list[list[Hypothesis]]:
        """Search for every row.

        Parameters
        ----------
        step, reorder : callable
            See `Step` and `Reorder`. Log-probabilities may be ``-inf`` for what must not follow.
        state : any
            Before the first step, of B hypotheses: one for each row.
        first : Tensor or sequence of int
            (B,) what the first step is given.
        end : int, optional
            The token that ends a hypothesis; None where only `max_length` does.
        max_length : int, or Tensor or sequence of int
            Most tokens of a row, the end token included, at least 1; (B,) or one for all.
        coverage : Coverage, optional
            Adds the coverage penalty.

        Returns
        -------
        list of list of Hypothesis
            For each row at most `n_best` results, the best first; none where every continuation has
            probability zero.
        """
        import torch

        first_B = torch.as_tensor(first)
        limits_B = torch.as_tensor(max_length, device=first_B.device).expand(len(first_B)).clone()
        with torch.inference_mode():
            return _Search(self, step, reorder, end, coverage, first_B, limits_B).run(state)


class _Search:
    """One call of a search; tensors have an axis A of the rows that are not done."""

    def __init__(
        self,
        settings: BeamSearch,
        step: Step,
        reorder: Reorder,
        end: int | None,
        coverage: Coverage | None,
        first_B: Tensor,
        limits_B: Tensor,
    ) -> None:
        import torch

        self.settings, self.step, self.reorder = settings, step, reorder
        self.end, self.coverage = end, coverage
        rows, beam, device = len(first_B), settings.beam, first_B.device
        self.found: list[list[Hypothesis]] = [[] for _ in range(rows)]
        self.ended = [0] * rows
        self.row_A = torch.arange(rows, device=device)
        self.limits_A = limits_B
        self.last_AK = first_B[:, None].expand(rows, beam)
        self.log_probs_AK = torch.full((rows, beam), -torch.inf, device=device)
        self.log_probs_AK[:, 0] = 0.0  # at first there is one hypothesis
        self.tokens_AKN = torch.empty((rows, beam, 0), dtype=torch.int64, device=device)
        self.covered_AKS: Tensor | None = None
        if coverage is not None:
            self.mask_AS = coverage.mask
            shape = (rows, beam, coverage.mask.shape[1])
            self.covered_AKS = torch.zeros(shape, device=device)

    def run(self, state: Any) -> list[list[Hypothesis]]:
        beam = self.settings.beam
        if not len(self.row_A):
            return self.found
        state = self.reorder(state, self.row_A.repeat_interleave(beam))
        while True:
            log_probs_RV, state = self.step(self.last_AK.reshape(-1), state)
            if self.coverage is not None and self.covered_AKS is not None:
                seen = self.coverage.attention(state)
                self.covered_AKS = self.covered_AKS + seen.view(self.covered_AKS.shape)
            parents_AK = self._extend(log_probs_RV.view(len(self.row_A), beam, -1))
            left = self._open_rows()
            start_A1 = beam * left[:, None]
            if len(left) < len(self.row_A):
                self._keep(left)
                parents_AK = parents_AK[left]
            if not len(left):
                return self.found
            state = self.reorder(state, (start_A1 + parents_AK).reshape(-1))

    def _extend(self, log_probs_AKV: Tensor) -> Tensor:
        """Choose the best continuations; those that end are done, the others go on."""
        import torch

        beam, end, length = self.settings.beam, self.end, self.tokens_AKN.shape[2] + 1
        rows, _, vocabulary = log_probs_AKV.shape
        total_AKV = self.log_probs_AK[:, :, None] + log_probs_AKV.float()
        if end is not None and length <= self.settings.min_length:
            total_AKV[:, :, end] = -torch.inf
        # One token of each hypothesis may be the end, hence twice as many leave enough to go on.
        count = min(2 * beam, beam * vocabulary)
        best_AC, flat_AC = total_AKV.view(rows, -1).topk(count)
        parent_AC = flat_AC.div(vocabulary, rounding_mode="floor")
        token_AC = flat_AC.remainder(vocabulary)
        if end is not None:
            ends_AC = (token_AC == end) & (best_AC > -torch.inf)
            self._finish(ends_AC[:, :beam], best_AC, parent_AC, length)
            best_AC = best_AC.masked_fill(token_AC == end, -torch.inf)
        self.log_probs_AK, chosen_AK = _padded(best_AC, beam).topk(beam)
        chosen_AK = chosen_AK.clamp(max=count - 1)  # of hypotheses that do not exist
        parents_AK = parent_AC.gather(1, chosen_AK)
        self.last_AK = token_AC.gather(1, chosen_AK)
        self.tokens_AKN = torch.cat([_of(self.tokens_AKN, parents_AK), self.last_AK[..., None]], 2)
        if self.covered_AKS is not None:
            self.covered_AKS = _of(self.covered_AKS, parents_AK)
        is_cut_A = self.limits_A <= length
        if bool(is_cut_A.any()):
            cut_AK = is_cut_A[:, None] & (self.log_probs_AK > -torch.inf)
            self._finish(cut_AK, self.log_probs_AK, None, length)
        return parents_AK

    def _finish(
        self, is_done_AC: Tensor, log_probs_AC: Tensor, parent_AC: Tensor | None, length: int
    ) -> None:
        """Take hypotheses as results: by their parent, which the end followed, or as they are."""
        if not bool(is_done_AC.any()):
            return
        a_E, k_E = is_done_AC.nonzero(as_tuple=True)
        log_probs_E = log_probs_AC[a_E, k_E]
        place_E = k_E if parent_AC is None else parent_AC[a_E, k_E]
        scores_E = log_probs_E / self._length_penalty(length)
        if self.coverage is not None and self.covered_AKS is not None:
            covered_ES = self.covered_AKS[a_E, place_E].clamp(1e-9, 1.0).log()
            penalty_E = covered_ES.masked_fill(~self.mask_AS[a_E], 0.0).sum(1)
            scores_E = scores_E + self.coverage.weight * penalty_E
        ending = zip(
            self.row_A[a_E].tolist(),
            self.tokens_AKN[a_E, place_E].cpu().numpy(),
            scores_E.tolist(),
            log_probs_E.tolist(),
            strict=True,
        )
        for row, tokens, score, log_prob in ending:
            self.ended[row] += 1
            found = self.found[row]
            found.append(Hypothesis(tokens, score, log_prob, parent_AC is not None))
            found.sort(key=lambda hypothesis: -hypothesis.score)
            del found[self.settings.n_best :]

    def _open_rows(self) -> Tensor:
        """Say which rows have hypotheses that may still become results."""
        import torch

        length, n_best = self.tokens_AKN.shape[2], self.settings.n_best
        # A log-probability only falls, and the longest result divides it by most.
        hope_A = self.log_probs_AK[:, 0] / self._length_penalty(self.limits_A)
        rows = zip(self.row_A.tolist(), self.limits_A.tolist(), hope_A.tolist(), strict=True)
        left = [
            place
            for place, (row, limit, hope) in enumerate(rows)
            if limit > length
            and hope > -torch.inf
            and self.ended[row] < self.settings.beam
            and (len(self.found[row]) < n_best or hope > self.found[row][-1].score)
        ]
        return torch.tensor(left, dtype=torch.int64, device=self.row_A.device)

    def _keep(self, left: Tensor) -> None:
        self.row_A, self.limits_A = self.row_A[left], self.limits_A[left]
        self.last_AK, self.log_probs_AK = self.last_AK[left], self.log_probs_AK[left]
        self.tokens_AKN = self.tokens_AKN[left]
        if self.covered_AKS is not None:
            self.covered_AKS, self.mask_AS = self.covered_AKS[left], self.mask_AS[left]

    def _length_penalty(self, length: Any) -> Any:
        return ((5.0 + length) / 6.0) ** self.settings.length_penalty


def _of(values_AKX: Tensor, parents_AK: Tensor) -> Tensor:
    """Take each hypothesis' values from its parent."""
    index = parents_AK[:, :, None].expand(-1, -1, values_AKX.shape[2])
    return values_AKX.gather(1, index)


def _padded(best_AC: Tensor, beam: int) -> Tensor:
    """Fill up with impossible candidates where there are fewer than the beam is wide."""
    import torch

    missing = max(0, beam - best_AC.shape[1])
    return torch.nn.functional.pad(best_AC, (0, missing), value=-torch.inf)
