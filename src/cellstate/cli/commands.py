"""How commands look and end, and how they load only when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from cellstate.errors import InputError, did_you_mean, explain

_FLAG_COLUMN = 26  # characters; help texts begin here


class Command(TyperCommand):
    """A command whose help shows its options in groups, and that ends quietly on Ctrl-C."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options' help, a section for each group, in order of declaration."""
        groups: dict[str, list[Any]] = {}
        parameters: list[Any] = self.get_params(ctx)
        for parameter in parameters:
            if parameter.param_type_name == "argument":
                record = (_written(parameter), parameter.help or "")
                groups.setdefault("Arguments", []).append(record)
            else:
                panel = getattr(parameter, "rich_help_panel", None) or "Options"
                groups.setdefault(panel, []).append(parameter.get_help_record(ctx))
        for panel, records in groups.items():
            with formatter.section(panel):
                formatter.write_dl(records, col_max=_FLAG_COLUMN)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Write the usage line as ``[OPTIONS] MODEL [DATA...]``."""
        words = [p for p in self.get_params(ctx) if p.param_type_name == "argument"]
        return ["[OPTIONS]", *map(_written, words)]

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an interrupt ends with 130, as shells expect, and no traceback."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise SystemExit(130) from None


def _written(argument: Any) -> str:
    several = f"{argument.metavar}{'...' if argument.nargs == -1 else ''}"
    return several if argument.required else f"[{several}]"


class Entry(NamedTuple):
    """A command that is not built yet: what the list says of it, and how to build it."""

    summary: Callable[[], str]
    build: Callable[[], Any]


def lazy_group(entries: Mapping[str, Entry], kind: str) -> type[TyperGroup]:
    """Make a group of commands of which only the one that runs is built.

    Parameters
    ----------
    entries : mapping of str to Entry
        The commands by name, in the order of the help.
    kind : str
        What to call one of them in a message.
    """

    class LazyGroup(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            return list(entries)

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            if cmd_name in entries:
                return entries[cmd_name].build()
            if cmd_name.startswith("-"):
                return None  # an unknown option, which click explains
            raise InputError(
                explain(
                    ctx.command_path,
                    f"the {kind} must be known",
                    repr(cmd_name),
                    did_you_mean(cmd_name, entries),
                )
            )

        def format_commands(self, ctx: Any, formatter: Any) -> None:
            with formatter.section(f"{kind.capitalize()}s"):
                formatter.write_dl([(name, entry.summary()) for name, entry in entries.items()])

    return LazyGroup


def plain_app(**settings: Any) -> typer.Typer:
    """Make an app whose help needs no rich, which takes longer to load than all the rest."""
    return typer.Typer(
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        no_args_is_help=True,
        **settings,
    )


def group(entries: Mapping[str, Entry], kind: str, help_text: str) -> Any:
    """Build a lazy group."""
    app = plain_app(cls=lazy_group(entries, kind), help=help_text)
    app.callback()(_nothing)
    return get_command(app)


def single(function: Callable[..., None], help_text: str, example: str) -> Any:
    """Build one command."""
    app = plain_app()
    app.command(cls=Command, help=help_text, epilog=f"Example: {example}")(function)
    return get_command(app)


def _nothing() -> None:
    """Stand for a group without options of its own."""
