"""The commands, by name; each lives in a module of its own that loads when it runs."""

from __future__ import annotations

import functools
import importlib
from typing import Annotated, Any

import typer

from cellstate.cli.commands import Entry, lazy_group, plain_app

_COMMANDS = {
    "fit": ("fit", "Fit a model for a job to data, and save it."),
    "predict": ("predict", "Predict with a saved model."),
    "evaluate": ("evaluate", "Score a saved model beside the simple baselines of its field."),
    "generate": ("generate", "Write new text with a saved language model."),
    "backtest": ("backtest", "Forecast the past, with models that have not seen it."),
    "translate": ("translate", "Translate text line by line with a saved model."),
    "inspect": ("story", "Show what a saved model has learned and how it was fitted."),
    "serve": ("serve", "Keep a memory of each entity, and answer its events over HTTP."),
    "keys": ("keys", "Make, list and revoke the keys of a server."),
    "export": ("export", "Write a saved model's network as ONNX."),
    "data": ("catalogue", "List and fetch public data sets; prepare large corpora."),
    "doctor": ("doctor", "Show what this machine offers."),
}


def _build(module: str) -> Any:
    return importlib.import_module(f"cellstate.cli.{module}").build()


_entries = {
    name: Entry(lambda text=text: text, functools.partial(_build, module))
    for name, (module, text) in _COMMANDS.items()
}

app = plain_app(cls=lazy_group(_entries, "command"))


def _show_version(asked: bool) -> None:
    if asked:
        import cellstate

        typer.echo(f"cellstate {cellstate.__version__}")
        raise typer.Exit


@app.callback(epilog="Example: cellstate fit forecast prices.csv --horizon 24 --out model/")
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version)
    ] = False,
) -> None:
    """LSTM networks end to end, for people who have sequences."""
