"""`cellstate predict MODEL [DATA...] [--future FILE] [--out FILE]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cellstate.cli import reading, screen, tables
from cellstate.cli.commands import single
from cellstate.cli.models import Model, load, refuse_option

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
    target: reading.Target = None,
    json: screen.Json = False,
) -> None:
    tables.check_out(out)
    estimator = load(model)
    if reading.takes_arrays(estimator):
        refuse_option("--future", future, estimator.task)
        table: Any = _predict_rows(estimator, data, target)
    else:
        refuse_option("--target", target, estimator.task)
        frame = reading.read_frames(data) if data else None
        known = reading.read_frames([future]) if future else None
        table = estimator.predict(frame, future=known)
    tables.give(table, out, model, as_json=json)


def _predict_rows(estimator: Any, data: list[Path] | None, target: str | None) -> dict[str, Any]:
    X, _ = reading.read_arrays(reading.only(data), target, answers=False)
    table = {"prediction": list(screen.to_json(estimator.predict(X)))}
    if hasattr(estimator, "predict_proba"):
        shares = screen.to_json(estimator.predict_proba(X))
        for place, name in enumerate(estimator.classes_):
            table[f"p_{name}"] = [row[place] for row in shares]
    return table
