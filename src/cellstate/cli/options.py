"""From a signature to command-line options: a parameter is declared once, where it is used.

Names, types and defaults come from the signature, help texts from the docstring. A parameter that
is a dataclass of settings becomes one option a field.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from cellstate.cli import docstrings, values

REQUIRED = inspect.Parameter.empty
_UNDOCUMENTED = docstrings.Parameter("", "")


@dataclass(frozen=True)
class Option:
    """One option, before typer sees it."""

    path: tuple[str, ...]  # ("horizon",), or ("train", "epochs") for a field of settings
    hint: Any
    default: Any
    doc: docstrings.Parameter
    group: str
    build: Callable[..., Any] | None = None  # makes the settings out of the fields that were given

    @property
    def name(self) -> str:
        """The name under which typer hands the value over."""
        return "__".join(self.path)

    @property
    def flag(self) -> str:
        """The option as it is written."""
        return "--" + self.path[-1].replace("_", "-")

    def parameter(self) -> inspect.Parameter:
        """Describe the option to typer; left out, its value is None and the default holds."""
        shown: dict[str, Any] = {
            "help": self._help(),
            "show_default": False,
            "rich_help_panel": self.group,
        }
        if values.is_flag(self.hint):
            flags = f"{self.flag}/--no-{self.flag[2:]}"
            annotation: Any = Annotated[bool | None, typer.Option(flags, **shown)]
        else:
            shown["metavar"] = values.placeholder(self.hint, self.doc.choices())
            annotation = Annotated[str | None, typer.Option(self.flag, **shown)]
        return own(self.name, annotation, REQUIRED if self.default is REQUIRED else None)

    def _help(self) -> str:
        if self.default in (REQUIRED, None, (), False, ""):
            return self.doc.text
        return f"{self.doc.text}  [default: {values.show(self.default)}]".strip()


def options_of(
    function: Callable[..., Any],
    docstring: str | None,
    group: str = "Options",
    *,
    skip: Iterable[str] = (),
) -> tuple[Option, ...]:
    """Describe the parameters of a function, all but those in `skip`.

    Parameters
    ----------
    function : callable
        Its signature gives names, types and defaults.
    docstring : str, optional
        Its section "Parameters" gives the help texts.
    group : str
        The heading of these options in the help; settings have headings of their own.
    skip : iterable of str
        Parameters that the command fills in itself.

    Examples
    --------
    >>> def wait(seconds: float, quiet: bool = False) -> None:
    ...     '''Wait.
    ...
    ...     Parameters
    ...     ----------
    ...     seconds : float
    ...         How long.
    ...     '''
    >>> [(option.flag, option.doc.text) for option in options_of(wait, wait.__doc__)]
    [('--seconds', 'How long.'), ('--quiet', '')]
    """
    hints = typing.get_type_hints(function)
    docs = docstrings.parameters(docstring)
    options: list[Option] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name == "self" or name in skip:
            continue
        hint = hints.get(name, str)
        settings = _settings(hint)
        if settings is not None:
            options += _fields(name, settings, parameter.default)
        else:
            doc = docs.get(name, _UNDOCUMENTED)
            options.append(Option((name,), hint, parameter.default, doc, group))
    return tuple(options)


def arguments(options: Iterable[Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """Turn what was written into the function's arguments; whatever was not is left out.

    Raises
    ------
    InputError
        A word does not fit its option's type.
    """
    result: dict[str, Any] = {}
    fields: dict[str, dict[str, Any]] = {}
    builds: dict[str, Callable[..., Any]] = {}
    for option in options:
        word = given.get(option.name)
        if word is None:
            continue
        value = word if isinstance(word, bool) else values.parse(word, option.hint, option.flag)
        if option.build is None:
            result[option.path[0]] = value
        else:
            fields.setdefault(option.path[0], {})[option.path[1]] = value
            builds[option.path[0]] = option.build
    return result | {name: builds[name](**chosen) for name, chosen in fields.items()}


def own(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    """Describe a parameter of the command itself, in typer's terms."""
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


def with_options(
    function: Callable[..., None],
    parameters: Iterable[inspect.Parameter],
    options: Iterable[Option],
) -> Callable[..., None]:
    """Give `function(**words)` the signature that typer reads.

    Parameters
    ----------
    function : callable
        Takes every value by name.
    parameters : iterable of inspect.Parameter
        The command's `own`.
    options : iterable of Option
        Those that come from a signature.
    """

    def run(**words: Any) -> None:
        function(**words)

    described = [*parameters, *(option.parameter() for option in options)]
    flags = [f"--{p.name}" for p in parameters] + [option.flag for option in options]
    assert len(set(flags)) == len(flags), f"two parameters share an option: {sorted(flags)}"
    run.__signature__ = inspect.Signature(described)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in described}
    return run


def _settings(hint: Any) -> Any | None:
    """Return the dataclass that a hint names, alone or beside None."""
    kinds = [kind for kind in values.alternatives(hint) if kind is not types.NoneType]
    if len(kinds) == 1 and dataclasses.is_dataclass(kinds[0]):
        return kinds[0]
    return None


def _fields(name: str, settings: Any, default: Any) -> list[Option]:
    hints = typing.get_type_hints(settings)
    docs = docstrings.parameters(settings.__doc__)
    given = default is not None and default is not REQUIRED
    replace: Any = dataclasses.replace
    build = functools.partial(replace, default) if given else settings
    options: list[Option] = []
    for field in dataclasses.fields(settings):
        doc = docs.get(field.name, _UNDOCUMENTED)
        value = getattr(default if given else settings, field.name, None)
        path = (name, field.name)
        options.append(Option(path, hints[field.name], value, doc, name.capitalize(), build))
    return options
