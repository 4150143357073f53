"""Generation: pieces, stops, prompts, states, constraints and search."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cellstate.errors import ArtifactError, InputError
from cellstate.tasks.text.language.continuation import Continuation
from cellstate.tasks.text.language.generate import Generation, read_prompt
from cellstate.tasks.text.language.sampling import Sampling
from tests.tasks.text.language.sentences import TEXT, fitted


def test_pieces_come_one_token_at_a_time_and_make_the_text():
    model = fitted()
    writing = model.stream("the ", tokens=30, seed=1)
    first = next(writing)
    assert len(writing.tokens) == 1
    rest = list(writing)
    assert first + "".join(rest) == writing.text == model.generate("the ", tokens=30, seed=1)
    assert len(writing.tokens) == len(writing.text) == 30
    assert writing.ended == "length"


def test_equal_seeds_give_equal_texts_and_others_differ():
    model = fitted()
    texts = [model.generate("the ", tokens=40, seed=seed) for seed in (0, 0, 1)]
    assert texts[0] == texts[1] != texts[2]


def test_greedy_takes_the_likeliest_token_each_time():
    model = fitted()
    writing = model.stream("the cat s", tokens=12, temperature=0)
    writing.finish()
    tokens = model.tokenizer_.encode("the cat s" + writing.text)
    logits, _ = model.fitted_.reader.hidden(tokens[:, None], None)
    log_p = model.fitted_.reader.log_probabilities(logits)[:, 0]
    start = len("the cat s")
    for place, token in enumerate(writing.tokens):
        assert log_p[start + place - 1].argmax() == token
    picked = log_p[np.arange(start - 1, len(tokens) - 1), tokens[start:]]
    assert writing.log_probability == pytest.approx(picked.sum(), abs=1e-4)
    assert model.predict(["the cat s"], tokens=12) == [writing.text]


def test_a_stop_text_ends_it_and_is_never_shown_in_part():
    model = fitted()
    plain = model.generate("the cat", tokens=120, seed=2)
    stop = plain[40:44]
    writing = model.stream("the cat", tokens=120, seed=2, stop=(stop,))
    pieces = list(writing)
    assert "".join(pieces) == plain[: plain.index(stop)]
    assert writing.ended == "stop"
    # Nothing to stop at: what was held back comes all the same.
    assert model.generate("the cat", tokens=120, seed=2, stop=("§§",)) == plain


def test_going_on_from_a_state_is_one_text(tmp_path):
    model = fitted()
    whole = model.stream("the cat", tokens=40, temperature=0)
    whole.finish()
    first = model.stream("the cat", tokens=15, temperature=0)
    first.finish()
    first.state.save(tmp_path / "state.safetensors")
    state = Continuation.load(tmp_path / "state.safetensors")
    rest = model.stream(state=state, tokens=25, temperature=0)
    assert first.text + rest.finish() == whole.text
    # Half of a prompt and the other half later are the prompt.
    half = read_prompt(model.fitted_, "the do")
    split = model.stream("g sees", state=half, tokens=10, temperature=0).finish()
    assert split == model.generate("the dog sees", tokens=10, temperature=0)


def test_a_state_is_of_one_model_and_of_one_form(tmp_path):
    start = read_prompt(fitted().fitted_, "the ")
    with pytest.raises(InputError, match="must come from the model that goes on from it"):
        fitted("word").stream("the", state=start)
    path = tmp_path / "state.safetensors"
    with pytest.raises(ArtifactError, match="the state must be a file; got no file there"):
        Continuation.load(path)
    path.write_bytes(b"nonsense")
    with pytest.raises(ArtifactError, match="of the form cellstate-continuation-1"):
        Continuation.load(path)
    with pytest.raises(ArtifactError, match="must be writable"):
        start.save(tmp_path / "missing" / "state.safetensors")


def test_a_prompt_longer_than_any_text_seen_is_read_to_its_end():
    model = fitted()
    prompt = TEXT * 3
    start = read_prompt(model.fitted_, prompt)
    tokens = model.tokenizer_.encode(prompt)
    log_p, _ = model.fitted_.reader.next(tokens[:, None], None)
    np.testing.assert_allclose(start.log_p, log_p[0], atol=1e-6)
    assert len(model.generate(prompt, tokens=5)) == 5


def test_unknown_characters_are_named_or_read_as_unknown():
    model = fitted()
    with pytest.raises(InputError, match=r"made of characters .* got 'Ω', '€'. Leave them out"):
        model.generate("the Ω and € and Ω")
    assert len(model.generate("the Ω", tokens=4, unknown="replace")) == 4
    with pytest.raises(InputError, match="'error' or 'replace'; got 'skip'"):
        model.generate("the ", unknown="skip")
    with pytest.raises(InputError, match=r"made of tokens .* got 'zebra'"):
        fitted("word").generate("the zebra")


def test_an_empty_prompt_needs_a_model_of_documents():
    with pytest.raises(InputError, match=r"at least one token, .* got an empty prompt"):
        fitted().generate("")
    assert fitted("word", "documents").generate(tokens=30, seed=0).startswith("the")


def test_the_unknown_and_other_marks_are_never_written():
    model = fitted("word", "documents")
    for seed in range(5):
        writing = model.stream(tokens=40, seed=seed, temperature=5.0)
        writing.finish()
        assert min(writing.tokens) > 3


def test_the_text_can_be_made_to_begin_and_its_tokens_to_be_few():
    model = fitted()
    assert model.generate("the cat ", begin="finds", tokens=20).startswith("finds")
    vowels = model.tokenizer_.encode("aeiou").tolist()
    written = model.generate("the ", tokens=20, allowed=lambda _: vowels)
    assert set(written) <= set("aeiou")

    def pattern(so_far):
        return vowels[:1] if len(so_far) % 2 else None

    writing = model.stream("the ", tokens=10, allowed=pattern)
    assert set(writing.finish()[1::2]) == {"a"}
    with pytest.raises(InputError, match="at least one token must be left"):
        model.generate("the ", allowed=lambda _: [])


def test_no_sequence_is_written_twice():
    model = fitted()
    writing = model.stream("the ", tokens=60, temperature=0, no_repeat=3)
    writing.finish()
    history = [*model.tokenizer_.encode("the ").tolist(), *writing.tokens]
    seen = list(zip(history, history[1:], history[2:], strict=False))
    assert len(seen) == len(set(seen))


def test_beam_search_finds_the_likeliest_text_of_all():
    model = fitted()
    few = model.tokenizer_.encode("aehst ").tolist()
    reader = model.fitted_.reader

    def log_p_of(tokens):
        start = model.tokenizer_.encode("the ").tolist()
        hidden, _ = reader.hidden(np.array([*start, *tokens])[:, None], None)
        log_p = reader.log_probabilities(hidden)[:, 0]
        places = np.arange(len(start) - 1, len(start) + len(tokens) - 1)
        return float(log_p[places, tokens].sum())

    best = max(itertools.product(few, repeat=3), key=log_p_of)
    options = {"tokens": 3, "allowed": lambda _: few}
    wide = model.stream("the ", beams=36, **options)
    wide.finish()
    assert tuple(wide.tokens) == best
    assert wide.log_probability == pytest.approx(log_p_of(best), abs=1e-4)
    narrow = model.stream("the ", beams=2, begin="s", no_repeat=2, tokens=6)
    assert narrow.finish().startswith("s")


def test_beam_search_goes_on_from_a_state_and_ends_documents():
    model = fitted("word", "documents")
    writing = model.stream("the cat", beams=3, tokens=20)
    assert writing.finish().endswith(".")
    assert writing.ended == "end"
    assert writing.state.history[-len(writing.tokens) :] == tuple(writing.tokens)


def test_generation_starts_where_it_is_told_to():
    model = fitted()
    start = read_prompt(model.fitted_, "the cat s")
    writing = Generation(model.fitted_, start, Sampling(tokens=3, temperature=0.0), seed=0)
    assert writing.finish() == model.generate("the cat s", tokens=3, temperature=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tokens": 0}, "tokens must be a whole number of at least 1; got 0"),
        ({"temperature": -1}, "temperature must be a number of at least 0; got -1"),
        ({"temperature": float("nan")}, "temperature must be a number of at least 0; got nan"),
        ({"top_k": 0}, "top_k must be a whole number of at least 1; got 0"),
        ({"top_p": 0}, "top_p must be above 0 and at most 1; got 0"),
        ({"top_p": 1.2}, "top_p must be above 0 and at most 1; got 1.2"),
        ({"typical": 2}, "typical must be above 0 and at most 1; got 2"),
        ({"repetition_penalty": 0.5}, "repetition_penalty must be a number of at least 1"),
        ({"no_repeat": 0}, "no_repeat must be a whole number of at least 1; got 0"),
        ({"stop": "end"}, "stop must be texts of at least one character; got 'end'"),
        ({"stop": ("",)}, "stop must be texts of at least one character"),
        ({"begin": 3}, "begin must be a text; got 3"),
        ({"beams": 0}, "beams must be a whole number of at least 1; got 0"),
        ({"beams": 2, "top_k": 3}, "beams above 1 search and draw nothing"),
        ({"begin": "Ω"}, "the begin must be made of characters"),
        ({"seed": -1}, "seed must be a whole number of at least 0; got -1"),
        ({"topk": 3}, "settings must be fields of Sampling; got 'topk'. Did you mean 'top_k'"),
    ],
)
def test_bad_settings_are_refused_in_three_sentences(options, message):
    with pytest.raises(InputError, match=message):
        fitted().generate("the ", **options)
