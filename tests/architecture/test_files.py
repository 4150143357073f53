"""How large files are and what they are called."""

import statistics

import pytest

from tests.architecture.sources import NATIVE, PYTHON, shown

# File by name -> why it may be longer than 500 lines.
LARGE: dict[str, str] = {}
VAGUE = {"utils", "util", "helpers", "helper", "common", "base", "misc", "tools", "core", "stuff"}

SIZES = {
    shown(path): len(path.read_text(encoding="utf-8").splitlines())
    for path in PYTHON + NATIVE
    if path.stat().st_size
}


def test_half_of_the_files_have_at_most_150_lines():
    assert statistics.median(SIZES.values()) <= 150


def test_nine_files_in_ten_have_at_most_350_lines():
    assert statistics.quantiles(SIZES.values(), n=10)[-1] <= 350


def test_no_file_has_more_than_500_lines():
    large = {name for name, lines in SIZES.items() if lines > 500}
    assert large == set(LARGE)


@pytest.mark.parametrize("path", PYTHON + NATIVE, ids=shown)
def test_name_says_what_is_inside(path):
    assert path.stem.strip("_") not in VAGUE
