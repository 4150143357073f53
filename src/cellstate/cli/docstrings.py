"""What a NumPy-style docstring says of each parameter: the only source of the help texts."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
from pathlib import Path
from typing import NamedTuple


class Parameter(NamedTuple):
    """One entry of the section "Parameters"."""

    kind: str
    text: str

    def choices(self) -> tuple[str, ...]:
        """List the words of a kind such as ``{"mean", "last"}, optional``.

        Examples
        --------
        >>> Parameter('{"mean", "last"}, optional', "").choices()
        ('mean', 'last')
        """
        braces = re.match(r"\{(.*?)\}", self.kind)
        return tuple(re.findall(r"[\"'](.*?)[\"']", braces[1])) if braces else ()


def of_class(place: str) -> str | None:
    """Read a class's docstring from its source, for a list should not import all that it lists.

    Parameters
    ----------
    place : str
        Module and name, as in `cellstate.tasks.TASKS`.

    Examples
    --------
    >>> of_class("cellstate.errors:CellstateError")
    'Any error that Cellstate raises on purpose.'
    """
    module, name = place.split(":")
    spec = importlib.util.find_spec(module)
    assert spec is not None, f"{module} does not exist"
    assert spec.origin is not None, f"{module} has no source"
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return ast.get_docstring(node)
    raise LookupError(place)


def summary(docstring: str | None) -> str:
    r"""Return the first paragraph in one line.

    Examples
    --------
    >>> summary("Forecast\nmany `series`.\n\nAnd more.")
    'Forecast many series.'
    """
    first = inspect.cleandoc(docstring or "").split("\n\n")[0]
    return _plain(first)


def parameters(docstring: str | None) -> dict[str, Parameter]:
    """Read the section "Parameters"; names that share an entry share its text.

    Examples
    --------
    >>> entries = parameters('''
    ... Add.
    ...
    ... Parameters
    ... ----------
    ... a, b : int
    ...     What to ``add``,
    ...     in any order.
    ...
    ... Returns
    ... -------
    ... int
    ... ''')
    >>> entries["b"]
    Parameter(kind='int', text='What to add, in any order.')
    >>> list(entries)
    ['a', 'b']
    """
    entries: dict[str, Parameter] = {}
    section = re.search(
        r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-{3,}\n|\Z)",
        inspect.cleandoc(docstring or ""),
        flags=re.MULTILINE | re.DOTALL,
    )
    if section is None:
        return entries
    for entry in re.finditer(r"^(\S[^\n]*)\n?((?:[ \t]+[^\n]*\n?|\n)*)", section[1], re.MULTILINE):
        names, _, kind = entry[1].partition(" : ")
        for name in names.split(","):
            entries[name.strip(" *")] = Parameter(kind.strip(), _plain(entry[2]))
    return entries


def _plain(text: str) -> str:
    """Join lines and drop markup, which a terminal does not show."""
    text = re.sub(r":\w+:(?=`)", "", text)
    return " ".join(text.replace("`", "").split())
