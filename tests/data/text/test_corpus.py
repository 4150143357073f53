"""A corpus on disk."""

from __future__ import annotations

import numpy as np
import pytest

from cellstate.data.text import corpus
from cellstate.data.text.corpus import TokenFile
from cellstate.data.text.tokenizer import EOS, Tokenizer
from cellstate.errors import FrameError, InputError

LINES = ["the cat sat", "", "on the mat"]


@pytest.fixture
def words() -> Tokenizer:
    return Tokenizer.train(LINES, kind="word")


def test_it_holds_the_tokens_of_all_texts(tmp_path, words, monkeypatch) -> None:
    monkeypatch.setattr(corpus, "TEXTS_AT_ONCE", 2)
    written = TokenFile.write(tmp_path / "corpus", iter(LINES), words)
    expected = [n for line in LINES for n in (*words.encode(line), EOS)]
    assert written.tokens.tolist() == expected
    assert isinstance(written.tokens, np.memmap)
    assert written.tokens.dtype == np.uint16
    opened = TokenFile(tmp_path / "corpus")
    assert len(opened) == len(expected)
    assert opened.tokenizer.to_json() == words.to_json()
    assert TokenFile.is_one(tmp_path / "corpus")
    assert not TokenFile.is_one(tmp_path)


def test_nothing_half_written_remains(tmp_path, words) -> None:
    def lines():
        yield "the cat"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        TokenFile.write(tmp_path / "corpus", lines(), words)
    with pytest.raises(InputError, match="there must be texts"):
        TokenFile.write(tmp_path / "corpus", [], words)
    with pytest.raises(FrameError, match="must be writable"):
        TokenFile.write(tmp_path / "none" / "corpus", LINES, words)
    assert list(tmp_path.iterdir()) == []


def test_an_older_corpus_is_kept(tmp_path, words) -> None:
    TokenFile.write(tmp_path / "corpus", LINES, words)
    with pytest.raises(InputError, match="new folder"):
        TokenFile.write(tmp_path / "corpus", ["cat"], words)
    assert len(TokenFile(tmp_path / "corpus")) > 2


def test_damage_is_named(tmp_path, words) -> None:
    with pytest.raises(FrameError, match="must be a folder of"):
        TokenFile(tmp_path)
    TokenFile.write(tmp_path / "corpus", LINES, words)
    tokens = tmp_path / "corpus" / corpus.TOKENS
    tokens.write_bytes(tokens.read_bytes()[:-3])
    with pytest.raises(FrameError, match="Write it again"):
        TokenFile(tmp_path / "corpus")
