"""Where a figure was measured: the machine (without its name), the versions, the commit."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from benchmarks.harness.options import ROOT

GIB = 2**30


def machine() -> str:
    """Describe processor, cores that this process may use, memory, and the GPU if there is one.

    Examples
    --------
    >>> " GiB" in machine() and " core" in machine()
    True
    """
    parts = [_processor(), f"{cores()} cores" if cores() > 1 else "1 core"]
    if "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        parts.append(f"{memory / GIB:.0f} GiB")
    return ", ".join([*parts, *_accelerator()])


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def versions(packages: Iterable[str]) -> str:
    """Name Python and those of the packages that are installed, with their versions."""
    found = [f"python {platform.python_version()}"]
    for package in packages:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def commit(folder: Path = ROOT) -> str:
    """Name the commit, marked where files other than results differ from it; empty without one."""
    try:
        name = _git(folder, "rev-parse", "--short=12", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--", ".", ":!benchmarks/results")
    except subprocess.CalledProcessError:
        return ""
    return f"{name}-dirty" if changed else name


def _git(folder: Path, *arguments: str) -> str:
    answer = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return answer.stdout.strip()


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return " ".join(line.split(":", 1)[1].split())
    return platform.processor() or platform.machine()


def _accelerator() -> list[str]:
    """Ask torch, but only if the benchmark has loaded it already."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name()]
