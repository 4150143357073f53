"""`cellstate export MODEL OUT.onnx`: a saved model's network, for other runtimes."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import Annotated, Any

import typer

from cellstate.cli import screen, tables
from cellstate.cli.commands import single
from cellstate.cli.models import Model
from cellstate.errors import FrameError, InputError, did_you_mean, explain

FORMS = ("onnx",)

Out = Annotated[Path, typer.Argument(metavar="OUT", help="The file to write (.onnx).")]
To = Annotated[str, typer.Option("--to", metavar="FORM", help="The form to write: onnx.")]
Step = Annotated[
    bool, typer.Option("--step", help="Take one step at a time instead of whole sequences.")
]


def build() -> Any:
    """Build the command."""
    return single(
        _run,
        "Write a saved model's network as ONNX.",
        "cellstate export model/ model.onnx --to onnx --step",
    )


def _run(
    model: Model, out: Out, to: To = "onnx", step: Step = False, json: screen.Json = False
) -> None:
    if to not in FORMS:
        must = "--to must be " + " or ".join(map(repr, FORMS))
        raise InputError(explain("export", must, repr(to), did_you_mean(to, FORMS)))
    if out.suffix.lower() != ".onnx":
        must = "the file must end in .onnx"
        raise FrameError(explain("export", must, str(out), "Rename it"))
    tables.check_place(out, "export")
    from cellstate import __version__, artifact
    from cellstate.runtime.onnx_export import chain_to_onnx
    from cellstate.tasks.streamable import chain_of

    manifest, tensors = artifact.load(model)
    layers, own = chain_of(manifest, tensors)
    metadata = {
        "task": manifest.task,
        "format_version": str(artifact.FORMAT),
        "written_by": f"cellstate {__version__}",
        "arguments": json_text.dumps(manifest.arguments),
        "encoders": json_text.dumps(manifest.encoders),
        "decoding": json_text.dumps(manifest.decoding),
    }
    exported = chain_to_onnx(layers, own, single_step=step, metadata=metadata)
    try:
        artifact.write_file(out, exported.SerializeToString())
    except OSError as problem:
        must, given = "the file must be writable", problem.strerror or str(problem)
        do = "Free some space or choose another place"
        raise FrameError(explain(str(out), must, given, do)) from problem
    inputs, outputs = (
        {value.name: _axes(value) for value in values}
        for values in (exported.graph.input, exported.graph.output)
    )
    if json:
        facts = {"model": model, "out": out, "form": "step" if step else "sequence"}
        screen.print_json({**facts, "inputs": inputs, "outputs": outputs})
        return
    screen.say(f"Written to {out}; ONNX Runtime gives the model's numbers.")
    rows = [("in", name, axes) for name, axes in inputs.items()]
    rows += [("out", name, axes) for name, axes in outputs.items()]
    shown = [(way, name, " × ".join(map(str, axes))) for way, name, axes in rows]
    screen.print_table(["", "name", "axes"], shown)


def _axes(value: Any) -> list[int | str]:
    dimensions = value.type.tensor_type.shape.dim
    return [one.dim_param or one.dim_value for one in dimensions]
