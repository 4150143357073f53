"""The how-to on clinical data says what is true."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cellstate.data.health.left_out import LeftOutWarning

PAGE = Path(__file__).resolve().parents[2] / "docs/how-to/clinical-data.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def run(blocks: list[str]) -> tuple[dict, list]:
    names: dict = {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for block in blocks:
            exec(compile(block, str(PAGE), "exec"), names)
    return names, caught


def test_snippets_run_in_order(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    names, caught = run([block for block in BLOCKS if "catalogue" not in block])
    assert {warning.category for warning in caught} == {LeftOutWarning}
    said = " ".join(PAGE.read_text("utf-8").split())
    assert f"LeftOutWarning: {caught[0].message}" in said
    assert names["events"].subjects.tolist() == ["a", "b"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events", "events.csv"]


def test_events_are_as_shown() -> None:
    names, _ = run(BLOCKS[:2])
    events, first = names["events"], names["first"]
    assert events.codes == ("Age", "DIAG//I50", "HR", "Temp")
    assert events.hours[first].tolist() == [-np.inf, 0, 0.5]
    assert events.value[first].tolist() == [64, 88, 37]
    assert pl.DataFrame(events.left_out.listed())["row"].to_list() == [3]


def test_public_sets_are_as_shown(data_file, data_dir, monkeypatch) -> None:
    for name in ("physionet2012_set-a", "sepsis2019_set-b_first6000"):
        data_file(f"health/{name}.tar.xz")
    monkeypatch.setenv("CELLSTATE_DATA", str(data_dir))
    names, _ = run([block for block in BLOCKS if "catalogue" in block])
    assert names["outcomes"].died.mean() == pytest.approx(0.1385)
    assert len(names["labels"]) == 6000
