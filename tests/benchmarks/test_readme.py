import pytest

from benchmarks.harness.options import ROOT
from benchmarks.harness.readme import refresh
from benchmarks.harness.record import Row, write
from cellstate.errors import InputError

MARKED = """Before.

<!-- table: speed {words} -->
old
<!-- end of table -->

After.
"""


@pytest.fixture
def results(tmp_path):
    rows = [
        Row("data, h 96", system, metric, value, seed, "", "2", "one machine")
        for system, metric, value, seed in (
            ("cellstate", "mse", 0.37, "1"),
            ("cellstate", "mse", 0.38, "2"),
            ("cellstate", "fit_seconds", 61.26, "1"),
            ("darts", "mse", 1.24, "1"),
            ("darts", "peak_bytes", 1234567.0, "1"),
        )
    ]
    write(tmp_path / "speed.csv", rows)
    return tmp_path


def test_a_table_is_made_from_results(results):
    words = "rows=system columns=metric case='data, h 96' metric=mse,fit_seconds"
    assert refresh(MARKED.format(words=words), results) == MARKED.format(words=words).replace(
        "old\n",
        "\n"
        "| system | mse | fit seconds |\n"
        "|---|---:|---:|\n"
        "| cellstate | 0.375 ± 0.0071 | 61.3 |\n"
        "| darts | 1.24 | – |\n"
        "\n"
        "Measured on one machine; threads: 2.\n"
        "\n",
    )


def test_a_table_is_stable(results):
    once = refresh(MARKED.format(words="rows=system columns=metric"), results)
    assert refresh(once, results) == once
    assert "1,230,000" in once


def test_numbers_with_commas_are_parts_of_names(tmp_path):
    names = ("one, 1,000 rows", "two, 20,000/s", "500,000")
    rows = [Row(name, "cellstate", "speed", 3.0, "", "", "2", "one machine") for name in names]
    write(tmp_path / "speed.csv", rows)
    words = 'rows=case columns=metric case="two, 20,000/s,500,000,one, 1,000 rows"'
    told = refresh(MARKED.format(words=words), tmp_path)
    assert "| two, 20,000/s | 3 |\n| 500,000 | 3 |\n| one, 1,000 rows | 3 |\n" in told


def test_text_without_tables_stays(results):
    assert refresh("No table.", results) == "No table."


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("rows=system", "a table is asked for as"),
        ("rows=system columns=colour", "a table is asked for as"),
        ("rows=system columns=metric wide=1", "a table is asked for as"),
        ("rows=system columns=metric system=nobody", "a table must show something; got"),
    ],
)
def test_a_marker_that_says_nothing_is_refused(results, words, message):
    with pytest.raises(InputError, match=message):
        refresh(MARKED.format(words=words), results)


def test_results_that_do_not_exist_are_named(tmp_path):
    with pytest.raises(InputError, match=r"speed\.csv"):
        refresh(MARKED.format(words="rows=system columns=metric"), tmp_path)


def test_table_of_the_guide_to_several_processes_is_that_of_the_results():
    text = (ROOT / "docs/how-to/scale-serving.md").read_text(encoding="utf-8")
    assert "<!-- table: serve-shards" in text
    assert refresh(text) == text
