"""The fingerprint of data or of a model: equal content, equal fingerprint, on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cellstate.artifact import strict_json
from cellstate.errors import InputError, explain


def fingerprint(arrays: Mapping[str, npt.NDArray[np.generic] | Sequence[str]]) -> str:
    """Digest named arrays: their names, dtypes, shapes and values.

    Neither the order of the names, nor the memory layout, nor the byte order matters.

    Parameters
    ----------
    arrays : mapping of str to ndarray or sequence of str
        Arrays of any shape, of numbers, booleans, fixed-width text or ``datetime64``, but no
        objects; or texts of any lengths.

    Returns
    -------
    str
        ``"sha256:"`` and 64 hexadecimal digits.

    Raises
    ------
    InputError
        An array holds Python objects, whose bytes are addresses.

    Notes
    -----
    One pass over the bytes; an array that is not contiguous is copied first.

    Examples
    --------
    >>> fingerprint({"y": np.arange(3.0)})[:23]
    'sha256:2ecf15d074de2cbb'
    >>> fingerprint({"y": np.arange(3.0)}) == fingerprint({"y": np.arange(3)})
    False
    """
    digest = hashlib.sha256()
    for name in sorted(arrays):
        given = arrays[name]
        array = np.asarray(given if isinstance(given, np.ndarray) else _letters(given), order="C")
        if array.dtype.hasobject:
            raise InputError(
                explain(
                    "fingerprint",
                    "arrays must hold numbers, text of fixed width or datetime64",
                    f"dtype {array.dtype} in {name!r}",
                    "Convert it, for example with array.astype(str)",
                )
            )
        little = np.asarray(array, dtype=array.dtype.newbyteorder("<"))
        for part in (name, little.dtype.str, str(little.shape)):
            encoded = part.encode()
            digest.update(len(encoded).to_bytes(8, "little") + encoded)
        digest.update(little.reshape(-1).view(np.uint8).data)
    return f"sha256:{digest.hexdigest()}"


def model_fingerprint(document: Any, tensors: Mapping[str, npt.NDArray[np.generic]]) -> str:
    """Digest what decides a model's answers: settings that JSON can carry, and weights.

    Parameters
    ----------
    document : Any
        JSON-ready; tuples count as lists.
    tensors : mapping of str to ndarray

    Examples
    --------
    >>> weights = {"w": np.ones(3, np.float32)}
    >>> model_fingerprint({"layers": (1, 2)}, weights) == model_fingerprint(
    ...     {"layers": [1, 2]}, weights
    ... )
    True
    """
    text = strict_json.canonical(strict_json.plain(document, "document"))
    named = {f"tensors.{name}": values for name, values in tensors.items()}
    return fingerprint({"document": np.frombuffer(text, np.uint8), **named})


def _letters(texts: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Give bytes that are equal only where the texts are, as a fixed width would not be."""
    joined = "".join(f"{len(text)}:{text}" for text in texts).encode("utf-8", "surrogatepass")
    return np.frombuffer(joined, np.uint8)
