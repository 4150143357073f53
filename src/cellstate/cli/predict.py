"""`cellstate predict MODEL [DATA...] [--future FILE] [--out FILE]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cellstate.cli import clinical, inputs, screen, tables
from cellstate.cli.commands import single
from cellstate.cli.models import Model, load

Future = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Known-future covariates, for models that use them."),
]
Data = Annotated[
    list[Path] | None,
    typer.Argument(metavar="DATA", help="New data; a forecast can go on from the old."),
]


def build() -> Any:
    """Build the command."""
    return single(
        _run, "Predict with a saved model.", "cellstate predict model/ --out forecast.csv"
    )


def _run(
    model: Model,
    data: Data = None,
    future: Future = None,
    out: tables.Out = None,
    target: inputs.Target = None,
    text: inputs.Text = None,
    label: inputs.Label = None,
    separator: inputs.Separator = None,
    encoding: inputs.Encoding = None,
    outcomes: clinical.Outcomes = None,
    labels: clinical.Labels = None,
    json: screen.Json = False,
) -> None:
    tables.check_out(out)
    estimator = load(model)
    form = inputs.form_of(estimator)
    words = {
        "future": future,
        "target": target,
        "text": text,
        "label": label,
        "separator": separator,
        "encoding": encoding,
        "outcomes": outcomes,
        "labels": labels,
    }
    table = form.answers(estimator, data or [], **form.chosen(words, estimator.task))
    tables.give(table, out, model, as_json=json)
