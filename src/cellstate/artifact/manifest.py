"""What `model.json` holds, and the checks between its bytes and a `Manifest`.

The document carries a checksum of itself and the names, dtypes, shapes and checksum of the tensor
file, so that a file that was cut, changed or mixed up with another is noticed before it is used.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, cast

import cellstate
from cellstate.artifact import strict_json
from cellstate.artifact.tensors import TensorFile
from cellstate.errors import ArtifactError, InputError, explain

MARK = "cellstate-model"  # tells a model.json of ours from anyone else's
FORMAT = 1  # the format that this version writes
OLDEST_FORMAT = 1  # the oldest one that it still reads
LIMIT = 64 * 2**20  # bytes of model.json; larger things belong into tensors

_PARTS: dict[str, type] = {
    "task": str,
    "arguments": dict,
    "network": dict,
    "encoders": dict,
    "decoding": dict,
    "record": dict,
}
_FIELDS = {"format", "format_version", "written_by", *_PARTS, "tensors", "sha256"}


@dataclass(frozen=True)
class Manifest:
    """All of a model but its tensors, as JSON-ready data.

    Parameters
    ----------
    task : str
        The job's name in `cellstate.tasks.TASKS`.
    arguments : dict
        The estimator's arguments.
    network : dict
        The network's description.
    encoders : dict
        What turns raw input into the network's input, as learned by `fit`.
    decoding : dict
        Defaults for turning the network's output into answers.
    record : dict
        The training record: data fingerprint, seed, versions, metrics.

    Notes
    -----
    Values are None, booleans, integers, finite floats, text, lists and dictionaries with text as
    keys. Tuples are written as lists, and so come back as lists.
    """

    task: str
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    network: dict[str, Any] = field(default_factory=dict[str, Any])
    encoders: dict[str, Any] = field(default_factory=dict[str, Any])
    decoding: dict[str, Any] = field(default_factory=dict[str, Any])
    record: dict[str, Any] = field(default_factory=dict[str, Any])


def encode(manifest: Manifest, tensors: TensorFile) -> bytes:
    """Compose `model.json`.

    Raises
    ------
    InputError
        The manifest holds something that JSON cannot carry, or too much.
    """
    document: dict[str, Any] = {
        "format": MARK,
        "format_version": FORMAT,
        "written_by": cellstate.__version__,
    }
    for part in _PARTS:
        try:
            plain = strict_json.plain(getattr(manifest, part), part)
        except (ValueError, RecursionError) as problem:
            raise InputError(
                explain(
                    "save",
                    "a manifest must be plain JSON with text as keys and finite numbers",
                    str(problem),
                    "Convert it with int(), float(), str() or .tolist(), and write None for NaN",
                )
            ) from None
        if not isinstance(plain, _PARTS[part]):
            raise InputError(
                explain(
                    "save",
                    f"the manifest's {part} must be a {_PARTS[part].__name__}",
                    type(plain).__name__,
                    "Pass the parts of Manifest by name",
                )
            )
        document[part] = plain
    document["tensors"] = tensors.as_dict()
    document["sha256"] = _checksum(document)
    data = json.dumps(document, indent=1, allow_nan=False).encode() + b"\n"
    if len(data) > LIMIT:
        raise InputError(
            explain(
                "save",
                f"model.json must have at most {LIMIT} bytes",
                f"{len(data)} bytes",
                "Store arrays as tensors instead of in the manifest",
            )
        )
    return data


def decode(data: bytes, where: str) -> tuple[Manifest, TensorFile]:
    """Read and check `model.json`; `where` begins each message.

    Raises
    ------
    ArtifactError
        The document is damaged, was changed, or has a format that this version cannot read.
    """
    document = _document(data, where)
    _check_version(document, where)
    fields = set(document)
    if fields != _FIELDS:
        wrong = [f"no {name!r}" for name in sorted(_FIELDS - fields)]
        wrong += [f"an unknown {name!r}" for name in sorted(fields - _FIELDS)]
        raise damaged(where, f"model.json must have the fields of format {FORMAT}", wrong[0])
    if document["sha256"] != _checksum(document):
        raise damaged(where, "model.json must match the checksum inside it", "a different content")
    for part, kind in _PARTS.items():
        if not isinstance(document[part], kind):
            raise damaged(
                where,
                f"{part} in model.json must be a {kind.__name__}",
                f"a {type(document[part]).__name__}",
            )
    try:
        tensors = TensorFile.from_dict(document["tensors"])
    except ValueError as problem:
        raise damaged(
            where, "tensors in model.json must describe the tensor file", str(problem)
        ) from None
    return Manifest(**{part: document[part] for part in _PARTS}), tensors


def marked(data: bytes) -> bool:
    """Tell whether `model.json` says that it is ours, in whatever version."""
    try:
        document = strict_json.parse(data)
    except ValueError:
        return False
    return isinstance(document, dict) and cast("dict[str, Any]", document).get("format") == MARK


def damaged(where: str, must: str, given: str) -> ArtifactError:
    """Compose the error for a model that cannot be trusted."""
    return ArtifactError(
        explain(
            where,
            must,
            given,
            "Copy the model again from where it came from, or fit it again",
        )
    )


def _document(data: bytes, where: str) -> dict[str, Any]:
    try:
        document = strict_json.parse(data)
    except ValueError as problem:
        raise damaged(where, "model.json must be one JSON document", str(problem)) from None
    if not isinstance(document, dict) or cast("dict[str, Any]", document).get("format") != MARK:
        raise ArtifactError(
            explain(
                where,
                f'model.json must say "format": "{MARK}"',
                "another document",
                "Name a folder that cellstate has saved",
            )
        )
    return cast("dict[str, Any]", document)


def _check_version(document: dict[str, Any], where: str) -> None:
    version = document.get("format_version")
    if type(version) is not int or version < 0:
        raise damaged(where, "format_version must be a whole number", repr(version))
    if version > FORMAT:
        raise ArtifactError(
            explain(
                where,
                f"a model's format must be {FORMAT} or older",
                f"format {version}, written by cellstate {document.get('written_by')}",
                "Update cellstate: pip install -U cellstate",
            )
        )
    if version < OLDEST_FORMAT:
        raise ArtifactError(
            explain(
                where,
                f"a model's format must be {OLDEST_FORMAT} or newer",
                f"format {version}, from before the first release",
                "Fit the model again",
            )
        )


def _checksum(document: dict[str, Any]) -> str:
    content = {name: value for name, value in document.items() if name != "sha256"}
    return hashlib.sha256(strict_json.canonical(content)).hexdigest()
