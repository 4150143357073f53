"""A class is abstract or final, and its name says which."""

import ast

from tests.architecture.sources import PYTHON, layer_of, shown, tree_of


def name_of(expression: ast.expr) -> str:
    """Give the last part of a dotted name: "Module" for nn.Module, "Generic" for Generic[T]."""
    match expression:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(value=value):
            return name_of(value)
        case _:
            return ""


CLASSES = [
    (path, node)
    for path in PYTHON
    for node in ast.walk(tree_of(path))
    if isinstance(node, ast.ClassDef)
]
OWN = {node.name for _, node in CLASSES}


def is_abstract(node: ast.ClassDef) -> bool:
    decorators = {
        name_of(decorator)
        for method in node.body
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
        for decorator in method.decorator_list
    }
    return "abstractmethod" in decorators or "ABC" in map(name_of, node.bases)


def test_abstract_classes_start_with_abstract():
    wrong = [
        f"{shown(path)}: {node.name}"
        for path, node in CLASSES
        if is_abstract(node) != node.name.lstrip("_").startswith("Abstract")
    ]
    assert not wrong


def test_only_abstract_classes_and_errors_are_inherited_from():
    wrong = [
        f"{shown(path)}: {node.name}({base})"
        for path, node in CLASSES
        if layer_of(path) != "errors"
        for base in map(name_of, node.bases)
        # A class may share its name with the foreign one that it derives from.
        if base in OWN - {node.name}
        and not base.lstrip("_").startswith("Abstract")
        and not base.endswith("Error")
    ]
    assert not wrong


def test_nothing_is_left_to_be_implemented():
    wrong = [
        f"{shown(path)}:{node.lineno}"
        for path in PYTHON
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Raise)
        and node.exc is not None
        and name_of(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)
        == "NotImplementedError"
    ]
    assert not wrong
