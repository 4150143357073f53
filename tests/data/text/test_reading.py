"""Text files of every form, and what is wrong with them."""

from __future__ import annotations

import gzip

import pytest

from cellstate.data.text import files, reading
from cellstate.errors import FrameError, InputError


def write(path, content):
    raw = content if isinstance(content, bytes) else content.encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_text_is_read_with_one_kind_of_line_end(tmp_path, name: str) -> None:
    path = write(tmp_path / name, "\ufeffone\r\ntwo\rthree\n")
    assert files.read_text(path) == "one\ntwo\nthree\n"
    assert files.read_lines(path) == ["one", "two", "three"]


def test_lines_are_read_one_by_one(tmp_path, monkeypatch) -> None:
    content = "\ufeffé one\r\ntwo ü\n\nlast"
    for name in ("a.txt", "a.txt.gz"):
        path = write(tmp_path / name, content)
        assert "".join(files.iterate_lines(path)) == files.read_text(path)
    assert list(files.iterate_lines(path))[1:] == ["two ü\n", "\n", "last"]


def test_other_encodings_are_read_if_named(tmp_path) -> None:
    path = write(tmp_path / "a.txt", "naïve\n".encode("latin-1"))
    assert files.read_text(path, "latin-1") == "naïve\n"
    assert list(files.iterate_lines(path, "latin-1")) == ["naïve\n"]
    path = write(tmp_path / "b.txt", "naïve\n".encode("utf-16"))
    assert files.read_text(path, "utf-16") == "naïve\n"


@pytest.mark.parametrize("read", [files.read_text, lambda path: list(files.iterate_lines(path))])
def test_the_first_byte_that_is_no_text_is_named(tmp_path, read) -> None:
    path = write(tmp_path / "a.txt", b"one\ntwo \xf0 three\n")
    with pytest.raises(FrameError, match=r"byte 0xf0 at offset 8 \(line 2\).*--encoding latin-1"):
        read(path)


def test_a_late_byte_keeps_its_place(tmp_path) -> None:
    path = write(tmp_path / "a.txt", ("é" * (1 << 20)).encode() + b"\xff")
    for read in (files.read_text, lambda path: list(files.iterate_lines(path))):
        with pytest.raises(FrameError, match="0xff at offset 2,097,152"):
            read(path)


def test_bad_files_are_explained(tmp_path) -> None:
    with pytest.raises(FrameError, match="no file there"):
        files.read_text(tmp_path / "none.txt")
    with pytest.raises(FrameError, match="a folder"):
        files.read_text(tmp_path)
    with pytest.raises(FrameError, match="an empty file"):
        files.read_text(write(tmp_path / "e.txt", " \n"))
    (tmp_path / "d.txt.gz").write_bytes(gzip.compress(b"text" * 99)[:20])
    for read in (files.read_text, lambda path: list(files.iterate_lines(path))):
        with pytest.raises(FrameError, match="must be readable"):
            read(tmp_path / "d.txt.gz")
    with pytest.raises(InputError, match="Did you mean 'utf-8'"):
        files.read_text(write(tmp_path / "a.txt", "a"), "utf-9")
    with pytest.raises(InputError, match="that Python knows"):
        files.read_text(write(tmp_path / "a.txt", "a"), "base64")
    with pytest.raises(FrameError, match="--encoding utf-16"):
        files.read_text(write(tmp_path / "u.txt", "text".encode("utf-16")))
    cut = write(tmp_path / "c.txt", "aé".encode()[:-1])
    with pytest.raises(FrameError, match="ends within a character"):
        list(files.iterate_lines(cut))


def test_documents_come_from_files_and_folders(tmp_path) -> None:
    write(tmp_path / "f" / "b.txt", "B")
    write(tmp_path / "f" / "a" / "x.txt.gz", "X")
    write(tmp_path / "f" / "note.pdf", b"\xff")
    alone = write(tmp_path / "alone.md", "A")
    assert reading.read_documents([tmp_path / "f", alone]) == ["X", "B", "A"]
    (tmp_path / "none").mkdir()
    with pytest.raises(FrameError, match=r"\.txt"):
        reading.read_documents([tmp_path / "none"])


LABELLED = {
    "a.csv": 'label,text\npos,"good, very"\nneg,bad\n',
    "a.tsv": "text\tlabel\ngood, very\tpos\nbad\tneg\n",
    "a.jsonl": '{"text": "good, very", "label": "pos"}\n\n{"text": "bad", "label": "neg"}\n',
    "a.txt": "pos good, very\n\nneg bad\n",
}


