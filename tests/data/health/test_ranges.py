"""Ranges catch other units and slips, not illness."""

from __future__ import annotations

import numpy as np
import pytest

from cellstate.data.health.physionet2012 import DESCRIPTION, VARIABLES
from cellstate.data.health.physionet2019 import DESCRIPTION as DESCRIPTION_2019
from cellstate.data.health.physionet2019 import VARIABLES as VARIABLES_2019
from cellstate.data.health.ranges import PLAUSIBLE, check_ranges, limits_of
from cellstate.errors import InputError

SLIPS = [
    ("Temp", 370), ("temp", 98.6), ("TEMP", -17.8), ("Temp", 0), ("pH", 735), ("pH", 1),
    ("MAP", 0), ("NIDiasABP", 0), ("NIMAP", 0), ("SysABP", 0), ("FiO2", 40), ("FiO2", -50),
    ("Weight", 0), ("Weight", -1), ("Height", 431.8), ("Height", 1.8), ("GCS", 2), ("SaO2", 120),
    ("HR", 900), ("Na", 14), ("K", 45), ("Glucose", 0),
]  # fmt: skip
LIVING = [
    ("Temp", 13.7), ("Temp", 46), ("Temp", 37), ("pH", 6.6), ("pH", 7.8), ("HR", 0), ("HR", 300),
    ("MAP", 20), ("SysABP", 300), ("FiO2", 0.21), ("FiO2", 1), ("Weight", 0.4), ("Weight", 400),
    ("GCS", 3), ("Lactate", 30), ("Glucose", 1500), ("Glucose", 10), ("Na", 98), ("K", 9.9),
    ("Urine", 0), ("RespRate", 0), ("Creatinine", 42), ("WBC", 440), ("AST", 20_000),
    ("BaseExcess", -30), ("Platelets", 1), ("HCT", 9), ("PaO2", 500), ("Age", 0), ("Age", 110),
]  # fmt: skip


def is_plausible(name: str, value: float) -> bool:
    low, high, _ = limits_of([name], None)
    return bool(low[0] <= value <= high[0])


@pytest.mark.parametrize(("name", "value"), SLIPS)
def test_slips_are_caught(name: str, value: float) -> None:
    assert not is_plausible(name, value)


@pytest.mark.parametrize(("name", "value"), LIVING)
def test_the_gravely_ill_are_not(name: str, value: float) -> None:
    assert is_plausible(name, value)


def test_all_variables_of_both_challenges_have_a_range() -> None:
    assert len(VARIABLES) == 37
    assert len(VARIABLES_2019) == 34
    wanted = {*VARIABLES, *DESCRIPTION, *VARIABLES_2019, *DESCRIPTION_2019}
    # Names that differ in capital letters alone, such as HCT and Hct, share a range.
    assert {name.casefold() for name in wanted} <= set(check_ranges(None))
    assert {name.casefold() for name in PLAUSIBLE} == set(check_ranges(None))


def test_own_ranges_replace_the_others() -> None:
    low, high, units = limits_of(["Dose", "HR"], {"dose": (0, 5, "mg")})
    assert (low.tolist(), high.tolist(), units) == ([0, -np.inf], [5, np.inf], ["mg", ""])
    assert check_ranges({}) == {}
    assert limits_of([], None)[0].shape == (0,)


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ([("HR", 0, 1)], r"must be a mapping of codes to \(low, high\); got list"),
        ({"HR": 3}, r"the range of 'HR' must be \(low, high\); got 3"),
        ({"HR": (3, 1)}, r"got \(3, 1\). Give two numbers, the lower first"),
        ({"HR": (0, 1, "a", "b")}, "the range of 'HR'"),
        ({"HR": ("a", "b")}, "the range of 'HR'"),
        ({"HR": (float("nan"), 1)}, "the range of 'HR'"),
    ],
)
def test_bad_calls_are_answered(ranges, message) -> None:
    with pytest.raises(InputError, match=message):
        check_ranges(ranges)
