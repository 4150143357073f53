"""From visits and targets to trained networks, baselines and their scores on patients left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

import cellstate
from cellstate.artifact import fingerprint
from cellstate.errors import InputError, explain
from cellstate.tasks.calibration import sigmoid
from cellstate.tasks.evaluation import Evaluation
from cellstate.tasks.health.recalibration import Platt, fit_platt, logit
from cellstate.tasks.health.records import plan as plans
from cellstate.tasks.health.records.baselines import Rivals, shares_of
from cellstate.tasks.health.records.encoding import Scales, feature_count
from cellstate.tasks.health.records.fitted import Fitted, run
from cellstate.tasks.health.records.intervals import conformal_margins
from cellstate.tasks.health.records.plan import Plan, training_defaults
from cellstate.tasks.health.records.settings import Settings
from cellstate.tasks.health.records.task import RecordsTask
from cellstate.tasks.health.records.told import Problem, Told
from cellstate.tasks.health.records.vocabulary import Vocabulary

CHOSEN = (
    "These patients chose when training stopped and how answers are put right: expect a little "
    "less on new ones."
)


def fit_all(
    problem: Problem, vocabulary: Vocabulary, scales: Scales, held: np.ndarray, settings: Settings
) -> tuple[Fitted, Rivals, Evaluation]:
    """Train the networks and fit the baselines, and score both on patients that were left out.

    Parameters
    ----------
    problem : Problem
    vocabulary, scales
    held : np.ndarray
        (networks, S) bool: patients that each network leaves out.
    settings : Settings
    """
    from cellstate import train

    every = np.ones(len(problem.visits.subjects), dtype=bool)
    usable = np.zeros(len(every), dtype=bool)
    usable[problem.visits.subject_of[problem.targets.known]] = True
    plan = Plan(
        problem.targets.kind,
        feature_count(len(problem.visits.variables)),
        len(problem.visits.variables),
        *plans.SIZES[settings.size],
    )
    models, records, parts = [], [], []
    for place, left in enumerate(held):
        learn = problem.known_of(~left)
        _require_both(problem, learn, settings)
        patients = [np.flatnonzero(usable & mask) for mask in (~left, left)]
        config = settings.config.filled(**training_defaults(len(patients[0])))
        task = RecordsTask(
            problem.encoded,
            problem.targets,
            problem.wanted,
            problem.nodes,
            *patients,
            batch_size=config.batch_size or 1,
        )
        seed = settings.seed + 7919 * place  # networks of one fit share no draws
        with train.isolated(seed):
            model = plan.build(vocabulary.lineage, problem.nodes, _prior(problem, learn))
        records.append(train.fit(model, task, config, seed=seed).as_dict())
        models.append(model.cpu().double().eval())
        parts.append((problem.known_of(left), learn))
    record = _joined(records)
    record["versions"]["cellstate"] = cellstate.__version__
    fitted = Fitted(plan, vocabulary, scales, problem.nodes, models, record, Platt(), np.zeros(0))
    checks, said, rivals = _left_out(problem, models, parts, settings)
    fitted = _put_right(fitted, problem, checks, said, settings)
    record["data"] = _facts(problem, vocabulary, held, usable)
    final = _rivals(problem, problem.known_of(every), settings)
    protocol = _protocol(held, usable, checks, problem)
    evaluation = Told.of(fitted, problem, checks, said, rivals).evaluation(protocol, (CHOSEN,))
    return fitted, final, evaluation


def _left_out(
    problem: Problem, models: list[Any], parts: list[tuple[np.ndarray, np.ndarray]], settings: Any
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Answer for the visits of patients that were left out: visits, answers, rivals' answers."""
    if all(np.array_equal(parts[0][0], check) for check, _ in parts):
        check, learn = parts[0]
        said = np.mean([run(model, problem.encoded, check) for model in models], axis=0)
        rivals = _rivals(problem, learn, settings)
        return check, said, rivals.answers(problem.encoded, check, problem.nodes)
    visits, answers, told = [], [], []
    seen: set[int] = set()
    for model, (check, learn) in zip(models, parts, strict=True):
        if not len(check) or int(check[0]) in seen:
            continue  # more networks than parts: this part has been answered for
        seen.add(int(check[0]))
        visits.append(check)
        answers.append(run(model, problem.encoded, check))
        rivals = _rivals(problem, learn, settings)
        told.append(rivals.answers(problem.encoded, check, problem.nodes))
    joined = {name: np.concatenate([one[name] for one in told]) for name in told[0]}
    return np.concatenate(visits), np.concatenate(answers), joined


