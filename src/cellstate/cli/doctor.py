"""`cellstate doctor`: what this machine offers, and which backend serves which problem."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
from typing import Any, NamedTuple

from cellstate.cli import screen
from cellstate.cli.commands import single


class Package(NamedTuple):
    """An optional package: its version, None where it is missing, and the extra that brings it."""

    name: str
    version: str | None
    extra: str


def build() -> Any:
    """Build the command."""
    return single(_run, "Show what this machine offers.", "cellstate doctor --json")


def _run(json: screen.Json = False) -> None:
    facts = {"cellstate": _cellstate(), "machine": _machine(), "torch": _torch()}
    packages = optional_packages()
    backends = _backends() if facts["torch"]["version"] else []
    if json:
        document = {
            **facts,
            "packages": [package._asdict() for package in packages],
            "backends": [row._asdict() for row in backends],
        }
        screen.print_json(document)
        return
    lines = [
        (part if name == "version" else name, _text(value))
        for part, names in facts.items()
        for name, value in names.items()
    ]
    screen.print_table(["this machine", ""], lines)
    _show_packages(packages)
    if backends:
        _show_backends(backends, facts["torch"]["devices"])


def optional_packages() -> list[Package]:
    """List the packages of the extras, as this installation declares them."""
    try:
        declared = importlib.metadata.requires("cellstate") or []
    except importlib.metadata.PackageNotFoundError:  # a source tree that was never installed
        return []
    packages: dict[str, Package] = {}
    for line in declared:
        match = re.match(r"([\w.-]+).*;\s*extra\s*==\s*['\"]([\w-]+)['\"]", line)
        if match is None or match[1] == "cellstate" or match[2] in ("all", "dev"):
            continue
        packages.setdefault(match[1], Package(match[1], _version(match[1]), match[2]))
    return sorted(packages.values())


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cellstate() -> dict[str, Any]:
    import cellstate

    return {"version": cellstate.__version__, "python": platform.python_version()}


def _machine() -> dict[str, Any]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    from cellstate import _native

    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": cores,
        "instructions": _native.isa(),
        "kernels": dict(_native.isas()),
    }


def _torch() -> dict[str, Any]:
    if importlib.util.find_spec("torch") is None:
        return {"version": None, "threads": None, "devices": []}
    from cellstate.extras import require

    torch = require("torch", extra="train")
    devices = [torch.cuda.get_device_name(place) for place in range(torch.cuda.device_count())]
    return {"version": torch.__version__, "threads": torch.get_num_threads(), "devices": devices}


def _backends() -> list[Any]:
    from cellstate.ops.backends import explain_table

    return explain_table()


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} ({'yes' if here else 'no'})" for name, here in value.items())
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return "not installed" if value is None else str(value)


def _show_packages(packages: list[Package]) -> None:
    rows = [
        (p.name, p.version or "–", "" if p.version else f"pip install 'cellstate[{p.extra}]'")
        for p in packages
    ]
    screen.print_table(["optional package", "version", "to install it"], rows)


def _show_backends(table: list[Any], devices: list[str]) -> None:
    """Print problems with equal answers together, and none of a device that is not here."""
    chosen: dict[str, str] = {}
    reasons: dict[str, list[str]] = {}
    for row in table:
        if row.problem.startswith("cuda") and not devices:
            continue
        if row.chosen:
            chosen[row.problem] = row.backend
        reasons.setdefault(row.problem, [])
        if row.reason is not None:
            reasons[row.problem].append(f"{row.backend}: {row.reason}")
    alike: dict[tuple[str, str], list[str]] = {}
    for problem, why_not in reasons.items():
        alike.setdefault((chosen[problem], "\n".join(why_not)), []).append(problem)
    lines = [("\n".join(problems), *answer) for answer, problems in alike.items()]
    screen.print_table(["LSTM problem", "runs on", "why not the others"], lines)
