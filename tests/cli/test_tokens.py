"""A corpus of tokens from the command line."""

import gzip

from cellstate.data.text.corpus import TokenFile


def test_files_become_one_corpus(cellstate, tmp_path):
    first, second = tmp_path / "a.txt", tmp_path / "b.txt.gz"
    first.write_text("one two\n\nthree\n")
    second.write_bytes(gzip.compress(b"four"))
    call = ("data", "tokens", first, second, "--kind", "word", "--out", tmp_path / "corpus")
    result = cellstate(*call, "--json")
    assert result.json == {"corpus": str(tmp_path / "corpus"), "tokens": 7, "vocabulary": 8}
    corpus = TokenFile(tmp_path / "corpus")
    assert corpus.tokenizer.decode(corpus.tokens) == "one two three four"
    again = cellstate(*call)
    assert again.code == 2
    assert "must go to a new folder" in again.err


def test_a_bad_size_or_kind_is_explained(cellstate, tmp_path):
    text = tmp_path / "a.txt"
    text.write_text("one")
    call = ("data", "tokens", text, "--out", tmp_path / "corpus")
    assert "--size must be a whole number" in cellstate(*call, "--size", "many").err
    assert "Did you mean 'word'" in cellstate(*call, "--kind", "words").err
    assert not (tmp_path / "corpus").exists()
