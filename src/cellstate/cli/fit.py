"""`cellstate fit JOB DATA... --out MODEL`: one command a job, its options from the estimator."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from cellstate.cli import docstrings, inputs, screen, tables
from cellstate.cli.commands import Entry, group, single
from cellstate.cli.options import REQUIRED, Option, arguments, options_of, own, with_options
from cellstate.tasks import TASKS, estimator_class

Out = Annotated[
    Path,
    typer.Option(metavar="FOLDER", help="Where the model goes; an older model is replaced."),
]
Report = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Also write a page about the fit (.html).")
]


def build() -> Any:
    """Build the group of jobs."""
    entries = {
        task: Entry(functools.partial(_summary, task), functools.partial(_build_job, task))
        for task in TASKS
    }
    return group(entries, "job", "Fit a model for a job to data, and save it.")


def estimator_options(estimator: Any) -> tuple[Option, ...]:
    """Describe the arguments of an estimator."""
    init = estimator.__init__
    return options_of(init, inspect.getdoc(estimator), estimator.__name__)


def fit_options(estimator: Any) -> tuple[Option, ...]:
    """Describe what `fit` takes besides the data: its keyword-only parameters, data left out."""
    parameters = inspect.signature(estimator.fit).parameters.values()
    data = [
        p.name
        for p in parameters
        if p.kind is not p.KEYWORD_ONLY or "Sequence" in str(p.annotation)
    ]
    return options_of(estimator.fit, inspect.getdoc(estimator.fit), skip=data)


def _build_job(task: str) -> Any:
    estimator: Any = estimator_class(task)
    options, settings = estimator_options(estimator), fit_options(estimator)
    form = inputs.form_of(estimator)
    data_type = Annotated[list[Path], typer.Argument(metavar="DATA", help=form.files)]
    parameters = [
        own("data", data_type, REQUIRED),
        own("out", Out, REQUIRED),
        own("report", Report, None),
        own("json", screen.Json, False),
        *(own(name, inputs.OPTIONS[name], None) for name in form.told),
    ]

    def run(data: list[Path], out: Path, report: Path | None, json: bool, **words: Any) -> None:
        _check_outputs(out, report)
        chosen = form.chosen({name: words.pop(name) for name in form.told}, task)
        model = estimator(**arguments(options, words))
        given = form.examples(data, **chosen)
        started = time.perf_counter()
        model.fit(*given, **arguments(settings, words))
        seconds = time.perf_counter() - started
        model.save(out)
        _tell(model, out, report, seconds, json)

    needed = "".join(f" {o.flag} 24" for o in options if o.default is REQUIRED)
    example = f"cellstate fit {task} {form.example}{needed} --out model/"
    return single(with_options(run, parameters, settings + options), _summary(task), example)


def _summary(task: str) -> str:
    return docstrings.summary(docstrings.of_class(TASKS[task]))


def _check_outputs(out: Path, report: Path | None) -> None:
    """Refuse before the training what could not be written after it."""
    from cellstate import artifact

    artifact.check_target(out)
    if report is not None:
        tables.check_report(report, out)


def _tell(model: Any, out: Path, report: Path | None, seconds: float, as_json: bool) -> None:
    from cellstate.tasks.sections import Table, Text

    story = model.story()
    if report is not None:
        from cellstate.inspector import write_page

        write_page(story, report)
    if as_json:
        from cellstate import artifact

        document = {
            "job": model.task,
            "model": out,
            "report": report,
            "seconds": seconds,
            "summary": story.summary,
            "findings": [vars(section) for section in story.sections if isinstance(section, Text)],
            "record": artifact.load(out)[0].record,
        }
        screen.print_json(document)
        return
    told = tuple(part for part in story.sections if isinstance(part, Text | Table))
    screen.print_story(dataclasses.replace(story, sections=told))
    screen.say(f"Model: {out} (fitted in {seconds:.1f} s)")
    if report is not None:
        screen.say(f"Report: {report}")
