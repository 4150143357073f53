import io

import pytest
from rich.console import Console

from benchmarks import __main__ as command
from benchmarks.harness import gate
from benchmarks.harness.compare import changes, compare
from benchmarks.harness.options import ROOT, Options
from benchmarks.harness.record import Recorder, Row, read, write
from benchmarks.table import BENCHMARKS, Benchmark
from cellstate.errors import InputError

TESTS = ("tests/benchmarks/test_record.py",)


def measured(recorder: Recorder, options: Options) -> None:
    recorder.add("case", "cellstate", "mse", 0.1 if options.quick else 0.2)


def broken(recorder: Recorder, options: Options) -> None:
    recorder.add("case", "cellstate", "mse", 0.3)
    raise RuntimeError("the machine burns")


@pytest.fixture
def table(monkeypatch, tmp_path):
    """Benchmarks of nothing, with results elsewhere and tests that pass at once."""
    for name in ("measured", "broken"):
        line = Benchmark(name, f"{__name__}:{name}", TESTS)
        monkeypatch.setitem(BENCHMARKS, name, line)
    monkeypatch.setattr(
        command.importlib, "import_module", lambda _: __import__("sys").modules[__name__]
    )
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    monkeypatch.setattr(command, "check_tests", lambda *_: None)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


def test_every_benchmark_can_be_found_and_names_its_tests():
    for benchmark in BENCHMARKS.values():
        module, function = benchmark.run.split(":")
        path = ROOT / (module.replace(".", "/") + ".py")
        assert f"def {function}(" in path.read_text()
        assert benchmark.tests
        for test in benchmark.tests:
            assert (ROOT / test).exists()


def test_list_names_every_benchmark(capsys):
    for words in ([], ["list"]):
        assert command.main(words) == 0
        assert "forecast-peers" in capsys.readouterr().out


def test_full_form_is_kept(table, capsys):
    assert command.main(["measured", "--threads", "1"]) == 0
    assert [row.value for row in read(table / "measured.csv")] == [0.2]
    assert "0.2" in capsys.readouterr().out


def test_quick_form_is_not_kept_unless_asked(table, tmp_path):
    assert command.main(["measured", "--quick", "--threads", "1"]) == 0
    assert not list(table.iterdir())
    out = tmp_path / "quick.csv"
    assert command.main(["measured", "--quick", "--threads", "1", "--out", str(out)]) == 0
    assert read(out)[0].value == 0.1


def test_a_benchmark_that_breaks_leaves_the_old_results(table):
    write(table / "broken.csv", [Row("old", "cellstate", "mse", 1.0)])
    with pytest.raises(RuntimeError, match="the machine burns"):
        command.main(["broken", "--threads", "1"])
    assert read(table / "broken.csv")[0].case == "old"
    assert read(table / "broken.partial.csv")[0].value == 0.3


def test_an_unknown_name_offers_the_nearest(capsys):
    assert command.main(["forecast-pears"]) == 2
    assert "Did you mean 'forecast-peers'?" in capsys.readouterr().err


def test_no_figure_on_red(tmp_path):
    (tmp_path / "test_red.py").write_text("def test_red():\n    assert 1 == 2\n")
    (tmp_path / "test_green.py").write_text("def test_green():\n    pass\n")
    gate.check_tests("speed", ["test_green.py"], tmp_path)
    with pytest.raises(
        InputError, match=r"its tests must pass before it says a figure(.|\n)*1 == 2"
    ):
        gate.check_tests("speed", ["test_green.py", "test_red.py"], tmp_path)


@pytest.mark.parametrize("tests", [[], ["test_missing.py"]])
def test_a_benchmark_without_tests_says_nothing(tests, tmp_path):
    with pytest.raises(InputError, match="a benchmark names existing tests; got"):
        gate.check_tests("speed", tests, tmp_path)


def test_changes_are_of_medians():
    before = [Row("c", "s", "mse", value) for value in (1.0, 2.0, 9.0)]
    after = [Row("c", "s", "mse", 4.0), Row("c", "s", "mae", 1.0)]
    assert changes(before, after) == [(("c", "s", "mse"), 2.0, 4.0)]


def test_compare_shows_ratios_and_other_machines(tmp_path):
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    write(paths[0], [Row("c", "s", "mse", 2.0, machine="old"), Row("c", "s", "lost", 1.0)])
    write(paths[1], [Row("c", "s", "mse", 3.0, machine="new"), Row("c", "s", "zero", 0.0)])
    out = io.StringIO()
    compare(paths[0], paths[1], Console(file=out, width=100))
    words = out.getvalue()
    assert "1.500" in words
    assert "1 figures are only in a.csv" in words
    assert "Not the same machine" in words
    assert command.main(["compare", *map(str, paths)]) == 0


def test_readme_can_be_checked_and_made_anew(tmp_path, capsys, monkeypatch):
    results = tmp_path / "results"
    results.mkdir()
    write(results / "speed.csv", [Row("c", "s", "mse", 2.0)])
    refresh = command.readme.refresh
    monkeypatch.setattr(command.readme, "refresh", lambda text: refresh(text, results))
    page = tmp_path / "README.md"
    page.write_text("<!-- table: speed rows=system columns=metric -->\n<!-- end of table -->\n")
    assert command.main(["readme", "--check", "--file", str(page)]) == 1
    assert "+| s | 2 |" in capsys.readouterr().out
    assert command.main(["readme", "--file", str(page)]) == 0
    assert command.main(["readme", "--check", "--file", str(page)]) == 0
