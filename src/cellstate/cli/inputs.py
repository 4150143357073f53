"""How the files of a command line become what an estimator's methods take, by its `reads`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from cellstate.cli import clinical, reading, screen
from cellstate.errors import InputError, explain

Target = reading.Target
Text = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="The column of texts.  [default: text]")
]
Label = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="The column of labels.  [default: label]")
]
Separator = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="What parts the labels of a text that has several."),
]
Encoding = Annotated[
    str | None, typer.Option(metavar="NAME", help="The files' encoding.  [default: utf-8]")
]

OPTIONS: dict[str, Any] = {
    "target": Target,
    "text": Text,
    "label": Label,
    "separator": Separator,
    "encoding": Encoding,
    "outcomes": clinical.Outcomes,
    "labels": clinical.Labels,
}
"""Every option about files, by name; which of them a job has, its form says."""


@dataclass(frozen=True)
class Form:
    """What the files of a job hold.

    Attributes
    ----------
    files : str
        What to name as DATA.
    example : str
    options : tuple of str
        Names in `OPTIONS`, and those that `answers` alone takes.
    examples : callable
        (paths, options by name) -> the arguments of `fit` and `evaluate`.
    answers : callable
        (estimator, paths, options by name) -> the answers to what is asked, a table.
    """

    files: str
    example: str
    options: tuple[str, ...]
    examples: Callable[..., tuple[Any, ...]]
    answers: Callable[..., Any]

    @property
    def told(self) -> tuple[str, ...]:
        """The options that `examples` takes."""
        return tuple(name for name in self.options if name in OPTIONS)

    def chosen(self, words: Mapping[str, Any], task: str) -> dict[str, Any]:
        """Keep the options that were given.

        Raises
        ------
        InputError
            One of them has no meaning for this form.
        """
        given = {name: word for name, word in words.items() if word is not None}
        for name, word in given.items():
            if name not in self.options:
                must = f"a model of the job {task!r} takes no --{name}"
                raise InputError(explain("cellstate", must, f"--{name} {word}", "Leave it out"))
        return given


def form_of(estimator: Any) -> Form:
    """Give the form of files that an estimator reads."""
    return FORMS[estimator.reads]


def _frame(paths: list[Path]) -> tuple[Any, ...]:
    return (reading.read_frames(paths),) if paths else ()


def _forecasts(estimator: Any, paths: list[Path], future: Path | None = None) -> Any:
    frame = reading.read_frames(paths) if paths else None
    return estimator.predict(frame, future=reading.read_frames([future]) if future else None)


def _rows(paths: list[Path], target: str | None = None) -> tuple[Any, ...]:
    return reading.read_arrays(only(paths), target, answers=True)


def _answers_to_rows(
    estimator: Any, paths: list[Path], target: str | None = None
) -> dict[str, Any]:
    X, _ = reading.read_arrays(only(paths), target, answers=False)
    return {"prediction": list(screen.to_json(estimator.predict(X))), **_shares(estimator, X)}


def _shares(estimator: Any, X: Any) -> dict[str, Any]:
    if not hasattr(estimator, "predict_proba"):
        return {}
    shares = screen.to_json(estimator.predict_proba(X))
    return {
        f"p_{name}": [row[place] for row in shares] for place, name in enumerate(estimator.classes_)
    }


def _documents(paths: list[Path], encoding: str = "utf-8") -> tuple[Any, ...]:
    from cellstate.data.text.corpus import TokenFile
    from cellstate.data.text.reading import read_documents

    if len(paths) == 1 and TokenFile.is_one(paths[0]):
        return (TokenFile(paths[0]),)
    documents = read_documents(paths, encoding)
    if len(paths) == 1 and not paths[0].is_dir():
        return (documents[0],)  # a running text, of which nothing marks the end
    return (documents,) if paths else ()


def _continued(estimator: Any, paths: list[Path], encoding: str = "utf-8") -> dict[str, Any]:
    prompts = [line for line in _lines(only(paths), encoding) if line]
    return {"text": prompts, "prediction": estimator.predict(prompts)}


def _labelled(paths: list[Path], **options: Any) -> tuple[Any, ...]:
    from cellstate.data.text.reading import read_labelled

    return read_labelled(only(paths), **options)


def _answers_to_texts(estimator: Any, paths: list[Path], **options: Any) -> dict[str, Any]:
    from cellstate.data.text.reading import read_labelled

    separator = options.get("separator") or "|"
    texts, labels = read_labelled(only(paths), answers=False, **options)
    if labels is None:
        texts = _without_labels(texts, {str(name) for name in estimator.classes_})
    told = [
        separator.join(map(str, label)) if isinstance(label, list | tuple) else label
        for label in screen.to_json(estimator.predict(texts))
    ]
    return {"text": texts, "prediction": told, **_shares(estimator, texts)}


def _without_labels(texts: list[str], classes: set[str]) -> list[str]:
    """Drop the labels of lines that all begin with one, of at least two classes: a test file's."""
    parts = [text.split(maxsplit=1) for text in texts]
    firsts = {part[0] for part in parts if part}
    if not (len(firsts) > 1 and firsts <= classes and all(len(part) == 2 for part in parts)):
        return texts
    return [rest.strip() for _, rest in parts]


def _tagged(paths: list[Path], encoding: str = "utf-8") -> tuple[Any, ...]:
    from cellstate.data.text.reading import read_conll

    read = [read_conll(path, encoding=encoding) for path in paths]
    return tuple([row for file in read for row in file[place]] for place in (0, 1))


