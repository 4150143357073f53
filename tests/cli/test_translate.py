"""`cellstate translate`: lines in, lines out."""

from __future__ import annotations

import io

import pytest

from cellstate.cli import translate
from cellstate.tasks.text.translation import plan as plans
from cellstate.tasks.text.translator import Translator
from cellstate.train import TrainConfig

GERMAN = ["ein Hund", "eine Katze", "ein Ball", "eine Katze schläft"] * 6
ENGLISH = ["a dog", "a cat", "a ball", "a cat sleeps"] * 6
LINES = ["ein Ball", "", "eine Katze schläft", "ein Hund"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(plans.SIZES, "small", (32, 32, 1, 1))
        train = TrainConfig(epochs=30, learning_rate=2e-2, sanity=False)
        model = Translator(vocabulary="word", dropout=0.0, train=train).fit(GERMAN, ENGLISH)
    place = tmp_path_factory.mktemp("translator") / "model"
    model.save(place)
    return place


@pytest.fixture
def typed(monkeypatch):
    """Give a function that puts bytes on standard input."""

    def put(given, is_terminal=False):
        stream = io.TextIOWrapper(io.BytesIO(given))
        monkeypatch.setattr(stream, "isatty", lambda: is_terminal)
        monkeypatch.setattr("sys.stdin", stream)

    return put


def expected(folder):
    return Translator.load(folder).predict(LINES)


def test_standard_input_is_translated_line_by_line(cellstate, folder, typed):
    typed("\n".join(LINES).encode())
    result = cellstate("translate", folder)
    assert (result.code, result.err) == (0, "")
    assert result.out.split("\n") == [*expected(folder), ""]
    assert result.out.split("\n")[1] == ""


def test_a_file_is_translated_into_a_file(cellstate, folder, tmp_path):
    source, out = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("".join(f"{line}\r\n" for line in LINES), encoding="utf-8")
    result = cellstate("translate", folder, source, "--out", out, "--batch", 3)
    assert (result.code, result.out) == (0, "")
    assert out.read_text(encoding="utf-8").split("\n") == [*expected(folder), ""]


def test_no_lines_give_no_lines(cellstate, folder, typed):
    typed(b"")
    result = cellstate("translate", folder)
    assert (result.code, result.out) == (0, "")


@pytest.mark.parametrize(("is_terminal", "sizes"), [(True, [1, 1, 1]), (False, [3])])
def test_typed_lines_are_answered_one_by_one(
    cellstate, folder, typed, monkeypatch, is_terminal, sizes
):
    seen = []

    def predict(self, X, **settings):
        seen.append(len(X))
        return list(X)

    monkeypatch.setattr(Translator, "predict", predict)
    typed(b"a\nb\nc\n", is_terminal)
    assert cellstate("translate", folder).out == "a\nb\nc\n"
    assert seen == sizes


def test_lines_are_translated_before_all_of_them_are_there(folder):
    translator, seen = Translator.load(folder), []

    def lines():
        for line in LINES:
            seen.append(line)
            yield line

    told = translate.batchwise(translator, lines(), 2, {})
    next(told)
    assert seen == LINES[:2]


def test_search_settings_reach_the_search(cellstate, folder, typed):
    typed(b"ein Hund\n")
    result = cellstate("translate", folder, "--beam", 0)
    assert result.code == 2
    assert "beam must be a whole number of at least 1; got 0" in result.err


def test_bytes_that_are_no_text_are_named_with_their_line(cellstate, folder, typed):
    typed("ein Hund\nschläft\n".encode("latin-1"))
    result = cellstate("translate", folder)
    assert result.code == 2
    assert "got the byte 0xe4 at offset 13 (line 2)" in result.err
    assert "--encoding" in result.err
    typed("schläft\n".encode("latin-1"))
    assert cellstate("translate", folder, "--encoding", "latin-1").code == 0


def test_bad_input_leaves_the_older_output_as_it_was(cellstate, folder, tmp_path):
    source, out = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_bytes(b"ein Hund\nschl\xe4ft\n")
    out.write_text("older")
    assert cellstate("translate", folder, source, "--out", out, "--batch", 1).code == 2
    assert out.read_text() == "older"
    assert sorted(tmp_path.iterdir()) == [source, out]


def test_an_encoding_that_does_not_exist_is_refused(cellstate, folder, typed):
    typed(b"a\n")
    result = cellstate("translate", folder, "--encoding", "latin-99")
    assert result.code == 2
    assert "latin-99" in result.err


def test_batches_of_no_lines_and_outputs_that_cannot_be_are_refused(cellstate, folder, tmp_path):
    assert "at least 1 line" in cellstate("translate", folder, "--batch", 0).err
    assert "must be a file" in cellstate("translate", folder, "--out", tmp_path).err
