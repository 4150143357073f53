"""`cellstate generate`."""

import json

import pytest

from tests.tasks.text.language.sentences import fitted


@pytest.fixture
def language(tmp_path):
    fitted().save(tmp_path / "model")
    return tmp_path / "model"


def test_prompt_and_text_are_shown_as_they_are_written(cellstate, language):
    call = ("generate", language, "--prompt", "the cat", "--tokens", 20, "--temperature", 0)
    result = cellstate(*call)
    assert (result.code, result.err) == (0, "")
    expected = fitted().generate("the cat", tokens=20, temperature=0)
    assert result.out.rstrip("\n") == ("the cat" + expected).rstrip("\n")


def test_settings_reach_the_model(cellstate, language):
    filters = ("--top-k", 4, "--top-p", 0.9, "--typical", 0.95, "--no-repeat", 4)
    words = ("--tokens", 25, "--repetition-penalty", 1.1, "--seed", 3, "--json")
    result = cellstate("generate", language, "--prompt", r"\nthe", *filters, *words)
    expected = fitted().stream(
        "\nthe", tokens=25, top_k=4, top_p=0.9, typical=0.95, repetition_penalty=1.1,
        no_repeat=4, seed=3,
    )  # fmt: skip
    assert result.json["text"] == expected.finish()
    assert result.json["prompt"] == "\nthe"
    assert result.json["tokens"] == 25
    assert result.json["ended"] == "length"


def test_a_state_is_saved_and_taken_up(cellstate, language, tmp_path):
    state = tmp_path / "state.safetensors"
    common = ("generate", language, "--temperature", 0, "--json")
    first = cellstate(*common, "--prompt", "the dog", "--tokens", 8, "--save-state", state).json
    rest = cellstate(*common, "--state", state, "--tokens", 12).json
    whole = cellstate(*common, "--prompt", "the dog", "--tokens", 20).json
    assert first["text"] + rest["text"] == whole["text"]
    assert first["state"] == str(state)


def test_a_prompt_comes_from_a_file_and_stops_end_it(cellstate, language, tmp_path):
    path = tmp_path / "prompt.txt"
    path.write_text("the king sees the")
    call = ("generate", language, "--prompt-file", path, "--stop", r"\n", "--tokens", 80, "--json")
    answer = cellstate(*call).json
    assert answer["prompt"] == "the king sees the"
    assert "\n" not in answer["text"]
    assert answer["ended"] == "stop"
    wide = cellstate("generate", language, "--prompt", "the", "--beams", 3, "--tokens", 5, "--json")
    assert json.loads(wide.out)["tokens"] == 5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "a prompt must hold at least one token"),
        (("--prompt", ""), "got an empty prompt"),
        (("--prompt", "Ω"), "made of characters that the model was trained on; got 'Ω'"),
        (("--prompt", "a", "--top-p", "1.5"), "top_p must be above 0 and at most 1; got 1.5"),
        (("--prompt", "a", "--tokens", "many"), "--tokens must be a whole number; got 'many'"),
        (("--prompt", "a", "--prompt-file", "b"), "a prompt must be given once"),
        (("--prompt-file", "missing.txt"), "must be a file; got no file there"),
        (("--prompt", "a", "--state", "missing"), "the state must be a file; got no file there"),
        (("--prompt", "a", "--save-state", "no/where"), "directory must exist; got no "),
        (("--prompt", "a", "--seed", "-1"), "seed must be a whole number of at least 0"),
        (("--prompt", "a", "--unknown", "skip"), "'error' or 'replace'; got 'skip'"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_message(cellstate, language, words, message):
    result = cellstate("generate", language, *words)
    assert result.code == 2
    assert message in result.err
    assert result.out == ""
    assert "Traceback" not in result.err


@pytest.mark.usefixtures("_fake_jobs")
def test_a_model_of_another_job_is_refused(cellstate, model):
    result = cellstate("generate", model, "--prompt", "a")
    assert result.code == 2
    assert "must be of the job 'language'; got 'forecast'" in result.err
