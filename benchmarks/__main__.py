"""The command `python -m benchmarks`: run, list and compare benchmarks, refresh the README."""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.harness import readme, record, surroundings
from benchmarks.harness.compare import compare
from benchmarks.harness.gate import check_tests
from benchmarks.harness.options import ROOT, Options
from benchmarks.table import BENCHMARKS
from cellstate.errors import CellstateError, InputError, did_you_mean, explain

RESULTS = ROOT / "benchmarks" / "results"
COMMANDS = ("list", "compare", "readme")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    command = words[0] if words else "list"
    try:
        if command == "list":
            return _list()
        if command == "compare":
            return _compare(words[1:])
        if command == "readme":
            return _readme(words[1:])
        return _run(words)
    except CellstateError as error:
        print(error, file=sys.stderr)
        return 2


def _list() -> int:
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, benchmark in BENCHMARKS.items():
        table.add_row(f"[bold]{name}[/bold]", benchmark.about)
    Console().print(table)
    return 0


def _run(words: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("name", help=f"one of {', '.join([*BENCHMARKS, *COMMANDS])}")
    parser.add_argument("--quick", action="store_true", help="a minute's form; not kept")
    parser.add_argument("--data-dir", type=Path, help="folder of public data sets")
    parser.add_argument("--out", type=Path, help="where to write (benchmarks/results/NAME.csv)")
    parser.add_argument("--threads", type=int, default=surroundings.cores(), help="threads to use")
    parser.add_argument("--seconds", type=float, help="how long to go on (serve-soak)")
    chosen = parser.parse_args(words)
    if chosen.name not in BENCHMARKS:
        raise InputError(
            explain(
                "benchmarks",
                "the name must be one of the table's",
                repr(chosen.name),
                did_you_mean(chosen.name, [*BENCHMARKS, *COMMANDS]),
            )
        )
    benchmark = BENCHMARKS[chosen.name]
    check_tests(chosen.name, benchmark.tests)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(chosen.threads)  # read when NumPy and torch are first imported
    module, function = benchmark.run.split(":")
    recorder = record.Recorder(chosen.threads)
    out = chosen.out or RESULTS / f"{chosen.name}.csv"
    kept = chosen.out is not None or not chosen.quick
    try:
        run = getattr(importlib.import_module(module), function)
        run(recorder, Options(chosen.quick, chosen.data_dir, chosen.threads, chosen.seconds))
    except BaseException:
        if recorder.rows and kept:  # hours of work are kept, under a name that nothing reads
            record.write(out.with_suffix(".partial.csv"), recorder.rows)
        raise
    _show(recorder)
    if not kept:
        print("Not written: the quick form is for a look. Give --out to keep it.")
        return 0
    record.write(out, recorder.rows)
    print(f"Written to {out}")
    return 0


def _show(recorder: record.Recorder) -> None:
    table = Table("case", "system", "metric", box=None, pad_edge=False)
    table.add_column("value", justify="right")
    for row in recorder.rows:
        seed = f" (seed {row.seed})" if row.seed else ""
        table.add_row(row.case, row.system, row.metric + seed, f"{row.value:.5g}")
    Console().print(table)


def _compare(words: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m benchmarks compare")
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    chosen = parser.parse_args(words)
    compare(chosen.first, chosen.second)
    return 0


def _readme(words: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m benchmarks readme")
    parser.add_argument("--check", action="store_true", help="change nothing; 1 if stale")
    parser.add_argument("--file", type=Path, default=ROOT / "README.md")
    chosen = parser.parse_args(words)
    old = chosen.file.read_text(encoding="utf-8")
    new = readme.refresh(old)
    if chosen.check:
        sys.stdout.writelines(
            difflib.unified_diff(old.splitlines(True), new.splitlines(True), "is", "should be")
        )
        return int(old != new)
    if old != new:
        chosen.file.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
