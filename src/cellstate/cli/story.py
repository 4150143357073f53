"""`cellstate inspect MODEL`: the report's terminal twin, or the page itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cellstate.cli import screen, tables
from cellstate.cli.commands import single
from cellstate.cli.models import Model, load

Report = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write the page instead (.html).")
]


def build() -> Any:
    """Build the command."""
    return single(
        _run,
        "Show what a saved model has learned and how it was fitted.",
        "cellstate inspect model/ --report report.html",
    )


def _run(model: Model, report: Report = None, json: screen.Json = False) -> None:
    from cellstate import artifact

    if report is not None:
        from cellstate.inspector import write_page

        tables.check_report(report, model)
        write_page(load(model).story(), report)
    if json:
        manifest, tensors = artifact.load(model)
        shapes = {name: {"dtype": t.dtype.name, "shape": t.shape} for name, t in tensors.items()}
        document = {"model": model, "report": report, **vars(manifest), "tensors": shapes}
        screen.print_json(document)
    elif report is not None:
        screen.say(f"Report: {report}")
    else:
        screen.print_story(load(model).story())
