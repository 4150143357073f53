"""Options are the signature: all of it, each parameter once."""

import dataclasses
import inspect
import typing
from pathlib import Path
from typing import Any, Literal

import pytest

from cellstate import tasks
from cellstate.cli import docstrings, options, values
from cellstate.cli.fit import estimator_options
from cellstate.errors import InputError
from tests.cli import fakes

FAKES = {"fake forecast": fakes.FakeForecaster, "fake classify": fakes.FakeClassifier}


@pytest.fixture(params=[*FAKES, *tasks.TASKS])
def estimator(request):
    return FAKES.get(request.param) or tasks.estimator_class(request.param)


def leaves(estimator):
    """List every parameter, those in settings too, found in another way than the options are."""
    hints = typing.get_type_hints(estimator.__init__)
    for name in estimator.parameter_names():
        kinds = [k for k in (hints[name], *typing.get_args(hints[name])) if k is not type(None)]
        settings = [kind for kind in kinds if dataclasses.is_dataclass(kind)]
        if settings and str not in kinds:
            yield from ((name, field.name) for field in dataclasses.fields(settings[0]))
        else:
            yield (name,)


def test_every_parameter_of_an_estimator_is_an_option_once(estimator):
    described = [option.path for option in estimator_options(estimator)]
    assert sorted(described) == sorted(leaves(estimator))
    flags = [option.flag for option in estimator_options(estimator)]
    assert len(flags) == len(set(flags))


def test_every_option_has_a_help_text(estimator):
    unexplained = [o.flag for o in estimator_options(estimator) if not o.doc.text]
    assert not unexplained


def test_defaults_are_the_signature_s(estimator):
    parameters = inspect.signature(estimator.__init__).parameters
    for option in estimator_options(estimator):
        if len(option.path) == 1:
            assert option.default is parameters[option.path[0]].default


def test_every_choice_named_in_a_docstring_is_accepted_by_the_parser(estimator):
    for option in estimator_options(estimator):
        for choice in option.doc.choices():
            assert values.parse(choice, option.hint, option.flag) in (choice, int_or_none(choice))


def int_or_none(text):
    return int(text) if text.isdecimal() else None


def test_nothing_given_changes_nothing():
    described = options.options_of(fakes.FakeForecaster.__init__, fakes.FakeForecaster.__doc__)
    assert options.arguments(described, {option.name: None for option in described}) == {}


def test_settings_are_changed_where_there_are_some_and_made_where_there_are_none():
    described = options.options_of(fakes.FakeForecaster.__init__, fakes.FakeForecaster.__doc__)
    given = {"columns__time": "t", "train__max_epochs": "3", "train__progress": False}
    assert options.arguments(described, given) == {
        "columns": fakes.Columns(time="t"),
        "train": fakes.Training(max_epochs=3, progress=False),
    }


def test_two_parameters_of_one_name_are_a_bug():
    option = options.Option(("a",), int, 1, docstrings.Parameter("", ""), "Options")
    with pytest.raises(AssertionError, match="two parameters share an option"):
        options.with_options(print, [], [option, option])


@pytest.mark.parametrize(
    ("text", "hint", "value"),
    [
        ("24", int, 24),
        ("-1", int | None, -1),
        ("none", int | None, None),
        ("none", str, "none"),
        ("1e-3", float, 0.001),
        ("2", float, 2),
        ("inf", float | None, float("inf")),
        ("auto", Literal["auto"] | float, "auto"),
        ("auto", float | str, "auto"),
        ("0.5", float | str, 0.5),
        ("3", Literal[1, 3], 3),
        ("a, b", tuple[str, ...], ("a", "b")),
        ("", tuple[str, ...], ()),
        ("80,97.5", tuple[float, ...] | None, (80, 97.5)),
        ("1,2", list[int], (1, 2)),
        ("a", str | Path | None, Path("a")),
        ("a/b", Path, Path("a/b")),
        ("x", Any, "x"),
        ("7", int | fakes.Evaluation | None, 7),
    ],
)
def test_words_become_values(text, hint, value):
    parsed = values.parse(text, hint, "--x")
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("text", "hint", "message"),
    [
        ("a", int, "--x must be a whole number; got 'a'. Write for example --x 24."),
        ("a", int | None, "--x must be a whole number; got 'a'"),
        ("a", float, "--x must be a number; got 'a'. Write for example --x 0.5."),
        ("a", Literal["b", "c"], "--x must be 'b' or 'c'; got 'a'. Choose from 'b', 'c'."),
        ("a,1", tuple[int, ...], "--x must be whole numbers with commas between; got 'a,1'."),
        ("1,", tuple[float, ...], "--x must be numbers with commas between; got '1,'."),
    ],
)
def test_words_that_fit_no_type_are_refused(text, hint, message):
    with pytest.raises(InputError) as caught:
        values.parse(text, hint, "--x")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("docstring", "names"),
    [
        (None, []),
        ("Nothing.", []),
        ("A.\n\nParameters\n----------\na\n    Text.", ["a"]),
        ("A.\n\n    Parameters\n    ----------\n    a : int\n\n    b : x\n        T.", ["a", "b"]),
        (
            "Parameters\n----------\n*args, **kw : int\n    T.\n\nNotes\n-----\nc",
            ["args", "kw"],
        ),
    ],
)
def test_docstrings_are_read(docstring, names):
    assert list(docstrings.parameters(docstring)) == names


def test_markup_is_dropped():
    text = docstrings.parameters("Parameters\n----------\na : int\n    ``x`` :class:`Y`\n    z.")
    assert text["a"] == ("int", "x Y z.")
