"""`cellstate keys new|list|revoke FILE`: who may call a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cellstate.cli import screen
from cellstate.cli.commands import Entry, group, single

SUMMARY = "Make, list and revoke the keys of a server."
File = Annotated[Path, typer.Argument(metavar="FILE", help="The file of keys.")]
Tenant = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="Whose entities it is for.  [default: default]", show_default=False
    ),
]
RoleOption = Annotated[
    str,
    typer.Option(
        "--role",
        metavar="read|write|admin",
        help="What it may do.  [default: write]",
        show_default=False,
    ),
]
Id = Annotated[str, typer.Argument(metavar="ID", help="The key's id, as list shows it.")]


def build() -> Any:
    """Build the group."""
    commands = {
        "new": (_new, "Make a key, and show it once.", "keys.json --tenant clinic"),
        "list": (_list, "List keys, which cannot be shown again.", "keys.json"),
        "revoke": (_revoke, "Take a key back.", "keys.json 1f2e3d4c5b6a"),
    }
    entries = {
        name: Entry(
            lambda text=text: text,
            lambda run=run, text=text, example=f"cellstate keys {name} {words}": single(
                run, text, example
            ),
        )
        for name, (run, text, words) in commands.items()
    }
    return group(entries, "command", SUMMARY)


def _new(
    file: File, tenant: Tenant = "default", role: RoleOption = "write", json: screen.Json = False
) -> None:
    from cellstate.serve.keys import add_key

    token = add_key(file, tenant, role)
    if json:
        screen.print_json({"key": token, "tenant": tenant, "role": role})
        return
    screen.say(token)
    screen.say("Keep it safe: it cannot be shown again.")


def _list(file: File, json: screen.Json = False) -> None:
    from cellstate.serve.keys import read_keys

    keys = read_keys(file)
    if json:
        shown = [{"id": k.id, "tenant": k.tenant, "role": k.role, "made": k.created} for k in keys]
        screen.print_json({"keys": shown})
        return
    screen.print_table(
        ["id", "tenant", "role", "made"],
        [(key.id, key.tenant, key.role, key.created) for key in keys],
    )


def _revoke(file: File, id: Id, json: screen.Json = False) -> None:
    from cellstate.serve.keys import revoke_key

    key = revoke_key(file, id)
    if json:
        screen.print_json({"revoked": key.id})
    else:
        screen.say(f"Revoked {key.id}, of {key.tenant}.")
