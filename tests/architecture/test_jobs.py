"""A job is one file, one line in TASKS, one test file and one example."""

import ast

import pytest

from cellstate.tasks import TASKS
from tests.architecture.sources import PACKAGE, ROOT, tree_of

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def source_of(task):
    module, _, name = TASKS[task].partition(":")
    return PACKAGE.parent.joinpath(*module.split(".")).with_suffix(".py"), name


@pytest.mark.parametrize("task", TASKS)
def test_class_is_where_it_is_said_to_be(task):
    path, name = source_of(task)
    classes = {node.name: node for node in tree_of(path).body if isinstance(node, ast.ClassDef)}
    assert name in classes
    assert ast.get_docstring(classes[name])


@pytest.mark.parametrize("task", TASKS)
def test_job_has_tests_and_an_example(task):
    path, name = source_of(task)
    tests = ROOT / "tests" / path.parent.relative_to(PACKAGE)
    assert any(name in file.read_text(encoding="utf-8") for file in tests.glob("test_*.py"))
    assert any(name in file.read_text(encoding="utf-8") for file in EXAMPLES)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_has_at_most_60_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 60
