"""From rows in a CSV file to classes and numbers, with the real estimators, in small."""

import numpy as np
import pytest


@pytest.fixture
def waves(tmp_path):
    """Slow and fast waves, some values missing; `label` names them, `speed` measures them."""
    rng = np.random.default_rng(0)
    lines = ["label,speed," + ",".join(f"t{step}" for step in range(16))]
    for row in range(40):
        speed = (0.3, 0.8)[row % 2]
        wave = np.sin(speed * np.arange(16) + rng.uniform(0, 6))
        cells = [f"{value:.3f}" for value in wave]
        cells[row % 16] = ""
        lines.append(f"{('slow', 'fast')[row % 2]},{speed}," + ",".join(cells))
    labels, speeds = tmp_path / "labels.csv", tmp_path / "speeds.csv"
    labels.write_text("\n".join(",".join(drop(line, 1)) for line in lines))
    speeds.write_text("\n".join(",".join(drop(line, 0)) for line in lines))
    return labels, speeds


def drop(line, place):
    cells = line.split(",")
    return cells[:place] + cells[place + 1 :]


def test_classes_are_learned_told_and_scored(cellstate, waves, tmp_path):
    labels, _ = waves
    model = tmp_path / "model"
    result = cellstate("fit", "classify", labels, "--epochs", 3, "--out", model)
    assert (result.code, result.err) == (0, "")
    assert "Verdict" in result.out
    rows = cellstate("predict", model, labels, "--json").json["rows"]
    assert {row["prediction"] for row in rows} <= {"slow", "fast"}
    assert all(abs(row["p_slow"] + row["p_fast"] - 1) < 1e-6 for row in rows)
    scores = cellstate("evaluate", model, labels)
    assert "accuracy: share of rows whose class is named correctly." in scores.out
    assert max(map(len, scores.out.splitlines())) <= 80


def test_numbers_are_learned_told_and_scored(cellstate, waves, tmp_path):
    _, speeds = waves
    model, out = tmp_path / "model", tmp_path / "speeds-told.csv"
    call = ("fit", "regress", speeds, "--target", "speed", "--epochs", 3, "--out", model)
    assert cellstate(*call).code == 0
    told = cellstate("predict", model, speeds, "--target", "speed", "--out", out)
    assert told.code == 0
    assert len(out.read_text().splitlines()) == 41
    document = cellstate("evaluate", model, speeds, "--target", "speed", "--json").json
    assert document["winner"] in document["systems"]
