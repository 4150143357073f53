"""What the networks and the baselines say after some visits, beside what came true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.data.health.visits import Visits
from cellstate.tasks.evaluation import NAME, Evaluation
from cellstate.tasks.health.records.baselines import Rivals
from cellstate.tasks.health.records.encoding import Encoded, Scales
from cellstate.tasks.health.records.fitted import Fitted
from cellstate.tasks.health.records.scoring import compare
from cellstate.tasks.health.records.targets import Targets
from cellstate.tasks.health.records.task import wanted_at
from cellstate.tasks.health.records.vocabulary import Vocabulary


@dataclass(frozen=True)
class Problem:
    """Visits in the form of the network, and what came true after them.

    Attributes
    ----------
    visits : Visits
    targets : Targets
    encoded : Encoded
    wanted : np.ndarray
        (N, K) what came true, values in deviations; empty for codes.
    nodes : np.ndarray
        (K,) nodes that are foretold.
    answers : str
        What codes that are asked for begin with.
    """

    visits: Visits
    targets: Targets
    encoded: Encoded
    wanted: np.ndarray
    nodes: np.ndarray
    answers: str = ""

    @classmethod
    def of(
        cls,
        visits: Visits,
        targets: Targets,
        vocabulary: Vocabulary,
        scales: Scales,
        nodes: np.ndarray,
        answers: str = "",
    ) -> Problem:
        """Put the parts together."""
        encoded = Encoded.of(visits, vocabulary, scales)
        wanted = targets.values
        if targets.kind == "risk":
            wanted = wanted[:, None]
        elif targets.kind == "values":
            wanted = scales.scaled(wanted)
        return cls(visits, targets, encoded, wanted, nodes, answers)

    def known_of(self, patients: np.ndarray) -> np.ndarray:
        """List the visits of some patients (S,) bool after which something is known."""
        return np.flatnonzero(self.targets.known & patients[self.visits.subject_of])

    def asked(self, visits: np.ndarray) -> int:
        """Count the codes of some visits that are asked for, known or not."""
        asked = np.array([code.startswith(self.answers) for code in self.visits.codes], dtype=bool)
        here = np.isin(self.visits.visit_of, visits)
        return int(asked[self.visits.code[here]].sum())

    def truth(self, visits: np.ndarray) -> np.ndarray:
        """Give what came true after some visits: (n, K) float64, values not cut off."""
        if self.targets.kind == "codes":
            return wanted_at(self.encoded, self.wanted, self.nodes, visits).astype(np.float64)
        return self.wanted[visits]


@dataclass(frozen=True)
class Told:
    """Answers of every system, row by row.

    Attributes
    ----------
    kind : str
    truth : np.ndarray
        (n, K): codes and risks 1.0 or 0.0; values in deviations, NaN where there is none.
    answers : dict of str to ndarray
        System -> (n, K) probabilities or values; of the network, values have (n, V, 3).
    patients : np.ndarray
        (n,) place of each row's patient.
    names : tuple of str
        K codes.
    share_known : float
        Share of the next visits' codes asked for that the model can foretell; NaN for others.
    """

    kind: str
    truth: np.ndarray
    answers: dict[str, Any]
    patients: np.ndarray
    names: tuple[str, ...]
    share_known: float

    @classmethod
    def of(
        cls,
        fitted: Fitted,
        problem: Problem,
        visits: np.ndarray,
        said: np.ndarray,
        rivals: dict[str, Any],
    ) -> Told:
        """Put the networks' answers (n, …) after some visits beside those of the baselines."""
        kind, share = problem.targets.kind, float("nan")
        if kind == "values":
            ends = np.moveaxis(fitted.intervals(said), 2, 1)
            ours = np.moveaxis(fitted.scales.scaled(ends), 1, 2)
        else:
            ours = fitted.probabilities(said)
        truth = problem.truth(visits)
        names = tuple(fitted.vocabulary.nodes[k] for k in problem.nodes)
        if kind == "codes":
            share = float(truth.sum() / max(1, problem.asked(visits + 1)))
        patients = problem.visits.subject_of[visits]
        return cls(kind, truth, {NAME: ours, **rivals}, patients, names, share)

    def evaluation(self, protocol: str, notes: tuple[str, ...] = ()) -> Evaluation:
        """Score them."""
        if np.isfinite(self.share_known):
            told = (
                f"{self.share_known:.0%} can be foretold; the others are too rare, or not asked for"
            )
            notes = (f"Of the next visits' codes, {told}, and count for no system.", *notes)
        return compare(
            self.kind,
            self.truth,
            self.answers,
            self.patients,
            protocol=protocol,
            notes=notes,
            by_code=self.names,
        )


def tell(fitted: Fitted, rivals: Rivals, problem: Problem) -> Told:
    """Let the networks and the baselines answer after each visit of which the end is known."""
    visits = np.flatnonzero(problem.targets.known)
    return Told.of(
        fitted,
        problem,
        visits,
        fitted.answers(problem.encoded, visits),
        rivals.answers(problem.encoded, visits, fitted.nodes),
    )
