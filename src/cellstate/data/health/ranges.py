"""Plausible ranges of vital signs and laboratory values: what no patient, however ill, exceeds.

The limits are wide on purpose: they catch other units, lost decimal points and disconnected sensors
(a temperature of 370, a pH of 735, a mean pressure of 0), not illness.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cellstate.errors import InputError, explain


class Range(NamedTuple):
    """The lowest and the highest plausible value, both included, and their unit."""

    low: float
    high: float
    unit: str = ""


_PRESSURE = {
    "systolic": Range(10, 350, "mmHg"),
    "mean": Range(10, 330, "mmHg"),
    "diastolic": Range(5, 320, "mmHg"),
}
_RATE = Range(0, 350, "per minute")
_BREATHS = Range(0, 150, "per minute")
_CELSIUS = Range(12, 46, "°C")
_SATURATION = Range(5, 100, "%")
_FRACTION = Range(0.2, 1, "as a fraction")
_ENZYME = Range(0, 100_000, "IU/L")
_BILIRUBIN = Range(0, 100, "mg/dL")
_CARBON_DIOXIDE = Range(3, 300, "mmHg")
_OXYGEN = Range(5, 800, "mmHg")
_BICARBONATE = Range(1, 80, "mmol/L")
_CALCIUM = Range(0.5, 30, "mg/dL")
_CHLORIDE = Range(40, 200, "mmol/L")
_HEMATOCRIT = Range(3, 80, "%")
_HEMOGLOBIN = Range(0.5, 30, "g/dL")
_MAGNESIUM = Range(0.1, 30, "mg/dL")
_PHOSPHATE = Range(0.05, 40, "mg/dL")
_PLATELETS = Range(0, 5_000, "10⁹/L")
_POTASSIUM = Range(0.5, 20, "mmol/L")
_SODIUM = Range(80, 220, "mmol/L")
_TROPONIN_I = Range(0, 5_000, "µg/L")
_TROPONIN_T = Range(0, 200, "µg/L")
_UREA = Range(0, 400, "mg/dL")
_WHITE_CELLS = Range(0, 1_000, "10⁹/L")
_FLAG = Range(0, 1)

PLAUSIBLE: dict[str, Range] = {
    # Both challenges of PhysioNet, 2012 and 2019, and single stays' description
    "Age": Range(0, 125, "years"),
    "BUN": _UREA,
    "Creatinine": Range(0.01, 80, "mg/dL"),
    "FiO2": _FRACTION,
    "Gender": _FLAG,
    "Glucose": Range(5, 3_000, "mg/dL"),
    "HCO3": _BICARBONATE,
    "HCT": _HEMATOCRIT,
    "HR": _RATE,
    "Lactate": Range(0.01, 50, "mmol/L"),
    "MAP": _PRESSURE["mean"],
    "PaCO2": _CARBON_DIOXIDE,
    "pH": Range(6.3, 8.3),
    "Platelets": _PLATELETS,
    "SaO2": _SATURATION,
    "Temp": _CELSIUS,
    "TroponinI": _TROPONIN_I,
    "AST": _ENZYME,
    "WBC": _WHITE_CELLS,
    # PhysioNet 2012
    "Albumin": Range(0.1, 10, "g/dL"),
    "ALP": _ENZYME,
    "ALT": _ENZYME,
    "Bilirubin": _BILIRUBIN,
    "Cholesterol": Range(5, 3_000, "mg/dL"),
    "DiasABP": _PRESSURE["diastolic"],
    "GCS": Range(3, 15, "points"),
    "Height": Range(20, 280, "cm"),
    "ICUType": Range(1, 4),
    "K": _POTASSIUM,
    "MechVent": _FLAG,
    "Mg": _MAGNESIUM,
    "Na": _SODIUM,
    "NIDiasABP": _PRESSURE["diastolic"],
    "NIMAP": _PRESSURE["mean"],
    "NISysABP": _PRESSURE["systolic"],
    "PaO2": _OXYGEN,
    "RespRate": _BREATHS,
    "SysABP": _PRESSURE["systolic"],
    "TroponinT": _TROPONIN_T,
    "Urine": Range(0, 15_000, "mL"),
    "Weight": Range(0.2, 700, "kg"),
    # PhysioNet 2019
    "Alkalinephos": _ENZYME,
    "BaseExcess": Range(-60, 60, "mmol/L"),
    "Bilirubin_direct": _BILIRUBIN,
    "Bilirubin_total": _BILIRUBIN,
    "Calcium": _CALCIUM,
    "Chloride": _CHLORIDE,
    "DBP": _PRESSURE["diastolic"],
    "EtCO2": Range(0, 200, "mmHg"),
    "Fibrinogen": Range(5, 4_000, "mg/dL"),
    "Hgb": _HEMOGLOBIN,
    "HospAdmTime": Range(-100_000, 1_000, "hours"),
    "ICULOS": Range(0, 50_000, "hours"),
    "Magnesium": _MAGNESIUM,
    "O2Sat": _SATURATION,
    "Phosphate": _PHOSPHATE,
    "Potassium": _POTASSIUM,
    "PTT": Range(5, 500, "seconds"),
    "Resp": _BREATHS,
    "SBP": _PRESSURE["systolic"],
    "Unit1": _FLAG,
    "Unit2": _FLAG,
    # Labels of MIMIC-IV
    "Alanine Aminotransferase (ALT)": _ENZYME,
    "Alkaline Phosphatase": _ENZYME,
    "Arterial Blood Pressure diastolic": _PRESSURE["diastolic"],
    "Arterial Blood Pressure mean": _PRESSURE["mean"],
    "Arterial Blood Pressure systolic": _PRESSURE["systolic"],
    "Asparate Aminotransferase (AST)": _ENZYME,
    "Base Excess": Range(-60, 60, "mmol/L"),
    "Bicarbonate": _BICARBONATE,
    "Bilirubin, Direct": _BILIRUBIN,
    "Bilirubin, Total": _BILIRUBIN,
    "Calcium, Total": _CALCIUM,
    "Fibrinogen, Functional": Range(5, 4_000, "mg/dL"),
    "Heart Rate": _RATE,
    "Hematocrit": _HEMATOCRIT,
    "Hemoglobin": _HEMOGLOBIN,
    "Inspired O2 Fraction": Range(20, 100, "%"),
    "Non Invasive Blood Pressure diastolic": _PRESSURE["diastolic"],
    "Non Invasive Blood Pressure mean": _PRESSURE["mean"],
    "Non Invasive Blood Pressure systolic": _PRESSURE["systolic"],
    "O2 saturation pulseoxymetry": _SATURATION,
    "pCO2": _CARBON_DIOXIDE,
    "Platelet Count": _PLATELETS,
    "pO2": _OXYGEN,
    "Respiratory Rate": _BREATHS,
    "Sodium": _SODIUM,
    "Temperature Celsius": _CELSIUS,
    "Temperature Fahrenheit": Range(53, 115, "°F"),
    "Troponin I": _TROPONIN_I,
    "Troponin T": _TROPONIN_T,
    "Urea Nitrogen": _UREA,
    "White Blood Cells": _WHITE_CELLS,
}
"""By name, of blood where a fluid is meant: what is measured in urine needs a name of its own."""


LARGEST = 1e30
"""Size beyond which no value is read, whatever its code: its square is no number any more."""


def check_ranges(ranges: Mapping[str, Any] | None) -> dict[str, Range]:
    """Give ranges by their names in small letters.

    Parameters
    ----------
    ranges : mapping or None
        Names to ``(low, high)`` or ``(low, high, unit)``; None gives `PLAUSIBLE`, an empty mapping
        checks nothing.

    Raises
    ------
    InputError
        An entry is no such pair, or its low end is above the high one.

    Examples
    --------
    >>> check_ranges({"Dose": (0, 50, "mg")})
    {'dose': Range(low=0.0, high=50.0, unit='mg')}
    """
    given = PLAUSIBLE if ranges is None else ranges
    if not isinstance(given, Mapping):
        must, do = "must be a mapping of codes to (low, high)", "Write for example {'HR': (0, 350)}"
        raise InputError(explain("ranges", must, type(given).__name__, do))
    return {str(name).casefold(): _checked(str(name), entry) for name, entry in given.items()}


def limits_of(
    codes: Sequence[str], ranges: Mapping[str, Any] | None
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Give the lowest and the highest value of each code, and its unit.

    Codes are looked up without regard to capital letters; those without a range get −∞ and ∞.

    Examples
    --------
    >>> limits_of(["temp", "a new one"], None)
    (array([ 12., -inf]), array([46., inf]), ['°C', ''])
    """
    known = check_ranges(ranges)
    found = [known.get(code.casefold(), Range(-math.inf, math.inf)) for code in codes]
    low = np.array([entry.low for entry in found], dtype=np.float64)
    high = np.array([entry.high for entry in found], dtype=np.float64)
    return low, high, [entry.unit for entry in found]


def _checked(name: str, entry: Any) -> Range:
    try:
        low, high, *unit = entry
        checked = Range(float(low), float(high), *map(str, unit))
    except (TypeError, ValueError):
        checked = Range(math.nan, math.nan)
    if not checked.low <= checked.high:
        must, do = f"the range of {name!r} must be (low, high)", "Give two numbers, the lower first"
        raise InputError(explain("ranges", must, repr(entry), do))
    return checked
