"""No identifier and no measured value enters a warning, an error or a repr."""

from __future__ import annotations

import polars as pl
import pytest

from cellstate.data.health.events import read_events
from cellstate.data.health.left_out import LeftOutWarning
from cellstate.data.health.physionet2012 import read_physionet2012
from cellstate.data.health.physionet2019 import read_physionet2019
from cellstate.data.health.splits import check_apart, fold_subjects, split_subjects
from cellstate.data.health.store import write_store
from cellstate.data.health.wide import read_wide
from cellstate.errors import CellstateError

WHO, NUMBER, VALUE = "planted-jane-doe", 987654321, 370.123987
SECRETS = (WHO, str(NUMBER), "370.12", "123987")
LONG = {
    "subject_id": [WHO, WHO, WHO, WHO],
    "time": [1.0, 1.0, float("inf"), 1.0],
    "code": ["Temp", "HR", "HR", ""],
    "numeric_value": [VALUE, float("inf"), VALUE, VALUE],
}
WIDE = {"subject_id": [WHO, WHO], "time": [0.0, None], "Temp": [VALUE, VALUE], "Age": [1, 2]}


def assert_silent(text: str) -> None:
    assert not [secret for secret in SECRETS if secret in text]


READERS = {
    "long": lambda _: read_events(pl.DataFrame(LONG)),
    "wide": lambda _: read_wide(pl.DataFrame(WIDE), static=["Age"]),
    "store": lambda folder: write_store(folder / "store", pl.DataFrame(LONG)),
    "2012": lambda folder: read_physionet2012(folder / "records"),
    "2019": lambda folder: read_physionet2019(folder / "patients").events,
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "records").mkdir()
    record = f"Time,Parameter,Value\n00:00,RecordID,{NUMBER}\n00:10,Temp,{VALUE}\n00:11,HR,{WHO}\n"
    (tmp_path / f"records/{NUMBER}.txt").write_text(record)
    (tmp_path / "patients").mkdir()
    (tmp_path / f"patients/{WHO}.psv").write_text(f"Temp|ICULOS\n{VALUE}|1\n")
    return tmp_path


@pytest.mark.parametrize("reader", READERS)
def test_warnings_and_reprs_hold_no_secret(folder, reader) -> None:
    with pytest.warns(LeftOutWarning) as caught:
        events = READERS[reader](folder)
    for warning in caught:
        assert_silent(str(warning.message))
    assert_silent(repr(events))
    assert_silent(repr(events.left_out))
    assert_silent(repr(events.left_out.listed()))


def with_column(**columns):
    return pl.DataFrame({**LONG, **columns}, strict=False)


ERRORS = {
    "identifiers": lambda _: read_events(with_column(subject_id=[NUMBER, NUMBER + 0.5, 1, 1])),
    "time": lambda _: read_events(with_column(time=[WHO] * 4)),
    "value": lambda _: read_events(with_column(numeric_value=[f"{VALUE}!"] * 4)),
    "code": lambda _: read_events(with_column(code=[NUMBER] * 4)),
    "wide": lambda _: read_wide(pl.DataFrame({**WIDE, "Temp": [WHO, WHO]})),
    "apart": lambda _: check_apart([WHO, NUMBER], [NUMBER, WHO]),
    "split": lambda _: split_subjects([WHO], {"a": 0.5, "b": 0.5}),
    "groups": lambda _: fold_subjects([WHO, WHO, 1], 2, groups=[WHO, NUMBER, NUMBER]),
    "types": lambda folder: write_store(
        folder / "store", [pl.DataFrame(LONG), with_column(subject_id=[NUMBER] * 4)]
    ),
    "record": lambda folder: read_physionet2012(spoil(folder / f"records/{NUMBER}.txt")),
    "patient": lambda folder: read_physionet2019(spoil(folder / f"patients/{WHO}.psv").parent),
}


def spoil(file):
    file.write_text(f"{WHO}|{NUMBER}\n{VALUE}|{WHO}\n")
    return file.parent if file.suffix == ".txt" else file


@pytest.mark.parametrize("error", ERRORS)
def test_errors_hold_no_secret(folder, error) -> None:
    with pytest.raises(CellstateError) as caught:
        ERRORS[error](folder)
    assert_silent(str(caught.value))
