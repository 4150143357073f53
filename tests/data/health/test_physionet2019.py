"""Patients of PhysioNet 2019."""

from __future__ import annotations

import time

import numpy as np
import pytest

from cellstate.data.health.left_out import LeftOutWarning
from cellstate.data.health.physionet2019 import DESCRIPTION, VARIABLES, read_physionet2019
from cellstate.errors import FrameError

HEADER = "HR|Temp|Age|Gender|Unit1|HospAdmTime|ICULOS|SepsisLabel\n"
ONE = "80|NaN|61|1|NaN|-5.5|1|0\nNaN|NaN|61|1|NaN|-5.5|2|0\n82|37.5|61|1|NaN|-5.5|4|1\n"
TWO = "70|36|40|0|1|0|3|0\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "p000002.psv").write_text(HEADER + TWO)
    (tmp_path / "p000001.psv").write_text(HEADER + ONE)
    return tmp_path


def test_hours_become_events_and_labels(folder) -> None:
    events, labels = read_physionet2019(folder)
    assert events.subjects.tolist() == labels.subjects.tolist() == ["p000001", "p000002"]
    assert events.codes == ("Age", "Gender", "HR", "HospAdmTime", "Temp", "Unit1")
    first = events.of_subject(0)
    assert events.hours[first].tolist() == [-np.inf] * 3 + [1, 4, 4]
    assert events.value[first].tolist() == [61, 1, -5.5, 80, 82, 37.5]
    assert labels.offsets.tolist() == [0, 3, 4]
    assert labels.hours.tolist() == [1, 2, 4, 3]
    assert labels.label.tolist() == [0, 0, 1, 0]
    assert labels.subject.tolist() == [0, 0, 0, 1]
    assert repr(labels) == "HourlyLabels(2 subjects, 4 hours)"


def test_labels_may_be_missing(folder) -> None:
    for file in folder.glob("*.psv"):
        lines = [line.rpartition("|")[0] for line in file.read_text().splitlines()]
        file.write_text("\n".join(lines))
    _, labels = read_physionet2019(folder)
    assert np.isnan(labels.label).all()


def test_patient_without_hours_stays(folder) -> None:
    (folder / "p000003.psv").write_text(HEADER)
    events, labels = read_physionet2019(folder)
    assert len(events) == len(labels) == 3
    assert labels.offsets.tolist() == [0, 3, 4, 4]


def test_implausible_values_are_listed_by_row(folder) -> None:
    (folder / "p000003.psv").write_text(HEADER + "70|370|40|0|1|0|1|0\n70|36|41|0|1|0|2|0\n")
    with pytest.warns(LeftOutWarning) as caught:
        events, _ = read_physionet2019(folder)
    assert caught[0].filename == __file__
    listed = events.left_out.listed()
    assert list(zip(listed["row"].tolist(), listed["reason"].tolist(), strict=True)) == [
        (5, "Temp outside 12 to 46 °C"),
        (6, "Age that differs within a subject"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("HR|ICULOS\n1|1\n", "all files must have the same columns; got others in file 3 of 3"),
        (HEADER + "a|1|1|1|1|1|1|1\n", "cells must hold numbers or NaN; got something else"),
        (HEADER + "1|1|1|1|1|1|1\n", "each row must have the cells of the header; got others in"),
        (HEADER + TWO + TWO, "ICULOS must rise within a patient; got 1 rows .* first is row 6"),
        (HEADER + TWO.replace("|3|", "|NaN|"), "the first is row 5"),
    ],
)
def test_bad_files_are_answered_without_naming_a_patient(folder, content, message) -> None:
    (folder / "p777777.psv").write_text(content)
    with pytest.raises(FrameError, match=message) as caught:
        read_physionet2019(folder)
    assert "7777" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("HR|Temp\n1|2\n", "ICULOS among them; got 2 columns"),
        ("HR|HR|ICULOS\n1|2|3\n", "must name each column once"),
        (HEADER, "there must be hours below the header"),
    ],
)
def test_bad_headers_are_answered(tmp_path, content, message) -> None:
    (tmp_path / "p1.psv").write_text(content)
    with pytest.raises(FrameError, match=message):
        read_physionet2019(tmp_path)


def test_six_thousand_patients_are_read_in_seconds(data_file) -> None:
    archive = data_file("health/sepsis2019_set-b_first6000.tar.xz")
    start = time.process_time()
    with pytest.warns(LeftOutWarning):
        events, labels = read_physionet2019(archive)
    assert time.process_time() - start < 20
    assert len(events) == len(labels) == 6000
    assert set(events.codes) == {*VARIABLES, *DESCRIPTION}
    assert (len(labels.hours), labels.label.sum()) == (227_481, 3_201)
    static = {events.codes[code] for code in np.unique(events.code[events.is_static])}
    assert static == set(DESCRIPTION)
    assert len(events.left_out) < 100
