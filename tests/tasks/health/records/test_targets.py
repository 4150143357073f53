"""What came true after a visit, and of which visits that is known."""

from dataclasses import replace

import numpy as np
import pytest

from cellstate.data.health.visits import make_visits
from cellstate.tasks.health.records.targets import find_targets, followed

DAY = 24.0


def targets(visits, target, days=30.0, labels=None):
    return find_targets("test", target, visits, horizon_days=days, labels=labels)


def test_a_visit_that_begins_before_another_ends_is_not_foretold_from_it():
    visits = make_visits({"a": [(0, 9, ["x"]), (5, 12, ["y"]), (12, 20, ["z"])]})
    known, counts = followed(visits)
    assert known.tolist() == [False, True, False]
    assert counts == {"no later visit": 1, "the next visit began before": 1}


def test_a_readmission_is_known_where_it_came_or_could_have_been_seen():
    visits = make_visits(
        {
            "back": [(0, DAY, ["x"]), (20 * DAY, 21 * DAY, ["x"])],
            "late": [(0, DAY, ["x"]), (50 * DAY, 51 * DAY, ["x"])],
            "seen": [(0, DAY, ["x"])],
            "lost": [(0, DAY, ["x"])],
            "dead": [(0, DAY, ["x"])],
            "dead at home": [(0, DAY, ["x"])],
        }
    )
    names = visits.subjects.tolist()
    until = {"seen": 40.0, "lost": 10.0, "dead": 90.0, "dead at home": 9.0}
    death = {"dead": 1.0, "dead at home": 9.0}
    visits = replace(
        visits,
        observed_until=np.array([until.get(name, 60.0) * DAY for name in names]),
        death=np.array([death.get(name, np.nan) * DAY for name in names]),
    )
    found = targets(visits, "readmission")
    told = {
        (names[who], n - visits.offsets[who]): value if known else None
        for n, (who, known, value) in enumerate(
            zip(visits.subject_of, found.known, found.values, strict=True)
        )
    }
    assert told == {
        ("back", 0): 1.0,
        ("back", 1): 0.0,
        ("late", 0): 0.0,
        ("late", 1): None,
        ("seen", 0): 0.0,
        ("lost", 0): None,
        ("dead", 0): None,
        ("dead at home", 0): 0.0,
    }
    assert found.counts == {"died in the visit": 1, "not observed for long enough": 2}


def test_the_onset_is_the_first_time():
    visits = make_visits(
        {
            "a": [(0, 1, ["x"]), (2, 3, ["y1"]), (4, 5, ["y2"]), (6, 7, ["x"])],
            "b": [(0, 1, ["y1"]), (2, 3, ["y1"])],
            "c": [(0, 1, ["x"]), (2, 3, ["x"])],
        }
    )
    found = targets(visits, "y")
    assert found.known.tolist() == [True, False, False, False, False, False, True, False]
    assert found.values[found.known].tolist() == [1.0, 0.0]
    assert found.counts["of patients who had it by then"] == 3
    assert found.counts["patients who had it from their first visit"] == 1


def test_values_are_those_of_the_next_visit():
    visits = make_visits(
        {"a": [(0, 1, []), (2, 3, []), (4, 5, [])], "b": [(0, 1, [])]},
        values=[[1.0], [2.0], [np.nan], [4.0]],
        variables=("lab",),
    )
    found = targets(visits, "labs")
    assert found.known.tolist() == [True, False, False, False]
    assert found.values[0].tolist() == [2.0]
    assert found.counts == {"no later visit": 2, "no value at the next visit": 1}


@pytest.mark.parametrize("labels", [[1, 0, np.nan], np.array([1.0, 0.0, np.nan])])
def test_outcomes_are_taken_visit_by_visit(labels):
    visits = make_visits({k: [(0, 1, ["x"])] for k in range(3)})
    found = targets(visits, "fall", labels=labels)
    assert found.known.tolist() == [True, True, False]
    assert found.values[:2].tolist() == [1.0, 0.0]
