import numpy as np
import pytest

from cellstate.errors import InputError
from cellstate.tasks.health.metrics import score_risks
from cellstate.tasks.health.subgroups import RATIO, age_bands, by_subgroup
from tests.tasks.health import cohorts


def test_each_group_is_scored_by_itself():
    events, risks = cohorts.rows(400)
    sex = np.where(np.arange(400) % 3 == 0, "female", "male")
    female, male = by_subgroup(events, risks, {"sex": sex})
    assert (female.name, male.name) == ("female", "male")
    here = sex == "female"
    scores = score_risks(events[here], risks[here])
    assert (female.rows, female.events) == (here.sum(), events[here].sum())
    assert female.scores["AUROC"] == scores["AUROC"]
    assert female.scores["Brier"] == scores["Brier"]
    assert female.scores[RATIO] == pytest.approx(events[here].sum() / risks[here].sum())


@pytest.mark.parametrize(
    ("rows", "events", "shown"),
    [(19, 9, ("< 20", "< 5")), (40, 4, ("40", "< 5")), (40, 36, ("40", "36"))],
    ids=["few rows", "few events", "few without"],
)
def test_a_small_group_gets_no_figures(rows, events, shown):
    truth = np.arange(rows) < events
    (group,) = by_subgroup(truth, np.full(rows, 0.5), {"unit": np.full(rows, "A")})
    assert group.is_small
    assert group.scores == {}
    assert (group.shown_rows, group.shown_events) == shown


def test_bands_stand_by_age_and_what_is_unknown_last():
    ages = np.tile([70.0, 8.0, 17.0, 30.0, np.nan, 90.0], 10)
    bands = age_bands(ages, (10.0, 18.0, 65.0, 80.0))
    groups = by_subgroup(np.zeros(60), np.zeros(60), {"age": bands})
    names = ["under 10", "10 to 17", "18 to 64", "65 to 79", "80 and over", "unknown"]
    assert [group.name for group in groups] == names


def test_numbers_and_gaps_may_name_groups():
    groups = by_subgroup([0, 1, 0], [0.1] * 3, {"unit": np.array([1.0, np.nan, 2.0])})
    assert [group.name for group in groups] == ["1", "2", "unknown"]


def test_ids_are_no_groups():
    ids = np.arange(30_000, 30_030)
    with pytest.raises(InputError, match=r"'subject' must have at most 20 names; got 30") as told:
        by_subgroup(np.zeros(30), np.zeros(30), {"subject": ids})
    assert "30005" not in str(told.value)


def test_a_group_of_another_length_is_refused():
    with pytest.raises(
        InputError, match=r"'sex' must name the group of each row; got shape \(1,\)"
    ):
        by_subgroup([0, 1], [0.5, 0.5], {"sex": ["f"]})
