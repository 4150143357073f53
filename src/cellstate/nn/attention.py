"""Attention: which steps of a memory matter to a query, and their weighted mean."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from cellstate.errors import InputError, ShapeError, did_you_mean, explain

Kind = Literal["dot", "general", "additive"]
KINDS = ("dot", "general", "additive")


class Attention(nn.Module):
    r"""Look at a memory of S steps with T queries.

    .. math::

        e_{ts} &= q_t \cdot m_s                       && \text{(1) dot} \\
        e_{ts} &= q_t \cdot W m_s                     && \text{(2) general} \\
        e_{ts} &= v \cdot \tanh(W m_s + U q_t + b)    && \text{(3) additive} \\
        a_t &= \operatorname{softmax}_s(e_t), \quad
        c_t = \sum_s a_{ts} m_s                       && \text{(4)}

    Parameters
    ----------
    queries : int
        Features Q of a query.
    features : int
        Features M of a step of the memory; Q for ``"dot"``.
    kind : {"dot", "general", "additive"}
        How a query is compared with a step. Additive attention needs memory and time for
        (B, T, S, units) numbers, the others for (B, T, S).
    units : int, optional
        Units of additive attention; Q when not given.

    Raises
    ------
    InputError
        The kind is unknown, or sizes do not fit it.

    References
    ----------
    D. Bahdanau, K. Cho, Y. Bengio, "Neural machine translation by jointly learning to align and
    translate", ICLR 2015 (3). M.-T. Luong, H. Pham, C. D. Manning, "Effective approaches to
    attention-based neural machine translation", EMNLP 2015 (1, 2).

    Examples
    --------
    >>> look = Attention(2, 2, kind="dot")
    >>> memory = torch.tensor([[[9.0, 0.0], [0.0, 9.0], [5.0, 5.0]]])
    >>> mask = torch.tensor([[True, True, False]])
    >>> query = torch.tensor([[[1.0, 0.0]]])
    >>> context, weights = look(query, memory, look.keys(memory), mask)
    >>> weights.round(decimals=3).tolist()
    [[[1.0, 0.0, 0.0]]]
    >>> [round(number, 2) for number in context.flatten().tolist()]
    [9.0, 0.0]
    """

    def __init__(
        self, queries: int, features: int, *, kind: Kind = "general", units: int | None = None
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            must = "kind must be 'dot', 'general' or 'additive'"
            raise InputError(explain("Attention", must, repr(kind), did_you_mean(str(kind), KINDS)))
        if kind == "dot" and queries != features:
            must = f"dot attention needs queries of the memory's {features} features"
            do = "Take kind='general', which projects the memory"
            raise InputError(explain("Attention", must, str(queries), do))
        if units is not None and (kind != "additive" or units < 1):
            must = "units must be at least 1, and belongs to additive attention"
            do = "Leave it out, or take kind='additive'"
            raise InputError(explain("Attention", must, f"units={units}, kind={kind!r}", do))
        self.queries, self.features, self.kind = queries, features, kind
        size = units or queries
        self.of_memory = None if kind == "dot" else nn.Linear(features, size, bias=False)
        self.of_query = nn.Linear(queries, size) if kind == "additive" else None
        self.score = nn.Linear(size, 1, bias=False) if kind == "additive" else None
        if self.of_memory is not None:
            nn.init.xavier_uniform_(self.of_memory.weight)
        if self.score is not None:
            nn.init.uniform_(self.score.weight, -1.0 / math.sqrt(size), 1.0 / math.sqrt(size))

    def keys(self, memory_BSM: Tensor) -> Tensor:
        """Project a memory once for all queries that will follow: (B, S, Q), or (B, S, units)."""
        return memory_BSM if self.of_memory is None else self.of_memory(memory_BSM)

    def forward(
        self,
        query_BTQ: Tensor,
        memory_BSM: Tensor,
        keys_BSK: Tensor,
        mask_BS: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Look.

        Parameters
        ----------
        query_BTQ : Tensor
            (B, T, Q)
        memory_BSM, keys_BSK : Tensor
            (B, S, M), and what `keys` made of it.
        mask_BS : Tensor, optional
            (B, S) bool, True where there is a step, at least once in each row.

        Returns
        -------
        context : Tensor
            (B, T, M)
        weights : Tensor
            (B, T, S), each row sums to 1, 0 where the mask is False.

        Raises
        ------
        ShapeError
            Batch or features of query and memory do not fit.
        """
        if query_BTQ.shape[::2] != (len(memory_BSM), self.queries):
            must = f"queries must be (batch={len(memory_BSM)}, time, {self.queries})"
            do = "Give one row of queries for each row of the memory"
            raise ShapeError(explain("Attention", must, str(tuple(query_BTQ.shape)), do))
        if self.of_query is None or self.score is None:
            scores_BTS = query_BTQ @ keys_BSK.transpose(1, 2)  # (1), (2)
        else:
            sums_BTSK = self.of_query(query_BTQ)[:, :, None] + keys_BSK[:, None]
            scores_BTS = self.score(sums_BTSK.tanh())[..., 0]  # (3)
        if mask_BS is not None:
            scores_BTS = scores_BTS.masked_fill(~mask_BS[:, None], -torch.inf)
        weights_BTS = scores_BTS.softmax(2)
        return weights_BTS @ memory_BSM, weights_BTS  # (4)

    def extra_repr(self) -> str:
        """Show the sizes and the kind."""
        return f"{self.queries}, {self.features}, kind={self.kind!r}"
