"""Tensors of the Open Inference Protocol, version 2, and the values of a model's fields.

In JSON a tensor is a list of values, row by row, flat or nested. With the extension for binary data
its bytes follow the JSON, in the order of the tensors: little-endian numbers, one byte for a BOOL,
and for BYTES each element after its length in four bytes.

References
----------
https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from cellstate.errors import explain
from cellstate.runtime.stream import Field
from cellstate.serve.http.problem import Problem, malformed

DTYPES = {
    "BOOL": "?",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
INTEGERS = frozenset(name for name in DTYPES if "INT" in name)
FLOATS = frozenset(("FP16", "FP32", "FP64"))
DATATYPES = {"number": "FP64", "integer": "INT64", "flag": "BOOL", "text": "BYTES"}
_ACCEPTED = {
    "number": FLOATS | INTEGERS,
    "integer": INTEGERS,
    "flag": frozenset(("BOOL",)),
    "text": frozenset(("BYTES",)),
}
_MOST_DIMENSIONS = 8
_WHERE = "tensor"


def describe(field: Field) -> dict[str, Any]:
    """Describe a field as the protocol describes tensors.

    Examples
    --------
    >>> describe(Field("x", "number", "A value.", size=3))
    {'name': 'x', 'datatype': 'FP64', 'shape': [1, 3]}
    """
    shape = [1] if field.size is None else [1, field.size]
    return {"name": field.name, "datatype": DATATYPES[field.kind], "shape": shape}


class TensorReader:
    """Reads the input tensors of one request.

    Parameters
    ----------
    binary : bytes
        What follows the JSON.
    """

    def __init__(self, binary: bytes) -> None:
        self._binary = binary
        self._at = 0

    def read(self, tensor: dict[str, Any], kind: str, size: int | None) -> Any:
        """Give a tensor's value, or the list of its values where the field has a size.

        Raises
        ------
        Problem
            Status 400.
        """
        datatype = tensor.get("datatype")
        if not isinstance(datatype, str) or datatype not in _ACCEPTED[kind]:
            must = f"its datatype must be {' or '.join(sorted(_ACCEPTED[kind]))}"
            raise malformed(must, "another", "See the model's metadata", _WHERE)
        count = _count(tensor.get("shape"))
        if count != (1 if size is None else size) and size != -1:
            must = f"it must have {size or 1} elements"
            raise malformed(must, f"{count}", "See the model's metadata", _WHERE)
        values = self._values(tensor, datatype, count)
        return values[0] if size is None else values

    def end(self) -> None:
        """Make sure that all bytes were read.

        Raises
        ------
        Problem
            Status 400: there are more.
        """
        if self._at != len(self._binary):
            must, given = "binary data must be that of the tensors", "more of it"
            raise malformed(must, given, "Check binary_data_size", _WHERE)

    def _values(self, tensor: dict[str, Any], datatype: str, count: int) -> list[Any]:
        parameters = tensor.get("parameters", {})
        if parameters.__class__ is not dict or any("shared_memory" in name for name in parameters):
            must, given = "data must come with the request", "another place"
            raise malformed(must, given, "Send it as JSON or binary", _WHERE)
        length = parameters.get("binary_data_size")
        if length is None:
            return _from_json(tensor.get("data"), datatype, count)
        if length.__class__ is not int or not 0 <= length <= len(self._binary) - self._at:
            must, given = "binary_data_size must be that of what follows", "another"
            raise malformed(must, given, "Check Inference-Header-Content-Length", _WHERE)
        data = self._binary[self._at : self._at + length]
        self._at += length
        return _from_bytes(data, datatype, count)


def write(field: Field, value: Any, *, is_binary: bool) -> tuple[dict[str, Any], bytes] | None:
    """Write an answer's value as an output tensor, with the bytes that are to follow.

    Returns
    -------
    tuple or None
        None: a tensor cannot say that an integer, a text or a flag is missing.
    """
    values = value if isinstance(value, list) else [value]
    if field.kind != "number" and any(one is None for one in values):
        return None
    shape = [1] if field.size is None else [1, len(values)]
    tensor: dict[str, Any] = {
        "name": field.name,
        "datatype": DATATYPES[field.kind],
        "shape": shape,
    }
    if not is_binary:
        tensor["data"] = values
        return tensor, b""
    if field.kind == "text":
        data = b"".join(_with_length(str(one).encode()) for one in values)
    elif field.kind == "number":
        numbers = [math.nan if one is None else one for one in values]
        data = np.array(numbers, "<f8").tobytes()
    else:
        data = np.array(values, DTYPES[DATATYPES[field.kind]]).tobytes()
    tensor["parameters"] = {"binary_data_size": len(data)}
    return tensor, data


def _with_length(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def _count(shape: Any) -> int:
    """Multiply a shape."""
    if shape.__class__ is list and len(shape) <= _MOST_DIMENSIONS:
        count = 1
        for length in shape:
            if length.__class__ is not int or not 0 <= length <= 1 << 20 or count > 1 << 20:
                break
            count *= length
        else:
            return count
    raise malformed("shape must be a list of lengths", "another value", "Send [1], say", _WHERE)


def _from_json(data: Any, datatype: str, count: int) -> list[Any]:
    values = list(_flat(data, 0))
    if data.__class__ is not list or len(values) != count:
        must, given = "data must have as many elements as shape says", f"{len(values)}"
        raise malformed(must, given, "Check shape", _WHERE)
    return [_checked(value, datatype) for value in values]


def _flat(data: Any, depth: int) -> Iterator[Any]:
    if data.__class__ is list and depth < _MOST_DIMENSIONS:
        for one in data:
            yield from _flat(one, depth + 1)
    else:
        yield data


def _checked(value: Any, datatype: str) -> Any:
    kind = value.__class__
    if datatype in FLOATS:
        if value is None or kind is float:
            return value  # null is a missing number
        if kind is int:
            return float(value)
    elif datatype == "BOOL":
        if kind is bool:
            return value
    elif datatype == "BYTES":
        if kind is str:
            return value
    elif kind is int:
        limits = np.iinfo(DTYPES[datatype])
        if limits.min <= value <= limits.max:
            return value
    raise malformed(f"elements must be of {datatype}", "another value", "Check datatype", _WHERE)


def _from_bytes(data: bytes, datatype: str, count: int) -> list[Any]:
    if datatype == "BYTES":
        return _texts(data, count)
    dtype = np.dtype(DTYPES[datatype])
    if len(data) != count * dtype.itemsize:
        must = f"{count} elements of {datatype} have {count * dtype.itemsize} bytes"
        raise malformed(must, f"{len(data)}", "Check binary_data_size", _WHERE)
    if datatype == "BOOL":
        return [byte != 0 for byte in data]
    values = np.frombuffer(data, dtype)
    if datatype in FLOATS and not np.isfinite(values).all():
        message = explain(_WHERE, "numbers must be finite", "one that is not", "Leave it out")
        raise Problem(400, message)
    return values.tolist()


def _texts(data: bytes, count: int) -> list[str]:
    texts: list[str] = []
    at = 0
    try:
        while at < len(data):
            (length,) = struct.unpack_from("<I", data, at)
            element = data[at + 4 : at + 4 + length]
            if len(element) != length:
                raise ValueError("it ends too early")
            texts.append(element.decode())
            at += 4 + length
    except (struct.error, ValueError):
        texts = []
    if len(texts) != count:
        must = f"BYTES must be {count} times a length in four bytes and UTF-8"
        raise malformed(must, "something else", "Check how it was written", _WHERE)
    return texts
