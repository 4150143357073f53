"""Networks over visits with sets of codes: a memory, and a head for what is foretold."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from cellstate.nn.lstm import LSTM

SPREAD = 0.1
"""Standard deviation of the embeddings at the start."""


class RecordsNetwork(nn.Module):
    r"""Read the visits of a patient one after the other, and answer after each.

    A code's vector is its own embedding plus those of its ancestors, a visit's the sum over its
    codes. An LSTM runs over the visits' vectors and features; what it remembers after visit t has
    seen visits 0 … t alone.

    In training, codes are left out of the visits at random, and so are features of the memory.

    Parameters
    ----------
    lineage : Tensor
        (N, A) int64: of each node of the hierarchy itself and its ancestors, N where there are
        fewer than A.
    features : int
        Numbers F that come with a visit.
    head : Module
        Called with the vectors of the nodes (N, E), the codes (B, T, N), the features (B, T, F) and
        the memory (B, T, H).
    width : int
        Size E of the embeddings.
    hidden : int
        Units H of the LSTM.
    layers : int
    code_dropout : float
        Share of codes left out in training.
    dropout : float
        Share of the LSTM's inputs and outputs zeroed in training.

    Examples
    --------
    >>> lineage = torch.tensor([[0, 3], [1, 0], [2, 0]])  # nodes 1 and 2 are parts of node 0
    >>> sizes = {"width": 4, "hidden": 5, "layers": 1}
    >>> head = RiskHead(features=2, width=4, hidden=5)
    >>> network = RecordsNetwork(lineage, features=2, head=head, **sizes).eval()
    >>> codes = torch.tensor([[[0.0, 1.0, 0.0], [0.0, 1.0, 1.0]]])
    >>> y = network(codes, torch.zeros(1, 2, 2), torch.tensor([2]))
    >>> y.shape
    torch.Size([1, 2, 1])

    A later visit changes nothing of what is said before:

    >>> torch.allclose(network(codes[:, :1], torch.zeros(1, 1, 2), torch.tensor([1])), y[:, :1])
    True
    """

    lineage: Tensor

    def __init__(
        self,
        lineage: Tensor,
        *,
        features: int,
        head: nn.Module,
        width: int,
        hidden: int,
        layers: int,
        code_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        nodes = lineage.shape[0]
        self.code_dropout = code_dropout
        self.register_buffer("lineage", lineage)
        self.table = nn.Embedding(nodes + 1, width, padding_idx=nodes)
        nn.init.normal_(self.table.weight, std=SPREAD)
        with torch.no_grad():
            self.table.weight[nodes] = 0.0
        self.dropout = nn.Dropout(dropout)
        between = dropout if layers > 1 else 0.0
        self.memory = LSTM(width + features, hidden, layers, batch_first=True, dropout=between)
        self.head = head

    def forward(self, codes_BTN: Tensor, features_BTF: Tensor, lengths_B: Tensor) -> Tensor:
        """Answer after each visit: (B, T, …), anything behind a patient's last visit.

        Parameters
        ----------
        codes_BTN : Tensor
            (B, T, N) 1 where the visit has the node, else 0.
        features_BTF : Tensor
            (B, T, F)
        lengths_B : Tensor
            (B,) visits of each patient, at least 1.
        """
        kept_BTN = codes_BTN
        if self.training and self.code_dropout:
            kept_BTN = codes_BTN * (torch.rand_like(codes_BTN) >= self.code_dropout)
        vectors_NE = self.vectors()
        x_BTE = torch.cat([kept_BTN @ vectors_NE, features_BTF], dim=2)
        y_BTH, _ = self.memory(self.dropout(x_BTE), lengths=lengths_B.cpu())
        return self.head(vectors_NE, codes_BTN, features_BTF, self.dropout(y_BTH))

    def vectors(self) -> Tensor:
        """Give the vector of each node, its ancestors' included: (N, E)."""
        return self.table(self.lineage).sum(1)


