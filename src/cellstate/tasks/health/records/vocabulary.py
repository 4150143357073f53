"""The codes that a model knows, with their ancestors; others are read as what they are of."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cellstate.data.health.icd import ancestors
from cellstate.data.health.visits import Visits
from cellstate.errors import explain

OTHER = "other"
"""The node of codes that neither are known nor have a known ancestor."""
LEAST_PATIENTS = 2
"""A code that one patient alone has might tell who it is: it never enters a model."""
_VISITS_NAMED = 5


class UnknownCodesWarning(UserWarning):
    """Visits have codes that the model has not learned, and which are read as something wider."""


@dataclass(frozen=True)
class Vocabulary:
    """Nodes of the hierarchy of codes.

    Attributes
    ----------
    nodes : tuple of str
        `OTHER` first, then codes and ancestors, sorted.
    is_code : np.ndarray
        (N,) bool: whether enough patients had this very code, rather than codes below it.
    """

    nodes: tuple[str, ...]
    is_code: np.ndarray

    @classmethod
    def learn(cls, visits: Visits, least_patients: int = LEAST_PATIENTS) -> Vocabulary:
        """Keep codes, and ancestors of codes, that enough patients have.

        Examples
        --------
        >>> from cellstate.data.health.visits import make_visits
        >>> visits = make_visits({"a": [(0, 1, ["DX10:I50", "DX10:I10"])],
        ...                       "b": [(0, 1, ["DX10:I50", "DX10:I21"])]})
        >>> Vocabulary.learn(visits).nodes  # one patient each has I10 and I21
        ('other', 'DX10:I50', 'DX:circulatory')
        """
        patients: dict[str, set[int]] = {}
        own: dict[str, set[int]] = {}
        who, what = visits.subject_of[visits.visit_of], visits.code
        pairs = np.unique(np.stack([what, who]), axis=1) if len(what) else np.zeros((2, 0), int)
        by_code: dict[int, list[int]] = {}
        for code, patient in pairs.T.tolist():
            by_code.setdefault(code, []).append(patient)
        for code, those in by_code.items():
            own.setdefault(visits.codes[code], set()).update(those)
            for node in ancestors(visits.codes[code]):
                patients.setdefault(node, set()).update(those)
        least = max(LEAST_PATIENTS, least_patients)
        kept = sorted(name for name, those in patients.items() if len(those) >= least)
        is_code = [len(own.get(name, ())) >= least for name in kept]
        return cls((OTHER, *kept), np.array([False, *is_code]))

    def __len__(self) -> int:
        return len(self.nodes)

    @cached_property
    def place(self) -> dict[str, int]:
        """Number of each node."""
        return {name: k for k, name in enumerate(self.nodes)}

    @cached_property
    def lineage(self) -> np.ndarray:
        """Each node and its known ancestors: (N, A) int64, N where there are fewer."""
        chains = [
            [self.place[name] for name in ancestors(node) if name in self.place]
            for node in self.nodes
        ]
        table = np.full((len(self), max(map(len, chains))), len(self), dtype=np.int64)
        for row, chain in zip(table, chains, strict=True):
            row[: len(chain)] = chain
        return table

    def nodes_of(self, codes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Find the node that each code is read as, and whether it is the code itself.

        Examples
        --------
        >>> known = Vocabulary(("other", "DX10:I50", "DX:circulatory"), np.array([0, 1, 0], bool))
        >>> known.nodes_of(["DX10:I50", "DX10:I21", "RX:aspirin"])
        (array([1, 2, 0]), array([ True, False, False]))
        """
        found, exact = np.zeros(len(codes), dtype=np.int64), np.zeros(len(codes), dtype=bool)
        for k, code in enumerate(codes):
            for node in reversed(ancestors(code)):
                place = self.place.get(node)
                if place is not None and (node != code or self.is_code[place]):
                    found[k], exact[k] = place, node == code
                    break
        return found, exact

    def targets(self, prefix: str = "") -> np.ndarray:
        """List the nodes that can be foretold: codes that begin with `prefix`."""
        fits = np.array([name.startswith(prefix) for name in self.nodes])
        return np.flatnonzero(self.is_code & fits)

    def warn(self, where: str, visits: Visits, *, stacklevel: int = 3) -> None:
        """Warn of codes that are not known, by counts and visits.

        Warns
        -----
        UnknownCodesWarning
            Some are. Visits count from 0, in the order of `Visits`.
        """
        node, exact = self.nodes_of(visits.codes)
        unknown = ~exact[visits.code]
        if not unknown.any():
            return
        lost = int((node[visits.code][unknown] == 0).sum())
        rows = np.unique(visits.visit_of[unknown])
        named = ", ".join(f"{row:,}" for row in rows[:_VISITS_NAMED])
        named += ", …" * (len(rows) > _VISITS_NAMED)
        count = int(unknown.sum())
        given = (
            f"{count:,} of {len(unknown):,} codes that it does not know, in visits {named}: "
            f"{count - lost:,} are read as what they are a part of, {lost:,} as unknown"
        )
        must, do = "the model should know the codes", "Fit again where these are many"
        warnings.warn(explain(where, must, given, do), UnknownCodesWarning, stacklevel=stacklevel)

    def as_dict(self) -> dict[str, Any]:
        """Give JSON-ready data."""
        return {"nodes": list(self.nodes), "is_code": self.is_code.tolist()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Vocabulary:
        """Read it back."""
        return cls(tuple(data["nodes"]), np.array(data["is_code"], dtype=bool))
