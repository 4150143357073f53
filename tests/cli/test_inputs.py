"""Text files as what the estimators of text take, and their answers as tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellstate.cli import inputs
from cellstate.cli.inputs import FORMS, OPTIONS
from cellstate.data.text.corpus import TokenFile
from cellstate.data.text.tokenizer import Tokenizer
from cellstate.errors import InputError
from cellstate.tasks import TASKS, estimator_class


class Shouter:
    """Answers with what it is asked, in capitals."""

    classes_ = ("a", "b")

    def predict(self, X: Any) -> Any:
        return [[w.upper() for w in x] if isinstance(x, list) else x.upper() for x in X]


class Sorter(Shouter):
    def predict(self, X: Any) -> Any:
        return [["a", "b"] for _ in X]

    def predict_proba(self, X: Any) -> Any:
        return np.full((len(X), 2), 0.5)


def write(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


@pytest.mark.parametrize("task", TASKS)
def test_every_job_reads_a_form_that_exists(task: str) -> None:
    assert estimator_class(task).reads in FORMS


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_an_option_is_known_or_of_answers_alone(form: inputs.Form) -> None:
    assert set(form.told) <= set(OPTIONS)
    assert set(form.options) - set(form.told) <= {"future"}


def test_documents_or_a_corpus_of_tokens(tmp_path: Path) -> None:
    form, path = FORMS["text"], write(tmp_path / "a.txt", "one two\n")
    assert form.examples([path]) == ("one two\n",)
    assert form.examples([tmp_path]) == (["one two\n"],)
    assert form.examples([]) == ()
    TokenFile.write(tmp_path / "corpus", ["one"], Tokenizer.train(["one"]))
    (corpus,) = form.examples([tmp_path / "corpus"])
    assert isinstance(corpus, TokenFile)
    table = form.answers(Shouter(), [path])
    assert table == {"text": ["one two"], "prediction": ["ONE TWO"]}


def test_labelled_texts(tmp_path: Path) -> None:
    form, path = FORMS["labelled text"], write(tmp_path / "a.csv", "review,label\ngood,p|q\n")
    assert form.examples([path], text="review") == (["good"], ["p|q"])
    given = form.chosen({"separator": "|", "text": "review", "label": None}, "classify-text")
    assert form.examples([path], **given) == (["good"], [["p", "q"]])
    assert form.answers(Sorter(), [path], text="review") == {
        "text": ["good"],
        "prediction": ["a|b"],
        "p_a": [0.5],
        "p_b": [0.5],
    }


def test_lines_to_predict_may_have_the_labels_that_evaluate_reads(tmp_path: Path) -> None:
    answers, path = FORMS["labelled text"].answers, tmp_path / "a.txt"
    assert answers(Sorter(), [write(path, "a fine film\nb dull\n")])["text"] == [
        "fine film",
        "dull",
    ]
    assert answers(Sorter(), [write(path, "a film\nb\n")])["text"] == ["a film", "b"]
    assert answers(Sorter(), [write(path, "a film\na story\n")])["text"] == ["a film", "a story"]


def test_tagged_sentences_of_several_files(tmp_path: Path) -> None:
    form, path = FORMS["tagged text"], write(tmp_path / "a.tsv", "Ann\tB\nsings\tO\n")
    assert form.examples([path, path]) == ([["Ann", "sings"]] * 2, [["B", "O"]] * 2)
    assert form.answers(Shouter(), [path]) == {
        "sentence": [1, 1],
        "word": ["Ann", "sings"],
        "tag": ["ANN", "SINGS"],
    }


def test_pairs_of_lines(tmp_path: Path) -> None:
    form, path = FORMS["parallel text"], write(tmp_path / "a.de", "eins\n\n")
    assert form.examples([path, path]) == (["eins", ""], ["eins", ""])
    assert form.answers(Shouter(), [path])["prediction"] == ["EINS", ""]
    with pytest.raises(InputError, match=r"got 1 file\. Name both"):
        form.examples([path])


def test_an_option_of_another_form_is_refused() -> None:
    with pytest.raises(InputError, match="takes no --target; got --target y"):
        FORMS["text"].chosen({"target": "y", "encoding": "utf-8"}, "language")


def test_empty_lines_are_no_prompts(tmp_path: Path) -> None:
    form, path = FORMS["text"], write(tmp_path / "a.txt", "ab\n\ncd\n")
    assert form.answers(Shouter(), [path]) == {"text": ["ab", "cd"], "prediction": ["AB", "CD"]}