class CodesHead(nn.Module):
    r"""Log odds of each code at the next visit.

    Where it starts is counted, not learned: how often a code comes anew, how often it comes back
    after a visit without it, and how often again after one that had it. To that is added what the
    memory asks for, compared with the codes' own vectors, and how much the share of the visits so
    far that had the code counts, which is read from its vector, as some codes are chronic.

    Parameters
    ----------
    targets : Tensor
        (K,) int64 nodes that are foretold.
    start : Tensor
        (3, K) log odds of a code that no visit had so far, that an earlier one had but not the
        last, and that the last one had.
    width, hidden : int
    """

    targets: Tensor
    start: Tensor

    def __init__(self, targets: Tensor, start: Tensor, *, width: int, hidden: int) -> None:
        super().__init__()
        self.register_buffer("targets", targets)
        self.register_buffer("start", start)
        self.query = nn.Linear(hidden, width)
        self.often = nn.Linear(width, 1)
        for part in (self.query, self.often):
            nn.init.zeros_(part.weight)
            nn.init.zeros_(part.bias)

    def forward(
        self, vectors_NE: Tensor, codes_BTN: Tensor, features_BTF: Tensor, memory_BTH: Tensor
    ) -> Tensor:
        """Give (B, T, K)."""
        vectors_KE = vectors_NE[self.targets]
        had_BTK = codes_BTN[..., self.targets]
        visits_T1 = torch.arange(1, had_BTK.shape[1] + 1, device=had_BTK.device)[:, None]
        share_BTK = had_BTK.cumsum(1) / visits_T1
        seen_BTK = (share_BTK > 0).to(had_BTK.dtype)
        new_K, back_K, again_K = self.start
        start_BTK = torch.lerp(torch.lerp(new_K, back_K, seen_BTK), again_K, had_BTK)
        asked_BTK = self.query(memory_BTH) @ vectors_KE.T
        return start_BTK + asked_BTK + share_BTK * self.often(vectors_KE).squeeze(1)


class RiskHead(nn.Module):
    """Log odds of one outcome, from the memory and, by a straight way, from the last visit.

    Parameters
    ----------
    features, width, hidden : int
    prior : float
        Log odds to start from.
    dropout : float
        Share of what is read straight from the visit zeroed in training.
    """

    def __init__(
        self,
        *,
        features: int,
        width: int,
        hidden: int,
        prior: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden + width + features, 1)
        nn.init.zeros_(self.output.weight)
        nn.init.constant_(self.output.bias, prior)

    def forward(
        self, vectors_NE: Tensor, codes_BTN: Tensor, features_BTF: Tensor, memory_BTH: Tensor
    ) -> Tensor:
        """Give (B, T, 1)."""
        straight = self.dropout(torch.cat([codes_BTN @ vectors_NE, features_BTF], dim=2))
        return self.output(torch.cat([memory_BTH, straight], dim=2))


class ValuesHead(nn.Module):
    """Quantiles of the numbers of the next visit, low, middle and high.

    The middle starts from the last value and the mean of those so far, which are the last 2 V of
    the features; the others lie a positive distance below and above it.

    Parameters
    ----------
    variables : int
        Numbers V of a visit.
    hidden : int
    """

    def __init__(self, *, variables: int, hidden: int) -> None:
        super().__init__()
        self.variables = variables
        self.last = nn.Parameter(torch.full((variables,), 0.3))
        self.mean = nn.Parameter(torch.full((variables,), 0.3))
        self.output = nn.Linear(hidden, 3 * variables)
        nn.init.zeros_(self.output.weight)
        nn.init.constant_(self.output.bias, 0.5)
        with torch.no_grad():
            self.output.bias[:variables] = 0.0

    def forward(
        self, vectors_NE: Tensor, codes_BTN: Tensor, features_BTF: Tensor, memory_BTH: Tensor
    ) -> Tensor:
        """Give (B, T, 3 V): all low ones, all middle ones, all high ones."""
        last_BTV = features_BTF[..., -2 * self.variables : -self.variables]
        mean_BTV = features_BTF[..., -self.variables :]
        shift_BTV, below_BTV, above_BTV = self.output(memory_BTH).chunk(3, dim=2)
        middle_BTV = shift_BTV + self.last * last_BTV + self.mean * mean_BTV
        low_BTV = middle_BTV - softplus(below_BTV)
        return torch.cat([low_BTV, middle_BTV, middle_BTV + softplus(above_BTV)], dim=2)
