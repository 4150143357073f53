"""The command answers at once, because nothing heavy is imported before it is needed."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = {
    "import": [sys.executable, "-c", "import cellstate"],
    "help": [Path(sys.executable).with_name("cellstate"), "--help"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_answers_within_300_ms(command):
    assert min(seconds_to_run(COMMANDS[command]) for _ in range(5)) < 0.3


def seconds_to_run(command):
    """Measure the processor's time, which a busy machine does not stretch as it does the clock."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
