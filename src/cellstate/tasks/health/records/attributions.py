"""Which visit, which code: what each adds to what is foretold, by leaving it out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cellstate.tasks.health.records.encoding import Encoded
from cellstate.tasks.health.records.fitted import Fitted, call

AT_ONCE = 64
"""Histories, each with one code left out, that the networks read together."""


@dataclass(frozen=True)
class Attribution:
    """What the codes of one patient's visits add to one answer.

    A value is the log odds of the answer minus those that the networks give when one code is taken
    from one visit, all else alike: exact for these networks, and no share of a whole. Of two codes
    that stand in for each other, both may add little. A visit's value leaves all its codes out.

    Attributes
    ----------
    patient : int
        Place of the patient among the visits given.
    answer : str
        The code or outcome that is foretold.
    log_odds : float
    visit : np.ndarray
        (M,) the visit of each code, 0 for the patient's first.
    code : tuple of str
        M codes, or what they were read as.
    value : np.ndarray
        (M,) nats
    by_visit : np.ndarray
        (T,) nats
    """

    patient: int
    answer: str
    log_odds: float
    visit: np.ndarray
    code: tuple[str, ...]
    value: np.ndarray
    by_visit: np.ndarray

    def strongest(self, count: int = 10) -> list[tuple[int, str, float]]:
        """List visit, code and value of the codes that matter most, for or against."""
        order = np.argsort(-np.abs(self.value), kind="stable")[:count]
        return [(int(self.visit[k]), self.code[k], float(self.value[k])) for k in order]

    def __str__(self) -> str:
        share = 1.0 / (1.0 + np.exp(-self.log_odds))
        told = [
            f"{code} at visit {visit + 1}: {value:+.2f}" for visit, code, value in self.strongest(5)
        ]
        return f"{self.answer} with {share:.0%}: {'; '.join(told) or 'no codes'}"


def attribute(
    fitted: Fitted, encoded: Encoded, patient: int, target: int, answer: str
) -> Attribution:
    """Leave each code of each visit of a patient out once.

    Parameters
    ----------
    fitted : Fitted
    encoded : Encoded
    patient : int
    target : int
        Which of the K answers.
    answer : str
        Its name.
    """
    batch = encoded.batch(np.array([patient]))
    codes, features, lengths = (batch[name] for name in ("codes", "features", "lengths"))
    visit, node = np.nonzero(codes[0])
    steps = int(lengths[0])
    changed = len(node) + steps
    said = np.empty(1 + changed)
    for start in range(0, 1 + changed, AT_ONCE):
        rows = np.arange(start, min(start + AT_ONCE, 1 + changed))
        some = np.repeat(codes, len(rows), axis=0)
        for place, row in enumerate(rows - 1):  # the first is left as it is
            if 0 <= row < len(node):
                some[place, visit[row], node[row]] = 0.0
            elif row >= len(node):
                some[place, row - len(node)] = 0.0
        same = np.repeat(features, len(rows), axis=0)
        answers = [
            call(model, some, same, np.repeat(lengths, len(rows)))[:, steps - 1, target]
            for model in fitted.models
        ]
        said[rows] = fitted.log_odds(np.mean(answers, axis=0))
    lost = said[0] - said[1:]
    names = tuple(fitted.vocabulary.nodes[k] for k in node)
    return Attribution(
        patient, answer, float(said[0]), visit, names, lost[: len(node)], lost[len(node) :]
    )
