"""Visits: sets of codes as they become known, read from frames, split by patient."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest

from cellstate.data.health.left_out import LeftOutWarning
from cellstate.data.health.visit_frames import align, read_visits
from cellstate.data.health.visits import make_visits
from cellstate.errors import FrameError, InputError

FRAME = {
    "subject_id": [9, 7, 7, 7, 7],
    "start": [5.0, 0.0, 0.0, 50.0, 50.0],
    "end": [6.0, 24.0, 24.0, 60.0, 60.0],
    "code": ["DX10:I10", "DX10:I10", "RX:aspirin", None, "DX10:I50"],
    "age": [70.0, 60.0, 60.0, 61.0, 61.0],
}


@pytest.mark.parametrize("kind", [pl.DataFrame, pd.DataFrame])
def test_a_long_frame_becomes_visits(kind):
    visits = read_visits(kind(FRAME))
    assert visits.subjects.tolist() == [7, 9]
    assert visits.offsets.tolist() == [0, 2, 3]
    assert visits.start.tolist() == [0.0, 50.0, 5.0]
    assert [visits.codes_of(n) for n in range(3)] == [
        ("DX10:I10", "RX:aspirin"),
        ("DX10:I50",),
        ("DX10:I10",),
    ]
    assert visits.age.tolist() == [60.0, 61.0, 70.0]
    assert visits.observed_until.tolist() == [60.0, 60.0]
    assert len(visits.left_out) == 0


def test_time_stamps_become_hours_and_ids_may_be_text():
    day = dt.datetime(2020, 1, 1)
    frame = pl.DataFrame(
        {
            "subject_id": ["b", "a"],
            "start": [day, day + dt.timedelta(hours=5)],
            "code": ["x", "y"],
            "observed_until": [day, day + dt.timedelta(days=9)],
        }
    )
    visits = read_visits(frame)
    assert visits.subjects.tolist() == ["a", "b"]
    assert visits.start[0] - visits.start[1] == 5.0
    assert (visits.start == visits.end).all()
    assert visits.observed_until[0] - visits.observed_until[1] == 9 * 24.0


def test_visits_come_in_the_order_of_their_ends():
    visits = make_visits({"a": [(0, 100, ["long"]), (10, 20, ["short"])]})
    assert [visits.codes_of(n) for n in range(2)] == [("short",), ("long",)]


def test_a_visit_id_parts_visits_of_equal_times():
    frame = pl.DataFrame(
        {"subject_id": [1, 1], "visit_id": [5, 6], "start": [0, 0], "code": ["x", "x"]}
    )
    assert len(read_visits(frame)) == 2
    assert len(read_visits(frame.drop("visit_id").unique())) == 1


def test_what_is_left_out_is_counted_and_listed_by_row():
    frame = pl.DataFrame(
        {
            "subject_id": [None, 1, 1, 1, 1, 1, 1],
            "visit_id": [1, 2, 3, 4, 4, 5, 5],
            "start": [0.0, None, 9.0, 1.0, 1.0, 30.0, 31.0],
            "end": [1.0, 1.0, 3.0, 2.0, 2.0, 40.0, 40.0],
            "code": ["x", "x", "x", "x", "x", "x", "y"],
        }
    )
    with pytest.warns(LeftOutWarning, match="5 left out"):
        visits = read_visits(frame)
    assert visits.left_out.counts == {
        "no subject_id": 1,
        "no start": 1,
        "end before start": 1,
        "times that are not those of its visit's first row": 1,
        "duplicate row": 1,
    }
    assert visits.left_out.rows.tolist() == [1, 2, 3, 5, 7]
    assert len(visits) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"code": None}, "must have a column 'code'"),
        ({"start": ["x"] * 5}, "'start' must hold"),
        ({"end": [dt.datetime(2020, 1, 1)] * 5}, "both be timestamps or both numbers"),
        ({"code": [1, 2, 3, 4, 5]}, "'code' must hold text"),
        ({"subject_id": [1.5, 2, 3, 4, 5]}, "'subject_id' must hold whole numbers"),
    ],
)
def test_frames_that_cannot_be_read_are_refused(change, message):
    frame = pl.DataFrame({k: v for k, v in {**FRAME, **change}.items() if v is not None})
    with pytest.raises(FrameError, match=message):
        read_visits(frame)


def test_a_frame_of_which_nothing_is_left_is_refused():
    frame = pl.DataFrame({"subject_id": [1], "start": [5.0], "end": [1.0], "code": ["x"]})
    with pytest.raises(FrameError, match=r"some row must hold a visit; got 1 left out: 1 end"):
        read_visits(frame)


def test_messages_name_rows_and_no_patient():
    frame = pl.DataFrame({"subject_id": ["SECRET-1"], "start": [5.0], "end": [1.0], "code": ["x"]})
    with pytest.raises(FrameError) as refused:
        read_visits(frame)
    assert "SECRET" not in str(refused.value)
    assert "SECRET" not in repr(make_visits({"SECRET-1": [(0, 1, ["x"])]}))


def test_taking_subjects_keeps_their_visits_and_codes():
    visits = make_visits(
        {k: [(i, i + 1, [f"c{k}", f"v{i}"]) for i in range(k + 1)] for k in range(5)}
    )
    some = visits.take([1, 3])
    assert some.subjects.tolist() == [1, 3]
    assert some.counts.tolist() == [2, 4]
    for place, patient in enumerate((1, 3)):
        own = some.of_subject(place)
        told = [set(some.codes_of(n)) for n in range(own.start, own.stop)]
        assert told == [{f"c{patient}", f"v{i}"} for i in range(patient + 1)]
    assert len(visits.take(np.arange(5) == 2).subjects) == 1
    for wrong in ([5], [-1], [1, 1]):
        with pytest.raises(InputError, match=r"Visits\.take: places must be different"):
            visits.take(wrong)


def test_no_patient_is_in_both_parts_of_a_split():
    visits = make_visits({k: [(i, i, ["x"]) for i in range(1 + k % 2)] for k in range(40)})
    for seed in range(3):
        first, second = visits.split(0.25, seed=seed)
        assert not set(first.subjects) & set(second.subjects)
        assert len(first.subjects) + len(second.subjects) == 40
        assert len(second.subjects) == 10
        assert (second.counts > 1).sum() == 5


def test_outcomes_are_aligned_by_subject_and_start():
    visits = read_visits(pl.DataFrame(FRAME))
    outcomes = pl.DataFrame({"subject_id": [9, 7], "start": [5.0, 50.0], "died": [True, False]})
    assert np.array_equal(align(visits, outcomes, "died"), [np.nan, 0.0, 1.0], equal_nan=True)
    for change, message in (
        ({"start": [5.0, 51.0]}, "got one of no visit in row 2"),
        ({"subject_id": [9, 9], "start": [5.0, 5.0]}, "got a second one of a visit in row 2"),
        ({"died": [3, 0]}, "got an outcome that is neither 0 nor 1 in row 1"),
    ):
        wrong = outcomes.with_columns(**{k: pl.Series(v) for k, v in change.items()})
        with pytest.raises(FrameError, match=message):
            align(visits, wrong, "died")


def test_visits_before_birth_and_after_death_are_left_out():
    frame = pl.DataFrame(
        {
            "subject_id": [1, 1, 1, 2],
            "start": [0.0, 50.0, 99.0, 5.0],
            "code": ["x", "x", "x", "x"],
            "age": [1.0, -1.0, 1.0, 30.0],
            "death": [60.0, None, None, None],
        }
    )
    with pytest.warns(LeftOutWarning, match=r"1 before birth \(row 2\); 1 after death \(row 3\)"):
        visits = read_visits(frame)
    assert len(visits) == 2
    assert np.array_equal(visits.death, [60.0, np.nan], equal_nan=True)


@pytest.mark.parametrize("name", ["end", "death", "observed_until"])
def test_hours_beside_time_stamps_are_refused(name):
    frame = pl.DataFrame({"subject_id": [1], "start": [dt.datetime(2150, 1, 1)], "code": ["a"]})
    with pytest.raises(FrameError, match=f"start and {name} must both be timestamps"):
        read_visits(frame.with_columns(pl.lit(400.0).alias(name)))
    empty = frame.with_columns(pl.lit(None).alias(name))
    if name != "end":
        assert len(read_visits(empty)) == 1


@pytest.mark.parametrize(
    ("patients", "message"),
    [
        ({"SECRET": [(0, 1, ["a"])], 3: [(0, 1, ["a"])]}, "must all be whole numbers, or all text"),
        ({"SECRET": [(0, 1, ["a"]), (9, 2, ["a"])]}, "another in visit 2"),
        ({"SECRET": [(0, 1, "DX10:I10")]}, "another in visit 1"),
    ],
)
def test_visits_that_cannot_be_are_refused(patients, message):
    with pytest.raises(InputError, match=message) as caught:
        make_visits(patients)
    assert "SECRET" not in str(caught.value)
