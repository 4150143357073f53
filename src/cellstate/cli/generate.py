"""`cellstate generate MODEL --prompt TEXT`: new text, shown as it is written."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cellstate.cli import screen
from cellstate.cli.commands import single
from cellstate.cli.models import Model, load
from cellstate.cli.options import REQUIRED, arguments, options_of, own, with_options

if TYPE_CHECKING:
    from cellstate.tasks.text.language.generate import Generation

Prompt = Annotated[
    str | None,
    typer.Option("--prompt", metavar="TEXT", help="What to write on from; \\n is a line break."),
]
PromptFile = Annotated[
    Path | None,
    typer.Option("--prompt-file", metavar="FILE", help="Read the prompt from a file; - is stdin."),
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Of the draws.")]
Stop = Annotated[
    list[str] | None,
    typer.Option("--stop", metavar="TEXT", help="End before this text; may be given again."),
]
State = Annotated[
    Path | None, typer.Option("--state", metavar="FILE", help="Go on from a state that was saved.")
]
SaveState = Annotated[
    Path | None,
    typer.Option("--save-state", metavar="FILE", help="Save where it stopped (.safetensors)."),
]
Unknown = Annotated[
    str,
    typer.Option(
        "--unknown",
        metavar="error|replace",
        help="What to do with unknown pieces of the prompt.",
    ),
]


def build() -> Any:
    """Build the command."""
    from cellstate.tasks.text.language.sampling import Sampling

    options = options_of(Sampling, inspect.getdoc(Sampling), "Sampling", skip=("stop",))
    parameters = [
        own("model", Model, REQUIRED),
        own("prompt", Prompt, None),
        own("prompt_file", PromptFile, None),
        own("stop", Stop, None),
        own("seed", Seed, 0),
        own("state", State, None),
        own("save_state", SaveState, None),
        own("unknown", Unknown, "error"),
        own("json", screen.Json, False),
    ]

    def run(
        model: Path,
        prompt: str | None,
        prompt_file: Path | None,
        stop: list[str] | None,
        seed: int,
        state: Path | None,
        save_state: Path | None,
        unknown: str,
        json: bool,
        **words: Any,
    ) -> None:
        sampling = Sampling(stop=_read_stops(stop), **arguments(options, words))
        text = _prompt(prompt, prompt_file)
        estimator = _language_model(model)
        if save_state is not None:
            from cellstate.cli import tables

            tables.check_place(save_state, "--save-state")
        before = _state(state)
        writing = estimator.stream(text, sampling, seed=seed, state=before, unknown=unknown)
        if json:
            writing.finish()
        else:
            _show(text, writing)
        if save_state is not None:
            writing.state.save(save_state)
        if json:
            document = {
                "model": model,
                "prompt": text,
                "text": writing.text,
                "tokens": len(writing.tokens),
                "log_probability": writing.log_probability,
                "ended": writing.ended,
                "state": save_state,
            }
            screen.print_json(document)

    help_text = "Write new text with a saved language model."
    example = "cellstate generate model/ --prompt 'ROMEO:' --temperature 0.8 --tokens 300"
    return single(with_options(run, parameters, options), help_text, example)


def _show(prompt: str, writing: Generation) -> None:
    """Print each piece as soon as it is certain."""
    sys.stdout.write(prompt)
    sys.stdout.flush()
    last = prompt
    for piece in writing:
        sys.stdout.write(piece)
        sys.stdout.flush()
        last = piece
    if not last.endswith("\n"):
        sys.stdout.write("\n")


def _prompt(prompt: str | None, file: Path | None) -> str:
    from cellstate.errors import InputError, explain

    if prompt is not None and file is not None:
        must = "a prompt must be given once"
        raise InputError(explain("generate", must, "--prompt and --prompt-file", "Keep one"))
    if prompt is not None:
        return prompt.replace("\\n", "\n")
    if file is None:
        return ""
    if str(file) == "-":
        return sys.stdin.read()
    from cellstate.data.text.files import read_text

    return read_text(file)


def _read_stops(stops: list[str] | None) -> tuple[str, ...]:
    return tuple(stop.replace("\\n", "\n") for stop in stops or ())


def _language_model(folder: Path) -> Any:
    """Load the model, which must write text."""
    from cellstate.errors import InputError, explain

    estimator = load(folder)
    if not hasattr(estimator, "stream"):
        must = "the model must be of the job 'language'"
        do = "Use cellstate predict, or fit one with cellstate fit language"
        raise InputError(explain("generate", must, repr(estimator.task), do))
    return estimator


def _state(file: Path | None) -> Any:
    if file is None:
        return None
    from cellstate.tasks.text.language.continuation import Continuation

    return Continuation.load(file)
