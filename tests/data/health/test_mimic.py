"""MIMIC-IV: what is read, when it is known, what is left out, and that no patient is named."""

import gzip
import re
import warnings

import numpy as np
import pytest

from cellstate.data.health.left_out import LeftOutWarning
from cellstate.data.health.mimic import read_mimic
from cellstate.errors import FrameError, InputError
from tests.data.health.mimic_tables import LABS, write

EMPTY = "subject_id,hadm_id,admittime,dischtime,deathtime\n"
IDENTIFIERS = re.compile(r"77000\d|88000\d")


@pytest.fixture
def read(tmp_path):
    """Give a function that reads small tables, some of them changed."""

    def give(changes=None, **options):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LeftOutWarning)
            return read_mimic(write(tmp_path, **(changes or {})), **options)

    return give


def test_admissions_become_visits_with_codes_rolled_up(read):
    visits = read().visits
    assert visits.subjects.tolist() == [77000001, 77000002, 77000003]
    assert visits.counts.tolist() == [2, 1, 1]
    assert set(visits.codes_of(0)) == {"DX10:I50", "DX9:428", "PX9:39", "RX:aspirin"}
    assert visits.codes_of(1) == ("DX10:I50",)
    assert visits.codes_of(2) == ("DX9:E849",)
    assert visits.end[0] - visits.start[0] == 96.0
    assert visits.age.tolist() == [60.0, 61.0, 50.0, 41.0]


def test_codes_may_stay_whole_and_kinds_may_be_left_out(read):
    visits = read(kinds=("DX",), roll_up=False).visits
    assert set(visits.codes_of(0)) == {"DX10:I5023", "DX9:4280"}


def test_what_cannot_be_so_is_left_out_and_listed_with_its_row(read):
    left = read().left_out
    assert {name: left.rows[left.reason == k].tolist() for k, name in enumerate(left.reasons)} == {
        "admissions: duplicate row": [4],
        "admissions: discharge before admission": [5],
        "admissions: admission after death": [6],
        "admissions: no admittime": [7],
        "diagnoses_icd: duplicate row": [3],
        "diagnoses_icd: no code of its revision": [5],
        "diagnoses_icd: of no admission that was read": [7],
        "labevents: duplicate event": [4],
        "labevents: Sodium outside 80 to 220 mmol/L": [5],
        "labevents: after death": [6],
        "labevents: of no item that is listed": [8],
        "labevents: no charttime": [9],
    }


def test_nothing_is_known_before_it_was_stored(read):
    mimic = read()
    events, start = mimic.events, mimic.visits.start[0]
    assert events.codes == ("Glucose (Urine)", "IN:NaCl 0.9%", "OUT:Foley", "Sodium")
    own = events.of_subject(0)
    told = {
        (events.codes[code], round(hour - start, 3))
        for code, hour in zip(events.code[own], events.hours[own], strict=True)
    }
    assert told == {
        ("Sodium", 3.5),
        ("Sodium", 27.5),
        ("Glucose (Urine)", 4.0),
        ("IN:NaCl 0.9%", 8.0),
        ("OUT:Foley", 2.167),
    }


def test_a_visit_has_the_first_value_within_it(read):
    visits = read(variables=["Sodium", "Glucose (Urine)"]).visits
    assert visits.variables == ("Sodium", "Glucose (Urine)")
    expected = [[140.0, 5.5], [np.nan, np.nan], [133.0, np.nan], [np.nan, np.nan]]
    assert np.array_equal(visits.values, expected, equal_nan=True)
    assert read(variables=1).visits.variables == ("Sodium",)


def test_the_table_of_admissions_is_in_the_order_of_the_visits(read):
    mimic = read()
    table = mimic.admissions
    assert table["hadm_id"].tolist() == [88000001, 88000002, 88000003, 88000007]
    assert (table["admit_hours"] == mimic.visits.start).all()
    assert table["sex"].tolist() == ["F", "F", "M", "F"]
    assert table["unit"].tolist() == ["MICU", "", "", ""]
    assert table["died_inside"].tolist() == [False, True, False, False]
    assert np.isfinite(table["death_hours"]).tolist() == [True, True, False, False]


