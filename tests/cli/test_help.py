"""What the commands say of themselves, and how little they load to say it."""

import resource
import subprocess
import sys

import pytest

import cellstate as package
from cellstate import tasks
from cellstate.cli import app

HELP = [
    ("fit",),
    ("fit", "forecast"),
    ("fit", "classify"),
    ("predict",),
    ("evaluate",),
    ("backtest",),
    ("inspect",),
    ("serve",),
    ("keys",),
    ("keys", "new"),
    ("keys", "list"),
    ("keys", "revoke"),
    ("export",),
    ("doctor",),
    ("data",),
    ("data", "list"),
    ("data", "path"),
    ("data", "get"),
]
HEAVY = ("torch", "numpy", "rich", "polars", "pandas", "sklearn")


def loaded(*words):
    """Run a command in a fresh process; return its answer and the packages that it imported."""
    code = (
        "import atexit, sys; from cellstate.cli import main;"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr)); main(sys.argv[1:])"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
    )
    return process.stdout, set(process.stderr.split())


def test_the_help_loads_nothing_heavy():
    answer, modules = loaded("--help")
    assert answer.startswith("Usage: cellstate [OPTIONS] COMMAND")
    assert not modules & set(HEAVY)


@pytest.mark.parametrize("task", tasks.TASKS)
def test_a_job_s_help_needs_no_torch(task):
    answer, modules = loaded("fit", task, "--help")
    assert answer.startswith(f"Usage: cellstate fit {task} [OPTIONS] DATA")
    assert "torch" not in modules


def test_the_help_answers_at_once():
    def processor_seconds():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    seconds = []
    for _ in range(3):
        before = processor_seconds()
        command = [sys.executable, "-c", "from cellstate.cli import main; main(['--help'])"]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        seconds.append(processor_seconds() - before)
    assert min(seconds) < 0.3


def test_every_command_is_listed_with_its_purpose(cellstate):
    result = cellstate("--help")
    assert result.code == 0
    for name, (_, summary) in app._COMMANDS.items():
        assert any(line.split() == [name, *summary.split()] for line in result.out.splitlines())


@pytest.mark.usefixtures("_fake_jobs")
@pytest.mark.parametrize("words", HELP, ids=" ".join)
def test_every_command_explains_itself_in_80_columns(cellstate, words):
    result = cellstate(*words, "--help")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"Usage: cellstate {' '.join(words)} [OPTIONS]")
    assert max(map(len, result.out.splitlines())) <= 80


@pytest.mark.usefixtures("_fake_jobs")
def test_jobs_are_listed_with_their_summaries(cellstate):
    assert "  forecast  Forecast the last value.\n" in cellstate("fit", "--help").out


@pytest.mark.usefixtures("_fake_jobs")
def test_options_stand_in_groups_with_defaults_and_choices(cellstate):
    lines = cellstate("fit", "forecast", "--help").out.splitlines()
    for heading in ("Arguments:", "Options:", "FakeForecaster:", "Columns:", "Train:"):
        assert heading in lines
    for line in (
        "  --horizon N                 Steps to forecast, at least 1.  [required]",
        "  --decoder direct|recursive  How the horizon is decoded.  [default: direct]",
        "  --levels N,N,…              Intervals, in per cent.  [default: 80,95]",
        "  --progress / --no-progress  Whether to show a bar.",
        "  --target TEXT         The value to forecast.  [default: y]",
    ):
        assert line in lines


def test_the_list_of_jobs_imports_none_of_them():
    answer, modules = loaded("fit", "--help")
    assert all(f"\n  {task} " in answer for task in tasks.TASKS)
    assert not modules & set(HEAVY)
    assert not modules & {place.split(":")[0] for place in tasks.TASKS.values()}


def test_the_version_is_told(cellstate):
    assert cellstate("--version").out == f"cellstate {package.__version__}\n"


@pytest.mark.usefixtures("_fake_jobs")
@pytest.mark.parametrize("words", [(), ("fit",), ("data",)])
def test_a_call_without_a_command_shows_the_help(cellstate, words):
    result = cellstate(*words)
    assert result.code in (0, 2)  # which of them depends on the version of typer
    assert "Usage: cellstate" in result.out + result.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("fitt",), "cellstate: the command must be known; got 'fitt'. Did you mean 'fit'?"),
        (("--verbose",), "No such option: --verbose"),
        (("doctor", "--all"), "No such option: --all"),
        (("doctor", "now"), "unexpected extra argument"),
    ],
)
def test_a_misspelt_call_is_explained(cellstate, words, message):
    result = cellstate(*words)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_a_warning_is_one_line(cellstate, monkeypatch):
    import warnings

    def warn():
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.warn("the rate was halved", stacklevel=1)
        return []

    monkeypatch.setattr("cellstate.cli.doctor.optional_packages", warn)
    assert cellstate("doctor").err == "Warning: the rate was halved\n"
