"""Texts to numbers and back."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellstate.data.text.tokenizer import (
    BOS,
    EOS,
    KINDS,
    LONG,
    PAD,
    SPECIALS,
    UNK,
    Tokenizer,
)
from cellstate.errors import ArgumentTypeError, CellstateError, InputError

TEXTS = [
    "It's the well-known cat of Ann's — naïve, isn't it?\n",
    "The cat sat on the mat; the mat was flat.\n\n",
    "日本語 and 🎉 in one line\t\twith tabs.",
] * 9
SIZES = {"bpe": 300, "unigram": 80}
LOSSLESS = ("char", "byte", "bpe")


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request) -> Tokenizer:
    return Tokenizer.train(TEXTS, kind=request.param, size=SIZES.get(request.param))


def test_it_knows_its_kind_and_keeps_the_specials_places(tokenizer, request) -> None:
    assert tokenizer.kind == request.node.callspec.params["tokenizer"]
    assert tokenizer.vocabulary[: len(SPECIALS)] == SPECIALS
    assert len(tokenizer.vocabulary) == tokenizer.size


def test_text_that_was_learned_has_no_unknowns(tokenizer) -> None:
    for text in TEXTS[:3]:
        numbers = tokenizer.encode(text)
        assert numbers.dtype == np.int32
        assert numbers.min() > UNK
        assert tokenizer.unknown(text) == []


def test_decoding_gives_the_text_back_up_to_white_space(tokenizer) -> None:
    for text in TEXTS[:3]:
        found = tokenizer.decode(tokenizer.encode(text))
        if tokenizer.kind in LOSSLESS:
            assert found == text
        else:
            assert found.replace(" ", "") == "".join(text.split()) or tokenizer.kind == "unigram"


def test_spans_point_at_the_tokens(tokenizer) -> None:
    text = TEXTS[0]
    spans = tokenizer.spans(text)
    assert spans.shape == (len(tokenizer.encode(text)), 2)
    assert (spans[1:, 0] >= spans[:-1, 0]).all()
    if tokenizer.kind in ("char", "word", "whitespace"):
        pieces = [text[a:b] for a, b in spans]
        assert pieces == [tokenizer.vocabulary[n] for n in tokenizer.encode(text)]


def test_a_stream_of_tokens_gives_the_same_text(tokenizer) -> None:
    for text in [*TEXTS[:3], "é"]:
        numbers = tokenizer.encode(text)
        stream = tokenizer.decoder()
        pieces = [stream.push(number) for number in numbers]
        assert "".join(pieces) + stream.flush() == tokenizer.decode(numbers)
        first = len(numbers) // 2
        rest = tokenizer.decoder(after=numbers[:first])
        whole = tokenizer.decode(numbers[:first])
        whole += "".join(rest.push(number) for number in numbers[first:]) + rest.flush()
        if "\ufffd" not in whole:  # a character may be cut in half
            assert whole == tokenizer.decode(numbers)


def test_a_cut_character_is_shown_as_such() -> None:
    tokenizer = Tokenizer.train([], kind="byte")
    stream = tokenizer.decoder()
    assert stream.push(int(tokenizer.encode("é")[0])) == ""
    assert stream.flush() == "\ufffd"
    assert stream.flush() == ""


def test_json_pickle_and_copy_keep_it(tokenizer) -> None:
    expected = tokenizer.encode(TEXTS[1]).tolist()
    for other in (
        Tokenizer.from_json(tokenizer.to_json()),
        pickle.loads(pickle.dumps(tokenizer)),
        copy.deepcopy(tokenizer),
    ):
        assert other.encode(TEXTS[1]).tolist() == expected
        assert other.to_json() == tokenizer.to_json()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "unigram"])
def test_learning_twice_gives_the_same(kind: str) -> None:
    first, second = (Tokenizer.train(TEXTS, kind=kind, size=SIZES.get(kind)) for _ in range(2))
    assert first.to_json() == second.to_json()


def test_words_that_look_like_specials_are_text(tokenizer) -> None:
    numbers = tokenizer.encode("a <pad> b <eos> <bos> <unk>")
    assert not set(numbers.tolist()) & {PAD, BOS, EOS}


def test_specials_give_no_text(tokenizer) -> None:
    numbers = tokenizer.encode(TEXTS[0])
    assert tokenizer.decode([BOS, *numbers, EOS, PAD, PAD]) == tokenizer.decode(numbers)


@pytest.mark.parametrize("kind", ["char", "byte", "word", "whitespace"])
def test_a_long_text_gives_what_one_piece_gives(kind: str) -> None:
    text = "".join(TEXTS[:3]) * (LONG // 100)
    assert len(text) > LONG
    tokenizer = Tokenizer.train([text[:1000]], kind=kind)
    whole = tokenizer._engine.encode(text).ids
    assert np.array_equal(tokenizer.encode(text), whole)


@given(st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_bytes_and_pairs_of_bytes_write_any_text(text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    for tokenizer in _for_any_text():
        assert tokenizer.unknown(text) == []
        assert tokenizer.decode(tokenizer.encode(text)) == text or text.startswith(" ")


_MADE: list[Tokenizer] = []


def _for_any_text() -> list[Tokenizer]:
    if not _MADE:
        _MADE.append(Tokenizer.train([], kind="byte"))
        _MADE.append(Tokenizer.train(TEXTS, kind="bpe", size=300, normal_form=None))
    return _MADE


def test_options_do_what_they_say() -> None:
    few = Tokenizer.train(TEXTS, kind="word", size=6)
    assert few.size == 6
    common = Tokenizer.train(["a a b"], kind="word", min_count=2)
    assert common.vocabulary[4:] == ("a",)
    low = Tokenizer.train(["The THE the"], kind="word", lowercase=True)
    assert low.vocabulary[4:] == ("the",)
    assert low.spans("THE").tolist() == [[0, 3]]
    joined, apart = (Tokenizer.train(["é"], kind="char", normal_form=f) for f in ("NFC", "NFD"))
    assert joined.encode("e\u0301").tolist() == [4]
    assert len(apart.encode("é")) == 2


def test_words_keep_inner_signs() -> None:
    tokenizer = Tokenizer.train(["Ann's well-known 'cat'."], kind="word")
    assert set(tokenizer.vocabulary[4:]) == {"Ann's", "well-known", "'", "cat", "."}


BAD = [
    (lambda: Tokenizer.train(["a"], kind="words"), InputError, "Did you mean 'word'"),
    (lambda: Tokenizer.train(["a"], size=4), InputError, "at least 5"),
    (lambda: Tokenizer.train(["a"], kind="bpe", size=200), InputError, "at least 260"),
    (lambda: Tokenizer.train(["a"], min_count=0), InputError, "min_count"),
    (lambda: Tokenizer.train(["a"], normal_form="nfc"), InputError, "NFC"),
    (lambda: Tokenizer.train([]), InputError, "0 texts"),
    (lambda: Tokenizer.train(["", " "]), InputError, "there must be text"),
    (lambda: Tokenizer.train(["a", None]), ArgumentTypeError, "NoneType"),
    (lambda: Tokenizer.train([b"a"]), ArgumentTypeError, "bytes"),
    (lambda: Tokenizer.from_json("{"), InputError, "to_json"),
    (lambda: Tokenizer.train(["a"]).encode(3), ArgumentTypeError, "must be a str"),
]


@pytest.mark.parametrize(("call", "error", "says"), BAD)
def test_bad_calls_are_explained(call, error, says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        call()
    assert isinstance(caught.value, CellstateError)


def test_json_of_another_vocabulary_is_refused() -> None:
    described = json.loads(Tokenizer.train(["a b"], kind="word").to_json())
    described["model"]["vocab"] = {"a": 0, "<unk>": 1}
    with pytest.raises(InputError, match="starts with"):
        Tokenizer.from_json(json.dumps(described))
