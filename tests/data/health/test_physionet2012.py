"""Records of PhysioNet 2012."""

from __future__ import annotations

import time

import numpy as np
import pytest

from cellstate.data.health.left_out import LeftOutWarning
from cellstate.data.health.physionet2012 import read_outcomes, read_physionet2012
from cellstate.errors import FrameError

FIRST = """Time,Parameter,Value
00:00,RecordID,1002
00:00,Age,54
00:00,Gender,0
00:00,Height,-1
00:00,ICUType,4
00:00,Weight,80.5
00:00,Weight,81
00:07,HR,73
00:07,Temp,35.1
07:30,HR,77
47:59,Weight,79
"""
SECOND = "Time,Parameter,Value\r\n00:00,RecordID,1001\r\n00:00,Age,90\r\n00:00,Weight,-1\r\n"
WRONG = """Time,Parameter,Value
00:00,RecordID,1003
00:00,Age,41
1,HR,73
00:61,HR,73
00:07,HR,fast
00:07,pH,735
00:07,,12

00:08,HR,60
00:08,HR,60
"""
OUTCOMES = """RecordID,SAPS-I,SOFA,Length_of_stay,Survival,In-hospital_death
1002,16,8,8,12,1
1001,6,-1,5,-1,0
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/1002.txt").write_text(FIRST)
    (tmp_path / "set/1001.txt").write_bytes(SECOND.encode())
    (tmp_path / "set/Outcomes-a.txt").write_text(OUTCOMES)
    return tmp_path / "set"


def test_records_become_events(folder) -> None:
    events = read_physionet2012(folder)
    assert events.subjects.tolist() == [1001, 1002]
    assert not events.is_absolute
    first = events.of_subject(1)
    shown = [
        (hour, events.codes[code], value)
        for hour, code, value in zip(
            events.hours[first], events.code[first], events.value[first], strict=True
        )
    ]
    assert shown == [
        (-np.inf, "Age", 54), (-np.inf, "Gender", 0), (-np.inf, "ICUType", 4),
        (-np.inf, "Weight", 80.5), (0, "Weight", 81), (pytest.approx(7 / 60), "HR", 73),
        (pytest.approx(7 / 60), "Temp", 35.1), (7.5, "HR", 77),
        (pytest.approx(47 + 59 / 60), "Weight", 79),
    ]  # fmt: skip
    assert events.value[events.of_subject(0)].tolist() == [90]
    assert len(events.left_out) == 0


def test_single_record_is_read(folder) -> None:
    assert read_physionet2012(folder / "1001.txt").subjects.tolist() == [1001]


def test_record_without_rows_stays_and_takes_its_file_s_name(folder) -> None:
    (folder / "1000.txt").write_text("Time,Parameter,Value\n")
    events = read_physionet2012(folder)
    assert events.subjects.tolist() == [1000, 1001, 1002]
    assert events.of_subject(0) == slice(0, 0)
    alone = read_physionet2012(folder / "1000.txt")
    assert (alone.subjects.tolist(), len(alone.hours)) == ([1000], 0)


def test_what_cannot_be_is_listed_by_its_row(folder) -> None:
    (folder / "1003.txt").write_text(WRONG)
    with pytest.warns(LeftOutWarning) as caught:
        events = read_physionet2012(folder)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    listed = events.left_out.listed()
    before = 3 + 11  # rows of the other two records
    assert dict(zip((listed["row"] - before).tolist(), listed["reason"].tolist(), strict=True)) == {
        3: "time that is not HH:MM", 4: "time that is not HH:MM", 5: "value that is no number",
        6: "pH outside 6.3 to 8.3", 7: "no code", 9: "duplicate event",
    }  # fmt: skip
    assert events.value[events.of_subject(2)].tolist() == [41, 60]


def test_outcomes_are_aligned_with_stays(folder) -> None:
    outcomes = read_outcomes(folder / "Outcomes-a.txt")
    assert outcomes.subjects.tolist() == [1001, 1002]
    assert repr(outcomes) == "Outcomes(2 stays)"
    np.testing.assert_array_equal(outcomes.died, [0, 1])
    np.testing.assert_array_equal(outcomes.sofa, [np.nan, 8])
    np.testing.assert_array_equal(outcomes.survival, [np.nan, 12])
    np.testing.assert_array_equal(outcomes.aligned([1002]).days, [8])
    with pytest.raises(FrameError, match="each of 2 stays must have an outcome; got 1 without"):
        outcomes.aligned([1002, 77])


def test_bad_files_are_answered_without_naming_a_record(folder, tmp_path) -> None:
    (folder / "7777.txt").write_text("Time;Parameter;Value\n00:00;HR;9999\n")
    with pytest.raises(FrameError, match="another first line in file 3 of 3 by name") as caught:
        read_physionet2012(folder)
    assert "7777" not in str(caught.value)
    (folder / "7777.txt").write_text("Time,Parameter,Value\n00:00,Temp,36,5\n")
    with pytest.raises(FrameError, match=r"three cells; got others in file 3 of 3 by name\. Write"):
        read_physionet2012(folder)
    (folder / "7777.txt").write_text(FIRST)
    with pytest.raises(FrameError, match="each record must be there once; got 1 of 3 again"):
        read_physionet2012(folder)
    (tmp_path / "only").mkdir()
    (tmp_path / "only/Outcomes-a.txt").write_text(OUTCOMES)
    with pytest.raises(FrameError, match="there must be records; got outcomes alone"):
        read_physionet2012(tmp_path / "only")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "got No such file"),
        ("RecordID,SOFA\n1,2\n", "must hold the columns RecordID, SAPS-I"),
        (OUTCOMES.replace("16", "much"), "of whole numbers; got something else"),
        (OUTCOMES.replace("16", ""), "got an empty cell"),
    ],
)
def test_bad_outcomes_are_answered(tmp_path, content, message) -> None:
    path = tmp_path / "outcomes.txt"
    if content is not None:
        path.write_text(content)
    with pytest.raises(FrameError, match=message):
        read_outcomes(path)


def test_set_a_is_read_in_seconds(data_file) -> None:
    archive = data_file("health/physionet2012_set-a.tar.xz")
    start = time.process_time()
    with pytest.warns(LeftOutWarning):
        events = read_physionet2012(archive)
    assert time.process_time() - start < 20
    assert len(events) == 4000
    timed = {events.codes[code] for code in np.unique(events.code[~events.is_static])}
    assert len(timed) == 37
    static = {events.codes[code] for code in np.unique(events.code[events.is_static])}
    assert static == {"Age", "Gender", "Height", "ICUType", "Weight"}
    assert events.hours.max() == 48
    assert len(events.left_out) < 0.01 * len(events.hours)
    outcomes = read_outcomes(data_file("health/physionet2012_outcomes-a.txt"))
    assert outcomes.aligned(events.subjects).died.sum() == 554