def test_patients_are_observed_to_the_end_of_the_data_in_their_shifted_years(read):
    visits = read().visits
    year = 1970 + visits.observed_until / (24 * 365.2425)
    assert np.round(year, 1).tolist() == [2157.0, 2144.0, 2164.0]


def test_compressed_tables_are_read_alike(tmp_path, read):
    plain = read().visits
    for file in list(tmp_path.rglob("*.csv")):
        file.with_suffix(".csv.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    with pytest.warns(LeftOutWarning):
        packed = read_mimic(tmp_path).visits
    assert packed.codes == plain.codes
    assert np.array_equal(packed.code, plain.code)


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"admissions": None}, {}, "the table hosp/admissions must be there"),
        ({"prescriptions": None}, {}, "Leave 'RX' out of kinds, or add the table"),
        ({"labevents": None}, {}, "Leave 'labs' out of events, or add the table"),
        ({"patients": "subject_id,gender\n1,F\n"}, {}, "hosp/patients must have the columns"),
        (
            {"admissions": "subject_id,hadm_id,admittime,dischtime,deathtime\n"},
            {},
            "some admission",
        ),
        ({"admissions": ""}, {}, "hosp/admissions must be readable"),
        ({}, {"kinds": ("DX", "QX")}, "kinds must be among 'DX', 'PX', 'RX'; got 'QX'"),
        ({}, {"events": ("lab",)}, "events must be among .* got 'lab'"),
        ({}, {"variables": ["Sodum"]}, "variables must be labels .* got 'Sodum'"),
    ],
)
def test_tables_and_arguments_that_do_not_fit_are_named(read, changes, options, message):
    with pytest.raises((FrameError, InputError), match=message):
        read(changes, **options)


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(FrameError, match="the folder of the tables must exist"):
        read_mimic(tmp_path / "nowhere")


def test_no_message_and_no_text_names_a_patient(tmp_path):
    with pytest.warns(LeftOutWarning) as told:
        mimic = read_mimic(write(tmp_path))
    words = [str(one.message) for one in told] + [repr(mimic), str(mimic.left_out)]
    words += [repr(mimic.visits), repr(mimic.events), str(mimic.left_out.listed()["reason"])]
    assert not [text for text in words if IDENTIFIERS.search(text)]


def test_a_damaged_table_is_refused_without_its_content(tmp_path):
    folder = write(tmp_path, labevents=None)
    whole = gzip.compress(LABS.encode())
    (folder / "hosp/labevents.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FrameError, match="hosp/labevents must be readable") as refused:
        read_mimic(folder)
    assert not IDENTIFIERS.search(str(refused.value))


def test_an_identifier_that_is_no_number_is_left_out(read):
    admissions = (
        "subject_id,hadm_id,admittime,dischtime,deathtime\n"
        "77000002,88000003,2140-06-01 00:00:00,2140-06-02 00:00:00,\n"
        "SECRET,88000004,2140-06-01 00:00:00,2140-06-02 00:00:00,\n"
    )
    mimic = read({"admissions": admissions})
    assert mimic.left_out.counts["admissions: no subject_id"] == 1
    assert len(mimic.visits) == 1


def test_the_demo_is_read_whole(data_file):
    folder = data_file("health/mimic4_demo/hosp/admissions.csv.gz").parents[1]
    with pytest.warns(LeftOutWarning):
        mimic = read_mimic(folder)
    assert len(mimic.visits.subjects) == 100
    assert (
        len(mimic.visits)
        + sum(
            count for name, count in mimic.left_out.counts.items() if name.startswith("admissions")
        )
        == 275
    )
    assert len(mimic.visits.variables) == 10
    assert np.isfinite(mimic.visits.values).mean() > 0.5
    assert (np.diff(mimic.events.hours)[np.diff(mimic.events.subject) == 0] >= 0).all()
