"""Text event by event: the odds of the whole text, however it is cut."""

from __future__ import annotations

import math
import pickle
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cellstate import LanguageModel, TrainConfig
from cellstate.data.text.tokenizer import EOS, UNK
from cellstate.errors import EventError, InputError
from cellstate.tasks.text.language.event_stream import MOST_TOKENS, LanguageStream

BRIEF = TrainConfig(epochs=1, sanity=False, progress=False)
STORY = "the cat sat on the mat and a dog sat on the cat. " * 50
TEXT = "a cat sat on the dog. "
KINDS: dict[str, dict[str, Any]] = {
    "char": {"tokenizer": "char", "layers": 2},
    "byte": {"tokenizer": "byte", "tie": True},
    "word": {"tokenizer": "word"},
    "bpe": {"tokenizer": "bpe", "vocabulary": 280},
}


@cache
def fitted(kind: str, documents: bool = False) -> bytes:
    model = LanguageModel(size="small", hidden=16, random_state=0, train=BRIEF, **KINDS[kind])
    return pickle.dumps(model.fit(STORY.split(". ") if documents else STORY))


def model_of(kind: str = "char", documents: bool = False) -> LanguageModel:
    return pickle.loads(fitted(kind, documents))


@pytest.mark.parametrize("kind", KINDS)
def test_bits_are_those_of_the_whole_text(kind: str) -> None:
    model = model_of(kind)
    answer = model.session("a").push({"text": TEXT})
    tokens = model.tokenizer_.encode(TEXT)
    assert answer["tokens"] == len(tokens)
    expected = -model.score_samples([TEXT])[0] / math.log(2)
    assert answer["bits"] == pytest.approx(expected, rel=1e-9)
    assert answer["bits_per_token"] == pytest.approx(expected / (len(tokens) - 1), rel=1e-9)


def test_a_document_is_judged_from_its_first_token_to_its_end() -> None:
    model = model_of(documents=True)
    session = model.session("a")
    bits = session.push({"text": TEXT})["bits"] + session.push({"token": EOS})["bits"]
    assert bits == pytest.approx(-model.score_samples([TEXT])[0] / math.log(2), rel=1e-9)
    # After its end another one begins.
    assert session.push({"text": "a"})["bits"] > 0


@pytest.mark.parametrize("kind", KINDS)
def test_odds_of_what_comes_next_are_those_of_torch(kind: str) -> None:
    model = model_of(kind)
    answer = model.session("a").push({"text": TEXT})
    network = model.fitted_.network()
    tokens = torch.from_numpy(model.tokenizer_.encode(TEXT).astype(np.int64))[:, None]
    with torch.inference_mode():
        logits = network.log_odds(network.hidden(tokens, {}).raw[-1])[0]
    chances = torch.softmax(logits.double(), -1)
    told = chances[answer["next_ids"]]
    np.testing.assert_allclose(told, answer["next_probabilities"], rtol=1e-4)
    assert answer["next_probabilities"] == sorted(answer["next_probabilities"], reverse=True)
    allowed = np.delete(chances.numpy(), [0, 2, 3])
    assert answer["next_probabilities"][-1] >= np.sort(allowed)[-5] * (1 - 1e-4)
    texts = [model.tokenizer_.decode([n]) for n in answer["next_ids"] if n != UNK]
    assert texts == [t for t, n in zip(answer["next"], answer["next_ids"], strict=True) if n != UNK]


@settings(max_examples=20)
@given(cuts=st.lists(st.integers(1, len(TEXT) - 1), max_size=8, unique=True))
def test_any_cut_gives_the_same_memory_and_bits(cuts: list[int]) -> None:
    model = model_of()
    whole, pieces = model.session("a"), model.session("a")
    expected = whole.push({"text": TEXT})
    places = [0, *sorted(cuts), len(TEXT)]
    answers = [pieces.push({"text": TEXT[first:last]}) for first, last in pairwise(places)]
    assert sum(answer["bits"] for answer in answers) == pytest.approx(expected["bits"], rel=1e-12)
    assert answers[-1]["next_probabilities"] == expected["next_probabilities"]
    assert pieces.snapshot().state == whole.snapshot().state


def test_pieces_of_unequal_length_share_a_step() -> None:
    stream = LanguageStream.of(model_of())
    texts = ["a cat", "t", "the dog sat on the mat", "a"]
    states, answers = stream.step(
        stream.start(texts), [stream.read({"text": text}) for text in texts], np.zeros(4, np.int64)
    )
    for place, text in enumerate(texts):
        alone, [answer] = stream.step(
            stream.start([""]), [stream.read({"text": text})], np.zeros(1, np.int64)
        )
        assert answer == answers[place]
        assert alone[0].tobytes() == states[place].tobytes()


def test_a_token_is_its_text() -> None:
    model = model_of()
    by_text, by_number = model.session("a"), model.session("a")
    first = by_text.push({"text": "c"})
    assert first["bits"] == 0
    assert first["bits_per_token"] is None
    number = int(model.tokenizer_.encode("c")[0])
    assert by_number.push({"token": number, "text": None}) == first


def test_a_sign_that_training_lacked_is_read_as_unknown() -> None:
    session = model_of().session("a")
    session.push({"text": "the "})
    assert session.push({"text": "Ж"})["bits"] > 0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "must hold text or a token; got other names"),
        ({"text": None}, "must hold text or a token; got neither"),
        ({"text": "a", "token": 5}, "got both"),
        ({"text": "a", "time": 5}, "got other names"),
        ({"text": 5}, "text must be text; got int"),
        ({"text": b"a"}, "text must be text; got bytes"),
        ({"text": ""}, "must have 1 to 1,024 tokens; got 0"),
        ({"text": "a" * (MOST_TOKENS + 1)}, "must have 1 to 1,024 tokens; got 1,025"),
        ({"text": "a" * 20_000}, "at most 16,384 characters; got 20,000"),
        ({"text": "\ud800"}, "must be made of Unicode characters"),
        ({"token": 5.0}, "token must be an integer; got float"),
        ({"token": True}, "token must be an integer; got bool"),
        ({"token": -1}, "token must be a number below 17 that text can have"),
        ({"token": 10**30}, "token must be a number below"),
        ({"token": EOS}, "token must be a number below"),  # a running text has no end
        ("a", "must hold text or a token"),
    ],
)
def test_what_is_no_text_is_refused(data: Any, message: str) -> None:
    stream = LanguageStream.of(model_of())
    with pytest.raises(EventError, match=message):
        stream.read(data)


def test_numbers_that_run_away_leave_the_reader_as_it_was() -> None:
    model = model_of()
    model.fitted_.tensors["output.weight"] = np.full_like(
        model.fitted_.tensors["output.weight"], 3e38
    )
    session = model.session("a")
    before = session.snapshot()
    with np.errstate(all="ignore"), pytest.raises(EventError, match="numbers finite"):
        session.push({"text": TEXT})
    assert session.snapshot() == before


def test_an_adaptive_softmax_reads_no_events() -> None:
    model = LanguageModel(size="small", hidden=16, softmax="adaptive", train=BRIEF)
    model.set_params(tokenizer="word").fit(" ".join(f"w{k % 3000}" for k in range(9000)))
    assert model.fitted_.plan.cutoffs
    with pytest.raises(InputError, match=r"full softmax; got an adaptive one. Fit with softmax"):
        model.session("a")
