"""The server killed and its disk broken: what clients were told must be there, once and unchanged.

Each kill hits a process under load at a random moment; each fault hits another change of a file.
After it the store is held to all that was acknowledged, every log is replayed, and the same events
are sent again.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from benchmarks.serving.crash_faults import fail_everywhere
from benchmarks.serving.crash_kills import kill_often
from benchmarks.serving.disk import record_disk
from tests.serve.stores.faulty_vfs import FAULTS

WORKERS = 2
KILLS, QUICK_KILLS = 1200, 60
QUICK_STEP = 9  # every ninth change fails
NEVER = (
    "lost",
    "doubled",
    "changed",
    "logged_unlike_sent",
    "gaps",
    "answers_unlike_replay",
    "states_unlike_replay",
)
SEEN = (
    "kills",
    "faults",
    "acknowledged",
    "asked_again",
    "kept_unacknowledged",
    "failed",
    "replayed",
    "states",
)

Result = tuple[Counter[str], Counter[str]]


def run(recorder: Recorder, options: Options) -> None:
    """Kill, break, and judge.

    Raises
    ------
    RuntimeError
        Something that was acknowledged is lost, doubled or changed, or a state is wrong.
    """
    kills = (QUICK_KILLS if options.quick else KILLS) // WORKERS
    step = QUICK_STEP if options.quick else 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        record_disk(recorder, folder, quick=options.quick)
        cases: dict[str, list[tuple[Callable[..., Result], tuple[object, ...]]]] = {
            "SIGKILL under load": [(kill_often, (folder, kills, seed)) for seed in range(WORKERS)]
        }
        for fault in FAULTS:
            # From the seed on, so that two workers meet different changes and together all.
            cases[f"fault: {fault}"] = [
                (fail_everywhere, (folder, fault, seed, step * WORKERS)) for seed in range(WORKERS)
            ]
        for case, calls in cases.items():
            start = time.monotonic()
            counts, wrong = beside_each_other(calls)
            seconds = time.monotonic() - start
            for metric in SEEN:
                if counts[metric]:
                    recorder.add(case, "cellstate", metric, counts[metric], seconds=seconds)
            for metric in NEVER:
                recorder.add(case, "cellstate", metric, wrong[metric], seconds=seconds)
            if wrong.total():
                raise RuntimeError(f"{case}: {dict(wrong)}")


def beside_each_other(calls: list[tuple[Callable[..., Result], tuple[object, ...]]]) -> Result:
    """Run calls in processes of their own and add up what they give."""
    counts: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    with multiprocessing.get_context("fork").Pool(len(calls)) as pool:
        waiting = [pool.apply_async(function, arguments) for function, arguments in calls]
        for one in waiting:
            seen, bad = one.get()
            counts += seen
            wrong += bad
    return counts, wrong
