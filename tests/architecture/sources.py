"""The project's own files, as the architecture tests read them."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "cellstate"
CSRC = ROOT / "csrc"

PYTHON = sorted(PACKAGE.rglob("*.py"))
NATIVE = sorted(path for path in CSRC.iterdir() if path.suffix in {".h", ".cpp"})


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def layer_of(path: Path) -> str:
    """Name the part of the package that a file belongs to: "ops", "errors" …"""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def dotted_name(path: Path) -> str:
    """Give the name that a file is imported by: "cellstate.ops.lstm"."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def module_level_imports(path: Path) -> set[str]:
    """Give the top-level names of what is imported as soon as the file is, except for typing."""
    found: set[str] = set()
    waiting: list[ast.stmt] = list(tree_of(path).body)
    while waiting:
        statement = waiting.pop()
        match statement:
            case ast.Import():
                found |= {alias.name.split(".")[0] for alias in statement.names}
            case ast.ImportFrom(module=str(module)):
                found.add(module.split(".")[0])
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                waiting += statement.orelse
            case ast.If() | ast.Try() | ast.With() | ast.For() | ast.While() | ast.ClassDef():
                waiting += [n for n in ast.iter_child_nodes(statement) if isinstance(n, ast.stmt)]
                for handler in getattr(statement, "handlers", []):
                    waiting += handler.body
    return found
