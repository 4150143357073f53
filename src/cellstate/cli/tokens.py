"""`cellstate data tokens FILE... --out CORPUS`: a corpus of tokens for texts of any size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from cellstate.cli import inputs, screen, values

SUMMARY = "Cut text files of any size into tokens, for fit to read from disk."
EXAMPLE = " book.txt --kind bpe --out corpus/"

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE", help="Text files; each line is a text.")
]
Out = Annotated[Path, typer.Option(metavar="FOLDER", help="Where the corpus goes: a new folder.")]
Kind = Annotated[
    str,
    typer.Option(
        metavar="char|byte|word|whitespace|bpe|unigram",
        help="What a token is.  [default: bpe]",
        show_default=False,
    ),
]
Size = Annotated[
    str | None, typer.Option(metavar="N", help="Most tokens of the vocabulary; 8,000 for pieces.")
]


def run(
    files: Files,
    out: Out,
    kind: Kind = "bpe",
    size: Size = None,
    encoding: inputs.Encoding = None,
    json: screen.Json = False,
) -> None:
    """Learn the tokens in one pass over the files, and write them in another."""
    from cellstate.data.text.corpus import TokenFile
    from cellstate.data.text.tokenizer import Tokenizer

    most: Any = None if size is None else values.parse(size, int, "--size")
    TokenFile.check_target(out)
    tokenizer = Tokenizer.train(_lines(files, encoding), kind=kind, size=most)
    corpus = TokenFile.write(out, _lines(files, encoding), tokenizer)
    if json:
        document = {"corpus": out, "tokens": len(corpus), "vocabulary": tokenizer.size}
        screen.print_json(document)
    else:
        screen.say(f"{len(corpus):,} tokens, {tokenizer.size:,} different: {out}")


def _lines(files: list[Path], encoding: str | None) -> Iterator[str]:
    """Read the lines that hold something, one after the other."""
    from cellstate.data.text.files import UTF_8, iterate_lines

    for file in files:
        for line in iterate_lines(file, encoding or UTF_8):
            if line.strip():
                yield line.removesuffix("\n")
