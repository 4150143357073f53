"""`cellstate backtest MODEL DATA...`: its options come from the forecaster's method."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cellstate.cli import reading, screen, tables
from cellstate.cli.commands import single
from cellstate.cli.models import Model, load
from cellstate.cli.options import REQUIRED, arguments, options_of, own, with_options
from cellstate.errors import InputError, explain
from cellstate.tasks import estimator_class

Data = Annotated[list[Path], typer.Argument(metavar="DATA", help="Whole histories.")]


def build() -> Any:
    """Build the command."""
    forecaster: Any = estimator_class("forecast")
    options = options_of(forecaster.backtest, forecaster.backtest.__doc__, skip=["frame"])

    def run(model: Path, data: list[Path], out: Path | None, json: bool, **words: Any) -> None:
        tables.check_out(out)
        estimator = load(model)
        if not hasattr(estimator, "backtest"):
            must = "the model must be one that forecasts"
            do = "Use cellstate evaluate"
            raise InputError(explain("backtest", must, f"the job {estimator.task!r}", do))
        frame = reading.read_frames(data)
        table = estimator.backtest(frame, **arguments(options, words))
        tables.give(table, out, model, as_json=json)

    parameters = [
        own("model", Model, REQUIRED),
        own("data", Data, REQUIRED),
        own("out", tables.Out, None),
        own("json", screen.Json, False),
    ]
    return single(
        with_options(run, parameters, options),
        "Forecast the past, with models that have not seen it.",
        "cellstate backtest model/ prices.csv --windows 5 --out past.csv",
    )