@pytest.mark.parametrize("name", LABELLED)
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_labelled_texts_come_in_many_forms(tmp_path, name: str, ending: str) -> None:
    path = write(tmp_path / (name + ending), LABELLED[name])
    assert reading.read_labelled(path) == (["good, very", "bad"], ["pos", "neg"])


def test_a_folder_a_label_is_read(tmp_path) -> None:
    write(tmp_path / "set" / "neg" / "1.txt", "bad")
    write(tmp_path / "set" / "pos" / "1.txt", "good")
    assert reading.read_labelled(tmp_path / "set") == (["bad", "good"], ["neg", "pos"])


def test_several_labels_a_text(tmp_path) -> None:
    table = write(tmp_path / "a.csv", "text,label\nx,a|b\ny,\n")
    assert reading.read_labelled(table, separator="|")[1] == [["a", "b"], []]
    lines = write(tmp_path / "a.jsonl", '{"text": "x", "label": ["a", 3]}\n')
    assert reading.read_labelled(lines)[1] == [["a", "3"]]


def test_labels_may_be_missing_where_they_need_not_be_there(tmp_path) -> None:
    table = write(tmp_path / "a.csv", "text\nx\ny\n")
    assert reading.read_labelled(table, answers=False) == (["x", "y"], None)
    plain = write(tmp_path / "a.txt", "one text\nanother\n")
    assert reading.read_labelled(plain, answers=False) == (["one text", "another"], None)


BAD_LABELLED = [
    ("a.csv", "txt,label\nx,a\n", "Did you mean 'txt'"),
    ("a.csv", "text,kind\nx,a\n", "--label"),
    ("a.csv", "text,label\nx\n", "2 cells of the header; got 1"),
    ("a.csv", "text,label\nx,\n", "empty cell in line 2"),
    ("a.csv", 'text,label\n"x,a\n', "Check its quotes"),
    ("a.csv", "text,label\n", "rows below its header"),
    ("a.txt", "pos good\nneg\n", "'neg' in line 2"),
    ("a.jsonl", "{\n", "in line 1"),
    ("a.jsonl", "[1]\n", "a JSON object"),
    ("a.jsonl", '{"text": 3, "label": "a"}\n', "must be a text; got 3 in line 1"),
    ("a.jsonl", '{"text": "x"}\n', "must have a column 'label'"),
    ("a.jsonl", '{"text": "x", "label": null}\n', "None in line 1"),
]


@pytest.mark.parametrize(("name", "content", "says"), BAD_LABELLED)
def test_bad_labelled_files_are_explained(tmp_path, name, content, says: str) -> None:
    with pytest.raises(FrameError) as caught:
        reading.read_labelled(write(tmp_path / name, content))
    assert says in str(caught.value)


def test_a_folder_without_labels_is_refused(tmp_path) -> None:
    with pytest.raises(FrameError, match="a folder of text files for each label"):
        reading.read_labelled(tmp_path)


def test_pairs_stand_line_by_line(tmp_path) -> None:
    first = write(tmp_path / "a.de", "eins\n\nzwei\n")
    assert reading.read_parallel(first, write(tmp_path / "a.en", "one\n\ntwo")) == (
        ["eins", "", "zwei"],
        ["one", "", "two"],
    )
    with pytest.raises(FrameError, match=r"got 2: line 3, 'zwei', is in .*a\.de alone"):
        reading.read_parallel(first, write(tmp_path / "b.en", "one\n\n"))
    with pytest.raises(FrameError, match=r"an empty line 3 in .* beside 'zwei'"):
        reading.read_parallel(first, write(tmp_path / "c.en", "one\n\n\n"))


def test_tagged_sentences_are_read(tmp_path) -> None:
    content = "-DOCSTART- -X- O\n\nAnn NNP B-PER\nsings VBZ O\n\n\nNo\tO\n"
    path = write(tmp_path / "a.conll", content)
    assert reading.read_conll(path) == ([["Ann", "sings"], ["No"]], [["B-PER", "O"], ["O"]])
    bare = write(tmp_path / "b.conll", "Ann\nsings\n")
    assert reading.read_conll(bare, tagged=False) == ([["Ann", "sings"]], [[]])
    with pytest.raises(FrameError, match="'sings' in line 2"):
        reading.read_conll(write(tmp_path / "c.conll", "Ann O\nsings\n"))
    with pytest.raises(FrameError, match="must hold sentences"):
        reading.read_conll(write(tmp_path / "d.conll", "\n\n-DOCSTART-\n"))


def test_a_label_ends_at_any_white_space(tmp_path):
    path = write(tmp_path / "rows.txt", "good\tA fine day.\nbad  \tRain .\n")
    assert reading.read_labelled(path) == (["A fine day.", "Rain ."], ["good", "bad"])