def _rivals(problem: Problem, learn: np.ndarray, settings: Settings) -> Rivals:
    return Rivals.fit(
        problem.targets.kind,
        problem.encoded,
        learn,
        problem.wanted[learn] if len(problem.wanted) else problem.wanted,
        problem.nodes,
        seed=settings.seed,
    )


def _put_right(
    fitted: Fitted, problem: Problem, visits: np.ndarray, said: np.ndarray, settings: Settings
) -> Fitted:
    """Fit what puts answers right to the visits that were left out."""
    truth = problem.truth(visits)
    if problem.targets.kind == "values":
        low, _, high = np.split(said, 3, axis=1)
        margins = conformal_margins(truth, low, high, settings.level)
        return replace(fitted, margins=margins)
    event = truth.ravel() > 0
    if event.all() or not event.any():
        return fitted
    return replace(fitted, recalibration=fit_platt(event, sigmoid(said).ravel()))


def _require_both(problem: Problem, learn: np.ndarray, settings: Settings) -> None:
    """Refuse a part from which nothing can be learned."""
    if not len(learn):
        must = "patients must be left to learn from when some are held out"
        do = "Give more patients with several visits"
        raise InputError(explain(settings.where, must, "none", do))


def _prior(problem: Problem, learn: np.ndarray) -> np.ndarray:
    if problem.targets.kind == "values":
        return np.zeros(1)
    if problem.targets.kind == "risk":
        truth = problem.truth(learn)
        return logit(np.array([(truth.sum() + 0.5) / (len(truth) + 1.0)]))
    shares = shares_of(problem.encoded, learn, problem.nodes)
    return logit(np.stack([shares[name] for name in ("first", "back", "again")]))


def _protocol(held: np.ndarray, usable: np.ndarray, visits: np.ndarray, problem: Problem) -> str:
    patients = len(np.unique(problem.visits.subject_of[visits]))
    counted = f"{len(visits):,} visits of {patients:,} patients"
    if bool((held == held[0]).all()):
        return f"Protocol: {counted} that were held out of training."
    return (
        f"Protocol: {counted} of the {int(usable.sum()):,} that were learned from, each answered "
        "by networks and baselines that learned from others."
    )


def _joined(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Tell of several trainings as of one; the curves are the first one's."""
    first = dict(records[0])
    first["seconds"] = sum(r["seconds"] for r in records)
    first["parameters"] = sum(r["parameters"] for r in records)
    first["events"] = [event for r in records for event in r["events"]]
    first["best_losses"] = [r["best_loss"] for r in records]
    return first


def _facts(
    problem: Problem, vocabulary: Vocabulary, held: np.ndarray, usable: np.ndarray
) -> dict[str, Any]:
    visits, targets = problem.visits, problem.targets
    # Neither subjects nor times of the calendar: what is kept must not tell who they were.
    digest = fingerprint(
        {
            "offsets": visits.offsets,
            "code_offsets": visits.code_offsets,
            "code": visits.code,
            "codes": list(visits.codes),
            "stays": visits.end - visits.start,
            "values": visits.values,
        }
    )
    return {
        "fingerprint": digest,
        "patients": len(visits.subjects),
        "usable": int(usable.sum()),
        "visits": len(visits),
        "known": int(targets.known.sum()),
        "not_known": targets.counts,
        "codes": len(visits.codes),
        "known_codes": int(vocabulary.is_code.sum()),
        "rows_left_out": {name: int(count) for name, count in visits.left_out.counts.items()},
        "held_out": int(held.all(0).sum()),
        "folds": int(held.any() and not held.all(0).any()),
    }
