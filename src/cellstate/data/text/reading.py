"""Text files as what the jobs learn from: documents, labelled texts, pairs, tagged sentences."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cellstate.data.text.files import UTF_8, bad, iterate_lines, read_lines, read_text
from cellstate.errors import FrameError, did_you_mean, quoted

Label = str | list[str]
TABLES = {".csv": ",", ".tsv": "\t"}
DOCUMENTS_START = "-DOCSTART-"


def read_documents(paths: Iterable[str | Path], encoding: str = UTF_8) -> list[str]:
    """Read files as one document each, and folders as the text files in them.

    Parameters
    ----------
    paths : iterable of path
        Files of any name, and folders, in which ``.txt`` and ``.txt.gz`` files are taken in the
        order of their names, those of inner folders too.

    Raises
    ------
    FrameError
        A file cannot be read, or a folder has no text files.
    """
    documents: list[str] = []
    for path in map(Path, paths):
        documents += [read_text(file, encoding) for file in text_files(path)]
    return documents


def text_files(path: Path) -> list[Path]:
    """List the text files of a folder; a file is its own only one.

    Raises
    ------
    FrameError
        The folder has none.
    """
    if not path.is_dir():
        return [path]
    files = sorted(f for f in path.rglob("*") if f.name.endswith((".txt", ".txt.gz")))
    if not files:
        raise bad(path, "a folder must hold .txt or .txt.gz files", "none", "Check the path")
    return files


def read_labelled(
    path: str | Path,
    *,
    text: str = "text",
    label: str = "label",
    separator: str | None = None,
    answers: bool = True,
    encoding: str = UTF_8,
) -> tuple[list[str], list[Label] | None]:
    """Read texts with their labels.

    Parameters
    ----------
    path : path
        A ``.csv``, ``.tsv`` or ``.jsonl`` file with columns; a folder with one folder of text
        files for each label; or any other text file, each line a label, white space and a text.
        Files may be compressed (``.gz``).
    text, label : str
        Names of the columns.
    separator : str, optional
        Parts the labels of a text that may have several, in a column; none gives an empty list. In
        ``.jsonl`` files such labels are lists.
    answers : bool
        Whether labels must be there. Where they need not, a text file holds a text on each line.

    Returns
    -------
    texts : list of str
    labels : list of str or of list of str, or None
        None where there are none.

    Raises
    ------
    FrameError
        The file cannot be read, lacks a column, or has a line without label or text.
    """
    file = Path(path)
    if file.is_dir():
        return _folder_of_labels(file, encoding)
    form = Path(file.name.removesuffix(".gz")).suffix.lower()
    if form in TABLES:
        return _table(file, TABLES[form], (text, label), separator, answers, encoding)
    if form in (".jsonl", ".ndjson"):
        return _json_lines(file, (text, label), answers, encoding)
    lines = [line for line in read_lines(file, encoding) if line.strip()]
    if not answers:
        return lines, None
    texts, labels = [], []
    for number, line in enumerate(lines, start=1):
        name, *rest = line.split(maxsplit=1)
        if not rest:
            must = "each line must hold a label, white space and a text"
            raise bad(file, must, f"{quoted(line)} in line {number:,}", "Complete or remove it")
        texts.append(rest[0].strip())
        labels.append(name)
    return texts, labels


def read_parallel(
    source: str | Path, target: str | Path, encoding: str = UTF_8
) -> tuple[list[str], list[str]]:
    """Read two files whose lines are translations of one another.

    Raises
    ------
    FrameError
        A file cannot be read, they have different numbers of lines, or a line is empty in one of
        them only.
    """
    first, second = read_lines(source, encoding), read_lines(target, encoding)
    must = f"must have a line for each of the {len(first):,} lines of {source}"
    do = "Align the files: line by line, one must translate the other"
    for number, (a, b) in enumerate(zip(first, second, strict=False), start=1):
        if bool(a.strip()) != bool(b.strip()):
            empty, full = (source, b) if b.strip() else (target, a)
            given = f"an empty line {number:,} in {empty} beside {quoted(full)}"
            raise bad(Path(target), must, given, do)
    if len(first) != len(second):
        place = min(len(first), len(second))
        longer, extra = (source, first) if len(first) > len(second) else (target, second)
        given = f"{len(second):,}: line {place + 1:,}, {quoted(extra[place])}, is in {longer} alone"
        raise bad(Path(target), must, given, do)
    return first, second


def read_conll(
    path: str | Path, *, tagged: bool = True, encoding: str = UTF_8
) -> tuple[list[list[str]], list[list[str]]]:
    """Read sentences with a word on each line, its columns parted by tabs or spaces.

    The first column is the word, the last one the tag; an empty line ends a sentence. Lines that
    start with ``-DOCSTART-`` are left out.

    Parameters
    ----------
    tagged : bool
        Whether a tag must be there. Where it need not, the tags are empty lists if any is missing.

    Returns
    -------
    words, tags : list of list of str

    Raises
    ------
    FrameError
        The file cannot be read, holds no sentence, or a line has no tag.
    """
    file = Path(path)
    words: list[list[str]] = [[]]
    tags: list[list[str]] = [[]]
    bare = False
    for number, line in enumerate(iterate_lines(file, encoding), start=1):
        if not line.strip() or line.startswith(DOCUMENTS_START):
            if words[-1]:
                words.append([])
                tags.append([])
            continue
        cells = [cell.strip() for cell in line.split("\t")] if "\t" in line else line.split()
        if len(cells) < 2 or not cells[0] or not cells[-1]:
            if tagged:
                must = "each line must hold a word and, in its last column, a tag"
                given = f"{line.strip()!r:.60} in line {number:,}"
                raise bad(file, must, given, "Complete it, or part sentences by empty lines")
            bare = True
        words[-1].append(cells[0])
        tags[-1].append(cells[-1])
    if not words[-1]:
        words.pop()
        tags.pop()
    if not words:
        raise bad(file, "must hold sentences", "none", "Check how it was written")
    return words, [[] for _ in words] if bare else tags


def _folder_of_labels(folder: Path, encoding: str) -> tuple[list[str], list[Label] | None]:
    inner = sorted(path for path in folder.iterdir() if path.is_dir())
    if not inner:
        must = "a folder must hold a folder of text files for each label"
        raise bad(folder, must, "no folders", "Arrange the files so, or give a file of columns")
    texts: list[str] = []
    labels: list[Label] = []
    for path in inner:
        texts += read_documents([path], encoding)
        labels += [path.name] * (len(texts) - len(labels))
    return texts, labels


def _table(
    file: Path,
    delimiter: str,
    columns: tuple[str, str],
    separator: str | None,
    answers: bool,
    encoding: str,
) -> tuple[list[str], list[Label] | None]:
    csv.field_size_limit(2**31 - 1)  # a document may be a cell
    rows = csv.reader(io.StringIO(read_text(file, encoding)), delimiter=delimiter, strict=True)
    try:
        header = next(rows)
        text_at, label_at = _places(file, header, columns, answers)
        texts: list[str] = []
        labels: list[Label] = []
        for row in rows:
            if not row:
                continue
            if len(row) != len(header):
                must = f"each row must have the {len(header)} cells of the header"
                given = f"{len(row)} in the row that ends in line {rows.line_num:,}"
                raise bad(file, must, given, "Put quotes around cells that hold the delimiter")
            texts.append(row[text_at])
            if label_at is None:
                continue
            cell = row[label_at].strip()
            labels.append(cell if separator is None else _parted(cell, separator))
            if answers and not cell and separator is None:
                must, given = f"column {columns[1]!r} must hold a label", f"line {rows.line_num:,}"
                raise bad(file, must, f"an empty cell in {given}", "Complete or remove the row")
    except csv.Error as problem:
        given = f"{problem} in line {rows.line_num:,}"
        raise bad(file, "must be a readable table", given, "Check its quotes") from None
    if not texts:
        raise bad(file, "must hold rows below its header", "none", "Check how it was written")
    return texts, None if label_at is None else labels


def _parted(cell: str, separator: str) -> list[str]:
    return [part.strip() for part in cell.split(separator) if part.strip()]


def _places(
    file: Path, header: list[str], columns: tuple[str, str], answers: bool
) -> tuple[int, int | None]:
    text, label = columns
    if text not in header:
        raise _no_column(file, text, "--text", header)
    if label not in header and answers:
        raise _no_column(file, label, "--label", header)
    return header.index(text), header.index(label) if label in header else None


def _no_column(file: Path, name: str, flag: str, columns: Iterable[str]) -> FrameError:
    do = f"Name it with {flag}. {did_you_mean(name, columns)}"
    return bad(file, f"must have a column {name!r}", ", ".join(map(repr, columns)), do)


def _json_lines(
    file: Path, columns: tuple[str, str], answers: bool, encoding: str
) -> tuple[list[str], list[Label] | None]:
    texts: list[str] = []
    labels: list[Label] = []
    for number, line in enumerate(iterate_lines(file, encoding), start=1):
        if not line.strip():
            continue
        row = _json_object(file, line, number)
        if not isinstance(row.get(columns[0]), str):
            if columns[0] not in row:
                raise _no_column(file, columns[0], "--text", row)
            given = f"{row[columns[0]]!r:.60} in line {number:,}"
            raise bad(file, f"{columns[0]!r} must be a text", given, "Complete or remove the line")
        texts.append(row[columns[0]])
        if columns[1] in row:
            labels.append(_json_label(file, row[columns[1]], number))
        elif answers:
            raise _no_column(file, columns[1], "--label", row)
    if not texts:
        raise bad(file, "must hold lines", "none", "Check how it was written")
    return texts, labels if len(labels) == len(texts) else None


def _json_object(file: Path, line: str, number: int) -> dict[str, Any]:
    must = "each line must be a JSON object"
    try:
        row = json.loads(line)
    except ValueError as problem:
        given = f"{problem} in line {number:,}"
        raise bad(file, must, given, "Complete or remove the line") from None
    if not isinstance(row, dict):
        given = f"{line.strip()!r:.60} in line {number:,}"
        raise bad(file, must, given, 'Write for example {"text": "…", "label": "…"}')
    return row


def _json_label(file: Path, label: Any, number: int) -> Label:
    if isinstance(label, list):
        return [str(part) for part in label]
    if label is None or isinstance(label, dict):
        must = "a label must be a word or a number, or a list of them"
        raise bad(file, must, f"{label!r:.60} in line {number:,}", "Complete or remove the line")
    return str(label)
