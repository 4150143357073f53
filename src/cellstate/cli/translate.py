"""`cellstate translate MODEL [FILE] < in.txt`: line by line, in order, as text comes in."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from cellstate.cli import tables
from cellstate.cli.commands import single
from cellstate.cli.models import Model, load
from cellstate.errors import FrameError, InputError, explain

Lines = Annotated[
    Path | None,
    typer.Argument(metavar="FILE", help="Text, a sentence a line; standard input when left out."),
]
Beam = Annotated[
    int | None, typer.Option(metavar="N", help="Hypotheses that the search keeps; 1 is greedy.")
]
LengthPenalty = Annotated[
    float,
    typer.Option(
        metavar="ALPHA", help="More gives longer translations.  [default: 1]", show_default=False
    ),
]
CoveragePenalty = Annotated[
    float,
    typer.Option(metavar="BETA", help="More leaves less out.  [default: 0]", show_default=False),
]
Batch = Annotated[
    int | None,
    typer.Option(metavar="N", help="Lines translated together.  [default: 256; typed, 1]"),
]
Out = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write there, not to standard output.")
]
Encoding = Annotated[
    str, typer.Option(metavar="NAME", help="Of the input.  [default: utf-8]", show_default=False)
]
BATCH = 256


def build() -> Any:
    """Build the command."""
    return single(
        _run,
        "Translate text line by line; an empty line stays empty.",
        "cellstate translate model/ < in.txt > out.txt",
    )


def _run(
    model: Model,
    file: Lines = None,
    out: Out = None,
    beam: Beam = None,
    length_penalty: LengthPenalty = 1.0,
    coverage_penalty: CoveragePenalty = 0.0,
    batch: Batch = None,
    encoding: Encoding = "utf-8",
) -> None:
    if out is not None:
        tables.check_place(out, "--out")
    if batch is None:
        batch = 1 if file is None and sys.stdin.isatty() else BATCH
    if batch < 1:
        must = "the batch must be at least 1 line"
        raise InputError(explain("--batch", must, str(batch), "Give for example --batch 64"))
    translator = load(model)
    if translator.task != "translate":
        must = "the model must be of the job 'translate'"
        do = "Use cellstate predict, which takes models of all jobs"
        raise InputError(explain("cellstate translate", must, repr(translator.task), do))
    settings = {
        "beam": beam,
        "length_penalty": length_penalty,
        "coverage_penalty": coverage_penalty,
    }
    if out is None:
        for line in batchwise(translator, _lines(file, encoding), batch, settings):
            print(line, flush=True)  # noqa: T201  a pipe behind waits for it
        return
    said = list(batchwise(translator, _lines(file, encoding), batch, settings))
    tables.write_bytes(out, "".join(f"{line}\n" for line in said).encode())


def batchwise(
    translator: Any, lines: Iterable[str], batch: int, settings: dict[str, Any]
) -> Iterator[str]:
    """Translate a batch as soon as it is full, or the input ends."""
    waiting: list[str] = []
    for line in lines:
        waiting.append(line)
        if len(waiting) == batch:
            yield from translator.predict(waiting, **settings)
            waiting = []
    if waiting:
        yield from translator.predict(waiting, **settings)


def _lines(file: Path | None, encoding: str) -> Iterator[str]:
    if file is not None:
        from cellstate.data.text.files import iterate_lines

        for line in iterate_lines(file, encoding):
            yield line.rstrip("\r\n")
        return
    read = 0
    for number, raw in enumerate(sys.stdin.buffer, start=1):
        try:
            yield raw.decode(encoding).rstrip("\r\n")
        except (UnicodeDecodeError, LookupError) as problem:
            must = f"the input must be text in {encoding}"
            do = "Name its encoding with --encoding"
            given = f"{problem} in line {number:,}"
            if isinstance(problem, UnicodeDecodeError):
                at = problem.start
                given = f"the byte 0x{raw[at]:02x} at offset {read + at:,} (line {number:,})"
            raise FrameError(explain("standard input", must, given, do)) from None
        read += len(raw)
