import re
from pathlib import Path

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorials" / "first-report.md"


def test_tutorial_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", TUTORIAL.read_text(), re.DOTALL):
        exec(compile(block, TUTORIAL.name, "exec"), names)
    assert (tmp_path / "report.html").stat().st_size < 200_000
    assert "Two rules" in capsys.readouterr().out
