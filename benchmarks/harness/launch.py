"""Runs one command and writes what it took as JSON: wall seconds, CPU seconds, peak memory.

A process of its own, started by `process.measure`: on Linux a child inherits the high-water mark
of the memory of whoever starts it, so the starter must be small. It imports next to nothing.
"""

import json
import os
import sys
import time


def main() -> None:
    """Run ``launch.py RESULT COMMAND…``."""
    result, *command = sys.argv[1:]
    start = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - start
    unit = 1 if sys.platform == "darwin" else 1024  # Linux counts in KiB
    with open(result, "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib is an import more
        json.dump(
            {
                "returncode": os.waitstatus_to_exitcode(status),
                "wall_seconds": wall,
                "cpu_seconds": usage.ru_utime + usage.ru_stime,
                "peak_bytes": usage.ru_maxrss * unit,
            },
            file,
        )


if __name__ == "__main__":
    main()
