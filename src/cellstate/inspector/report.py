"""The two ways out: a page in a file, and the same story in the terminal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cellstate import artifact
from cellstate.errors import InputError, explain
from cellstate.inspector import text
from cellstate.inspector.check import check_story
from cellstate.inspector.page import render

if TYPE_CHECKING:
    from rich.console import Console

    from cellstate.tasks.sections import Story


def write_page(story: Story, path: str | os.PathLike[str]) -> Path:
    """Write a story as one self-contained HTML page.

    Parameters
    ----------
    story : Story
        What an estimator's ``story()`` returns.
    path : path-like
        The file to write, in a folder that exists. An older file is replaced in one step, and
        stays as it was if anything goes wrong.

    Returns
    -------
    Path
        Where the page is.

    Raises
    ------
    InputError
        The story's arrays do not fit together, or the path is no place for a file.
    OSError
        The page could not be written (a full disk, say).

    Notes
    -----
    The page is smaller than two megabytes: long series are thinned to points that draw the same
    picture, and long tables are cut, which the page says.

    Examples
    --------
    >>> import tempfile
    >>> from cellstate.tasks.sections import Story, Text
    >>> story = Story("Prices", "One model.", (Text("Verdict", "The LSTM wins.", "good"),))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = write_page(story, f"{folder}/report.html").read_text(encoding="utf-8")
    >>> "The LSTM wins." in page, page.startswith("<!doctype html>")
    (True, True)
    """
    story = check_story("write_page", story)
    target = _target(path)
    artifact.write_file(target, render(story).encode("utf-8"))
    return target


def print_story(story: Story, console: Console | None = None) -> None:
    """Print a story: the same sections, drawn with characters.

    Parameters
    ----------
    story : Story
        What an estimator's ``story()`` returns.
    console : rich.console.Console, optional
        Where to print; standard output by default. Where its encoding is not Unicode, drawings
        are made of ASCII characters.

    Raises
    ------
    InputError
        The story's arrays do not fit together.

    Examples
    --------
    >>> from cellstate.tasks.sections import Story, Facts
    >>> print_story(Story("Prices", "", (Facts("Data", (("rows", "144"),)),)))
    <BLANKLINE>
    Prices
    <BLANKLINE>
    Data
      rows  144
    """
    text.print_story(check_story("print_story", story), console)


def _target(path: str | os.PathLike[str]) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise InputError(
            explain(
                "write_page",
                "path must name a file",
                type(path).__name__,
                "Pass something like 'report.html'",
            )
        )
    target = Path(path)
    if target.is_dir():
        raise InputError(
            explain(
                "write_page",
                "path must name a file",
                f"the folder {str(target)!r}",
                f"Pass {str(target / 'report.html')!r}",
            )
        )
    if not target.parent.is_dir():
        raise InputError(
            explain(
                "write_page",
                "the folder of path must exist",
                repr(str(target)),
                f"Make {str(target.parent)!r} first",
            )
        )
    return target
