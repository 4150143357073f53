"""`cellstate data list|path|get|tokens`: public data sets."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from cellstate.cli import screen, tokens
from cellstate.cli.commands import Entry, group, single
from cellstate.data import catalogue
from cellstate.errors import DownloadError

Name = Annotated[str, typer.Argument(metavar="NAME", help="A name from the list.")]
Names = Annotated[
    list[str] | None, typer.Argument(metavar="NAME", help="Show all that is known of these.")
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Look here first; then in CELLSTATE_DATA, then among the downloads.",
    ),
]


def build() -> Any:
    """Build the group."""
    commands = {
        "list": (_list, "List the data sets, and which are on this machine.", ""),
        "path": (_path, "Tell where a data set lies on this machine.", " etth1"),
        "get": (_get, "Tell where a data set lies; download it if it is nowhere yet.", " etth1"),
        "tokens": (tokens.run, tokens.SUMMARY, tokens.EXAMPLE),
    }
    entries = {
        name: Entry(
            lambda text=text: text,
            lambda run=run, text=text, example=f"cellstate data {name}{words}": single(
                run, text, example
            ),
        )
        for name, (run, text, words) in commands.items()
    }
    return group(entries, "command", "List and fetch public data sets; prepare large corpora.")


def _list(name: Names = None, data_dir: DataDir = None, json: screen.Json = False) -> None:
    chosen = [catalogue.find(one) for one in name or catalogue.CATALOGUE]
    places = [_place(entry.name, data_dir) for entry in chosen]
    if json:
        documents = [
            {**dataclasses.asdict(entry), "downloadable": entry.is_downloadable, "path": place}
            for entry, place in zip(chosen, places, strict=True)
        ]
        screen.print_json({"data": documents})
    elif name:
        for entry, place in zip(chosen, places, strict=True):
            _show(entry, place)
    else:
        rows = [
            (entry.name, entry.title, entry.licence, _state(entry, place))
            for entry, place in zip(chosen, places, strict=True)
        ]
        screen.print_table(["name", "data set", "licence", "here"], rows)
        screen.say("More of one: cellstate data list NAME")


def _path(name: Name, data_dir: DataDir = None, json: screen.Json = False) -> None:
    _tell(name, catalogue.path(name, data_dir, verify=True), json)


def _get(name: Name, data_dir: DataDir = None, json: screen.Json = False) -> None:
    with _progress(name) as progress:
        place = catalogue.get(name, data_dir, progress=progress)
    _tell(name, place, json)


def _tell(name: str, place: Path, as_json: bool) -> None:
    if as_json:
        screen.print_json({"name": name, "path": place})
    else:
        screen.say(str(place))


def _place(name: str, data_dir: Path | None) -> Path | None:
    try:
        return catalogue.path(name, data_dir)
    except DownloadError:
        return None


def _state(entry: catalogue.DataSet, place: Path | None) -> str:
    if place is not None:
        return "yes"
    return "to get" if entry.is_downloadable else "by hand"


def _show(entry: catalogue.DataSet, place: Path | None) -> None:
    facts = dataclasses.asdict(entry)
    files = facts.pop("files")
    rows = [(name, text) for name, text in facts.items() if text]
    rows.append(("here", str(place or _state(entry, place))))
    for file in files:
        rows.append(("file", file["path"]))
        rows += [(f"  {name}", text) for name, text in file.items() if text and name != "path"]
    screen.print_table([entry.name, ""], rows[1:])


@contextmanager
def _progress(name: str) -> Generator[Callable[[int, int | None], None] | None]:
    """Show a bar on a terminal; elsewhere nothing."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    columns = ("{task.description}", BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)

        def show(received: int, coming: int | None) -> None:
            bar.update(task, completed=received, total=coming)

        yield show
