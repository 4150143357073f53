"""The guide to sessions does what it says."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "stream-events.md"


def test_the_guide_runs_from_its_first_line_to_its_last(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert len(blocks) == 4
    assert names["again"].peek()["events"] == 1
    assert names["answer"]["next_ds"] == "2024-05-14T02:00:00Z"
    assert 0 <= names["answer"]["surprise"] <= 1