def _tags(estimator: Any, paths: list[Path], encoding: str = "utf-8") -> dict[str, Any]:
    from cellstate.data.text.reading import read_conll

    sentences, _ = read_conll(only(paths), tagged=False, encoding=encoding)
    tags = estimator.predict(sentences)
    return {
        "sentence": [k for k, words in enumerate(sentences, start=1) for _ in words],
        "word": [word for words in sentences for word in words],
        "tag": [str(tag) for row in tags for tag in row],
    }


def _pairs(paths: list[Path], encoding: str = "utf-8") -> tuple[Any, ...]:
    from cellstate.data.text.reading import read_parallel

    if len(paths) != 2:
        must = (
            "two files are read together: one in the language to translate from, one in the other"
        )
        given = f"{len(paths)} file{'' if len(paths) == 1 else 's'}"
        raise InputError(explain("cellstate", must, given, "Name both, for example a.de a.en"))
    return read_parallel(paths[0], paths[1], encoding)


def _translations(estimator: Any, paths: list[Path], encoding: str = "utf-8") -> dict[str, Any]:
    lines = _lines(only(paths), encoding)
    return {"text": lines, "prediction": estimator.predict(lines)}


def _stays(paths: list[Path], outcomes: Path | None = None) -> tuple[Any, ...]:
    if outcomes is None:
        must, do = "outcomes must be given", "Name their table with --outcomes"
        raise InputError(explain("cellstate", must, "none", do))
    return clinical.read_stays(paths), clinical.read_outcomes(outcomes)


def _risks(estimator: Any, paths: list[Path], outcomes: Path | None = None) -> dict[str, Any]:
    events = clinical.read_stays(paths)
    asked = None if outcomes is None else clinical.read_outcomes(outcomes)
    return estimator.table(events, asked)


def _watched(paths: list[Path], labels: Path | None = None) -> tuple[Any, ...]:
    return clinical.read_labelled(paths, labels)


def _alarms(estimator: Any, paths: list[Path], labels: Path | None = None) -> dict[str, Any]:
    given = clinical.read_labelled(paths, labels)
    # Where surprises are watched for, labels that the files hold are of no use.
    given = given if estimator.target is not None or labels is not None else given[:1]
    return screen.to_json(estimator.predict(*given))


def _lines(path: Path, encoding: str) -> list[str]:
    from cellstate.data.text.files import read_lines

    return read_lines(path, encoding)


def _visits(paths: list[Path]) -> tuple[Any, ...]:
    from cellstate.data.health.mimic import read_mimic
    from cellstate.data.health.visit_frames import read_visits

    path = only(paths)
    if path.is_dir():
        return (read_mimic(path, events=("labs",)).visits,)
    return (read_visits(reading.read_frames([path]), where=str(path)),)


def _foretold(estimator: Any, paths: list[Path]) -> dict[str, Any]:
    (visits,) = _visits(paths)
    subjects = visits.subjects.tolist()
    if estimator.target == "labs":
        names = estimator.codes_.tolist()
        told = estimator.predict_intervals(visits).reshape(-1, 3).T.tolist()
        return {
            "subject_id": [who for who in subjects for _ in names],
            "variable": names * len(subjects),
            **dict(zip(("low", "median", "high"), told, strict=True)),
        }
    if estimator.target != "next":
        return {"subject_id": subjects, "risk": estimator.predict_proba(visits).tolist()}
    answers = estimator.predict(visits)
    return {
        "subject_id": [who for who, row in zip(subjects, answers, strict=True) for _ in row],
        "code": [code for row in answers for code, _ in row],
        "probability": [share for row in answers for _, share in row],
    }


def only(paths: list[Path] | None) -> Path:
    """Return the one file that a command reads.

    Raises
    ------
    InputError
        There is none, or several.
    """
    if not paths or len(paths) > 1:
        given = f"{len(paths)} files" if paths else "none"
        raise InputError(explain("cellstate", "one file must be named", given, "Name one alone"))
    return paths[0]


FORMS = {
    "frame": Form(
        "One file, or several of the same columns.", "prices.csv", ("future",), _frame, _forecasts
    ),
    "arrays": Form(
        "A CSV file of rows, or an .npz file with X and y.",
        "rows.csv",
        ("target",),
        _rows,
        _answers_to_rows,
    ),
    "text": Form(
        "Text files, folders of them, or a corpus of tokens.",
        "book.txt",
        ("encoding",),
        _documents,
        _continued,
    ),
    "labelled text": Form(
        "A table (.csv, .tsv, .jsonl), a folder of texts for each label, or lines of label and "
        "text.",
        "reviews.csv",
        ("text", "label", "separator", "encoding"),
        _labelled,
        _answers_to_texts,
    ),
    "tagged text": Form(
        "Files with a word and its tag on each line, an empty line after each sentence.",
        "train.conll",
        ("encoding",),
        _tagged,
        _tags,
    ),
    "outcomes": Form(
        "A table of events, long or wide, or a folder or archive of PhysioNet 2012's records.",
        "vitals.csv --outcomes outcomes.csv --target died",
        ("outcomes",),
        _stays,
        _risks,
    ),
    "vitals": Form(
        "A table of stays, a row a time, or a folder or archive of PhysioNet 2019's patients.",
        "vitals.csv --target sepsis",
        ("labels",),
        _watched,
        _alarms,
    ),
    "parallel text": Form(
        "Two files whose lines translate one another.",
        "train.de train.en",
        ("encoding",),
        _pairs,
        _translations,
    ),
    "visits": Form(
        "A folder of MIMIC-IV tables, or a table of visits: subject_id, start, end, code.",
        "visits.csv",
        (),
        _visits,
        _foretold,
    ),
}
"""The forms by an estimator's `reads`."""
