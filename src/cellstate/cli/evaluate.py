"""`cellstate evaluate MODEL [DATA...]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cellstate.cli import clinical, inputs, screen, tables
from cellstate.cli.commands import single
from cellstate.cli.models import Model, load

Data = Annotated[
    list[Path] | None,
    typer.Argument(metavar="DATA", help="Held-out data; the model's own where it kept some."),
]
Report = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Also write a page about these scores (.html).")
]


def build() -> Any:
    """Build the command."""
    return single(
        _run,
        "Score a saved model beside the simple baselines of its field.",
        "cellstate evaluate model/ held.csv",
    )


def _run(
    model: Model,
    data: Data = None,
    target: inputs.Target = None,
    text: inputs.Text = None,
    label: inputs.Label = None,
    separator: inputs.Separator = None,
    encoding: inputs.Encoding = None,
    outcomes: clinical.Outcomes = None,
    labels: clinical.Labels = None,
    report: Report = None,
    json: screen.Json = False,
) -> None:
    if report is not None:
        tables.check_report(report, model)
    estimator = load(model)
    form = inputs.form_of(estimator)
    words = {
        "target": target,
        "text": text,
        "label": label,
        "separator": separator,
        "encoding": encoding,
        "outcomes": outcomes,
        "labels": labels,
    }
    chosen = form.chosen(words, estimator.task)
    given = form.examples(data, **chosen) if data else ()  # then it scores what fit kept
    evaluation = estimator.evaluate(*given)
    document = evaluation.as_dict()
    if report is not None:
        from cellstate.inspector import write_page

        write_page(estimator.story(*given), report)
    if json:
        screen.print_json({"model": model, "job": estimator.task, "report": report, **document})
        return
    if "systems" in document:
        _show(document)
    else:
        screen.say(str(evaluation))
    if report is not None:
        screen.say(f"Report: {report}")


def _show(document: dict[str, Any]) -> None:
    """Print the scores of model and baselines, and of each class, then what they mean."""
    from cellstate.tasks.evaluation import MOST_CLASSES

    systems: dict[str, dict[str, float]] = document["systems"]
    metrics = list(next(iter(systems.values())))
    rows = [
        (name + " *" * (name == document.get("winner")), *(scores[metric] for metric in metrics))
        for name, scores in systems.items()
    ]
    screen.print_table(["", *metrics], rows)
    classes: dict[str, dict[str, float]] = document.get("by_class", {})
    if 0 < len(classes) <= MOST_CLASSES:
        columns = list(next(iter(classes.values())))
        lines = [(str(name), *values.values()) for name, values in classes.items()]
        screen.print_table(["class", *columns], lines)
    definitions = [f"{name}: {text}." for name, text in document.get("definitions", {}).items()]
    lead = [document.get("verdict", ""), document.get("protocol", "")]
    for line in (*lead, *document.get("notes", ()), *definitions):
        screen.say_wrapped(line)
