"""The bytes of a text file as text; what is not text is named by its place."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from cellstate.errors import FrameError, InputError, did_you_mean, explain

UTF_8 = "utf-8"
_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_COMMON = (UTF_8, "latin-1", "cp1252", "utf-16")


def read_text(path: str | Path, encoding: str = UTF_8) -> str:
    """Read a text file, also one compressed by gzip (``.gz``).

    A byte-order mark is dropped, and every line ends in a line feed alone.

    Raises
    ------
    FrameError
        There is no such file, it is empty or damaged, or its bytes are no text in this encoding;
        the message names the first such byte.
    InputError
        There is no such encoding.
    """
    file = Path(path)
    raw = _read(file)
    codec = _codec(encoding)
    try:
        text = codec.decode(raw)[0]
    except UnicodeDecodeError as problem:
        raise _not_text(file, raw, problem, encoding) from None
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise bad(file, "must hold text", "an empty file", "Check how it was written")
    return text


def read_lines(path: str | Path, encoding: str = UTF_8) -> list[str]:
    """Read the lines of a text file, without their ends; empty lines stay.

    Raises
    ------
    FrameError, InputError
        As for `read_text`.
    """
    return read_text(path, encoding).removesuffix("\n").split("\n")


def iterate_lines(path: str | Path, encoding: str = UTF_8) -> Iterator[str]:
    """Read a text file line by line, with their ends, whatever its size.

    Raises
    ------
    FrameError, InputError
        As for `read_text`.
    """
    file = Path(path)
    _require_file(file)
    decoder = _codec(encoding).incrementaldecoder()
    before, rest = 0, ""
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as source:
            while chunk := source.read(1 << 20):
                waiting = decoder.getstate()[0]
                try:
                    rest += decoder.decode(chunk)
                except UnicodeDecodeError as problem:
                    place = before - len(waiting)
                    raise _not_text(file, waiting + chunk, problem, encoding, place) from None
                rest = rest.removeprefix("\ufeff") if not before else rest
                before += len(chunk)
                *lines, rest = rest.split("\n")
                yield from (line.removesuffix("\r") + "\n" for line in lines)
    except (OSError, EOFError, zlib.error) as damage:
        raise bad(file, "must be readable", str(damage), "Check that it is whole") from damage
    if decoder.getstate()[0]:
        given = f"a file that ends within a character, at byte {before:,}"
        raise bad(file, f"must be text in {encoding}", given, "Check that it is whole")
    if rest:
        yield rest


def bad(file: Path, must: str, given: str, do: str) -> FrameError:
    """Compose an error about a file."""
    return FrameError(explain(str(file), must, given, do))


def _read(file: Path) -> bytes:
    _require_file(file)
    try:
        raw = file.read_bytes()
        return gzip.decompress(raw) if file.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as damage:
        raise bad(file, "must be readable", str(damage), "Check that it is whole") from damage


def _require_file(file: Path) -> None:
    if not file.is_file():
        given = "a folder" if file.is_dir() else "no file there"
        raise bad(file, "must be a file", given, "Check the path")


def _codec(encoding: str) -> codecs.CodecInfo:
    try:
        codec = codecs.lookup(encoding)
    except LookupError:
        codec = None
    if codec is None or not codec._is_text_encoding:
        must = "the encoding must be one that Python knows"
        do = did_you_mean(encoding, _COMMON)
        raise InputError(explain("--encoding", must, repr(encoding), do))
    return codec


def _not_text(
    file: Path, raw: bytes, problem: UnicodeDecodeError, encoding: str, before: int = 0
) -> FrameError:
    """Name the byte; `before` bytes of the file came before `raw`."""
    marked = _MARKS.get(raw[:2]) if not before else None
    other = marked or ("latin-1" if encoding == UTF_8 else UTF_8)
    given = f"the byte 0x{raw[problem.start]:02x} at offset {before + problem.start:,}"
    if not before:
        line = raw.count(b"\n", 0, problem.start) + 1
        given += f" (line {line:,})"
    do = f"Name its encoding, --encoding {other} say, or repair the file"
    return bad(file, f"must be text in {encoding}", given, do)
