"""Named arrays as one safetensors file, and the checks before it is unpacked."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from cellstate.artifact import strict_json
from cellstate.errors import InputError, explain

Array = npt.NDArray[np.generic]

# NumPy's name -> the format's name
DTYPES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
}
HEADER_LIMIT = 16 * 2**20  # bytes; a hundred thousand tensors fit


@dataclass(frozen=True)
class Entry:
    """One tensor's dtype (NumPy's name) and shape."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes of the tensor."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class TensorFile:
    """What the manifest says of `model.safetensors`."""

    bytes: int
    sha256: str
    entries: dict[str, Entry]

    def as_dict(self) -> dict[str, Any]:
        """Describe the file as JSON-ready data."""
        return strict_json.plain(asdict(self), "tensors")

    @classmethod
    def from_dict(cls, document: Any) -> TensorFile:
        """Read `as_dict`'s form back, trusting nothing; ValueError says what is wrong."""
        fields = _exactly(document, {"bytes", "sha256", "entries"}, "tensors")
        if not _is_count(fields["bytes"]):
            raise ValueError(f"bytes = {fields['bytes']!r}")
        if not isinstance(fields["sha256"], str):
            raise ValueError(f"sha256 = {fields['sha256']!r}")
        if not isinstance(fields["entries"], dict):
            raise ValueError(f"entries = {fields['entries']!r}")
        entries = {
            name: _entry(item, name)
            for name, item in cast("dict[str, Any]", fields["entries"]).items()
        }
        return cls(fields["bytes"], fields["sha256"], entries)


def pack(arrays: Mapping[str, Array]) -> tuple[bytes, TensorFile]:
    """Write arrays as one safetensors document, with its description.

    Raises
    ------
    InputError
        A name is not text, or an array has a dtype that the format lacks.
    """
    ready: dict[str, Array] = {}
    for name, array in arrays.items():
        kind = type(array).__name__
        if isinstance(array, np.ndarray):  # pyright: ignore[reportUnnecessaryIsInstance]
            kind = array.dtype.name
        if type(name) is not str or name == "__metadata__" or kind not in DTYPES:
            raise InputError(
                explain(
                    "save",
                    f"tensors must be named NumPy arrays of {', '.join(DTYPES)}",
                    f"{name!r} of {kind}",
                    "Convert it with np.asarray(x, dtype=np.float32)",
                )
            )
        # safetensors writes the memory as it lies: a transposed array would come back scrambled.
        ready[name] = np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")
    data = safetensors.numpy.save(cast("dict[str, npt.NDArray[Any]]", ready))
    entries = {name: Entry(array.dtype.name, array.shape) for name, array in ready.items()}
    return data, TensorFile(len(data), hashlib.sha256(data).hexdigest(), entries)


def check_header(start: bytes, described: TensorFile) -> int:
    """Check the first 8 bytes; return the length of the header that follows, in bytes.

    Raises
    ------
    ValueError
        The header would be longer than the file or than any that `pack` writes.
    """
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > min(HEADER_LIMIT, described.bytes - 8):
        raise ValueError(f"a header of {length} bytes in a file of {described.bytes}")
    return length


def check_entries(header: bytes, described: TensorFile) -> None:
    """Check that the header lists exactly the described tensors, without gaps or overlaps.

    Raises
    ------
    ValueError
        A tensor is missing, unknown, or has another dtype, shape or size.
    """
    document = strict_json.parse(header)
    if not isinstance(document, dict):
        raise ValueError("a header that is no JSON object")
    found = cast("dict[str, Any]", document)
    found.pop("__metadata__", None)
    if unknown := sorted(set(found) - set(described.entries)):
        raise ValueError(f"the unknown tensor {unknown[0]!r}")
    spans: list[tuple[int, int]] = []
    for name, entry in described.entries.items():
        expected: dict[str, Any] = {"dtype": DTYPES[entry.dtype], "shape": list(entry.shape)}
        if name not in found:
            raise ValueError(f"no tensor {name!r}")
        item = _exactly(found[name], {"dtype", "shape", "data_offsets"}, name)
        given = {"dtype": item["dtype"], "shape": item["shape"]}
        if given != expected:
            raise ValueError(f"{name!r} with {given} instead of {expected}")
        offsets = item["data_offsets"]
        if not _is_shape(offsets) or len(offsets) != 2 or offsets[1] - offsets[0] != entry.size:
            raise ValueError(f"{name!r} at {offsets} instead of {entry.size} bytes")
        spans.append((offsets[0], offsets[1]))
    end = 0
    for first, last in sorted(spans):
        if first != end:
            raise ValueError(f"a gap or an overlap at byte {end} of the tensors")
        end = last
    if 8 + len(header) + end != described.bytes:
        raise ValueError(f"{end} bytes of tensors in a file of {described.bytes}")


def unpack(data: bytes, described: TensorFile) -> dict[str, Array]:
    """Unpack a whole safetensors document whose header was checked.

    Raises
    ------
    ValueError
        The bytes are not those described.
    """
    if len(data) != described.bytes or hashlib.sha256(data).hexdigest() != described.sha256:
        raise ValueError("a different content")
    try:
        arrays = safetensors.numpy.load(data)
    except safetensors.SafetensorError as problem:
        raise ValueError(str(problem)) from None
    return {name: cast("Array", arrays[name]) for name in described.entries}


def _entry(item: Any, name: str) -> Entry:
    fields = _exactly(item, {"dtype", "shape"}, name)
    if not isinstance(fields["dtype"], str) or fields["dtype"] not in DTYPES:
        raise ValueError(f"dtype {fields['dtype']!r} of {name!r}")
    if not _is_shape(fields["shape"]):
        raise ValueError(f"shape {fields['shape']!r} of {name!r}")
    return Entry(fields["dtype"], tuple(fields["shape"]))


def _exactly(item: Any, names: set[str], where: str) -> dict[str, Any]:
    if not isinstance(item, dict) or set(cast("dict[str, Any]", item)) != names:
        raise ValueError(f"{where!r} without exactly {', '.join(sorted(names))}")
    return cast("dict[str, Any]", item)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_shape(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_count, cast("list[Any]", value)))
