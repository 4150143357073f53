"""Tests mirror the sources, and a test's name is a sentence."""

import ast
from pathlib import Path

import pytest

from tests.architecture.sources import PACKAGE, ROOT, shown

TESTS = ROOT / "tests"
PACKAGES = sorted(
    path.parent for path in PACKAGE.rglob("__init__.py") if path.parent not in (PACKAGE,)
)
# Folders that hold something else than one package of the source.
OTHER = {"csrc", "architecture", "conformance", "golden", "benchmarks", "docs", "examples"}
TEST_FILES = sorted(TESTS.rglob("test_*.py"))


def own_tests(folder: Path) -> list[Path]:
    return list(folder.rglob("test_*.py"))


@pytest.mark.parametrize("package", PACKAGES, ids=shown)
def test_every_package_has_tests_beside_it(package):
    mirror = TESTS / package.relative_to(PACKAGE)
    inside_parent = own_tests(mirror.parent) if mirror.parent != TESTS else []
    assert own_tests(mirror) or inside_parent


def test_every_test_folder_mirrors_a_package():
    folders = {path.parent.relative_to(TESTS) for path in TEST_FILES} - {Path()}
    strangers = {
        folder.as_posix()
        for folder in folders
        if folder.parts[0] not in OTHER and not (PACKAGE / folder).is_dir()
    }
    assert not strangers


@pytest.mark.parametrize("path", TEST_FILES, ids=shown)
def test_names_are_sentences(path):
    names = [
        node.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    ]
    assert names
    assert not [name for name in names if name.count("_") < 2]
